import { InvalidParameterError, UnavailableError } from '../errors.js'
import { joinPath } from './paths.js'
import type { ArtifactFile } from './store.js'

/** A bare 500: with a code of MLflow's it is in MLflow's words, and another trouble. */
export const isStumble = (error: unknown): error is UnavailableError =>
  error instanceof UnavailableError && error.status === 500 && error.code !== 'INTERNAL_ERROR'

/**
 * What an upload that stumbled really says: MLflow answers a bare 500, as in an outage, for a file whose path leads through
 * a file or is a folder. That is looked for, and refused for good where it is so.
 */
export async function withReason(
  error: UnavailableError,
  path: string,
  list: (dir: string) => Promise<readonly ArtifactFile[]>,
): Promise<unknown> {
  const why = await inTheWay(path, list).catch(() => undefined)
  if (why === undefined) return error
  return new InvalidParameterError(
    `The artifact ${JSON.stringify(path)} cannot be kept: ${why}; log it under another name`,
    { cause: error, url: error.url },
  )
}

async function inTheWay(
  path: string,
  list: (dir: string) => Promise<readonly ArtifactFile[]>,
): Promise<string | undefined> {
  let dir = ''
  for (const segment of path.split('/')) {
    const here = joinPath(dir, segment)
    // A bucket may have a file and a folder of one name.
    const there = (await list(dir)).filter((entry) => entry.path === here)
    const mustBeDir = here !== path
    if (there.length === 0) return undefined
    if (!there.some(({ isDir }) => isDir === mustBeDir))
      return mustBeDir ? `${JSON.stringify(here)} is a file there, not a folder` : 'it is a folder there, not a file'
    dir = here
  }
  return undefined
}
