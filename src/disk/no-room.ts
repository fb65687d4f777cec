import { rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type CairnError, PermissionDeniedError, UnavailableError } from '../errors.js'
import { errno } from './errno.js'
import { factsOf } from './files.js'

const WHY: Readonly<Record<string, string>> = {
  ENOSPC: 'its disk is full',
  EDQUOT: 'the quota of its disk is used up',
  EROFS: 'its file system is read-only',
}

/**
 * For a failure to write because a disk takes no more, an error that names the folder and the way out, and that no later try
 * by itself does away with; undefined for any other failure.
 */
export function noRoom(error: unknown, dir: string, wayOut: string): CairnError | undefined {
  const code = errno(error) ?? ''
  const why = WHY[code]
  if (why === undefined) return undefined
  const Known = code === 'EROFS' ? PermissionDeniedError : UnavailableError
  return new Known(`Nothing can be written to ${dir}: ${why} (${code}); ${wayOut}`, { cause: error, retryable: false })
}

/** What of a path and the folders above it is not there yet, the outermost first. */
export async function missingOf(path: string): Promise<string[]> {
  const missing: string[] = []
  for (let probe = path; dirname(probe) !== probe && !(await factsOf(probe)); probe = dirname(probe))
    missing.unshift(probe)
  return missing
}

/** Takes away files, and folders in the reverse of the order in which they were noted; a folder that others use stays. */
export async function unmake(folders: readonly string[], files: readonly string[] = []): Promise<void> {
  for (const file of files) await unlink(file).catch(() => {})
  for (const folder of folders.toReversed()) await rmdir(folder).catch(() => {})
}
