import { dirname, join } from 'node:path'
import {
  type FileFacts,
  factsBehind,
  factsOf,
  makeDirs,
  namesIn,
  realPathOf,
  removeAll,
  saveStream,
  streamOf,
} from '../disk/files.js'
import { isPartial } from '../disk/partial.js'
import { liesIn } from '../disk/tree.js'
import { InvalidParameterError, NotFoundError, UnsafePathError } from '../errors.js'
import { localPath } from './location.js'
import { checkLocalPath, joinPath } from './paths.js'
import type { ArtifactFile, ArtifactStore } from './store.js'

/**
 * Artifacts in a directory of this machine, given as a path or `file:` URI; it is made by the first write. Links are
 * followed while they stay in the directory, and never out of it (`UnsafePathError`).
 */
export function fileArtifacts(uri: string): ArtifactStore {
  const root = localPath(uri)

  /** Where a path lies, checked against the directory as it is on the disk at this moment. */
  async function place(path: string): Promise<string> {
    const clean = checkLocalPath(path)
    const file = clean === '' ? root : join(root, ...clean.split('/'))
    const realRoot = await realPathOf(root)
    if (realRoot === undefined) return file
    for (let probe = file; ; probe = dirname(probe)) {
      const real = await realPathOf(probe)
      if (real === undefined && (await factsOf(probe))?.kind === 'link')
        throw new UnsafePathError(`The artifact path ${JSON.stringify(path)} is a link that leads to nothing`)
      if (real === undefined) continue
      if (liesIn(realRoot, real)) return file
      throw new UnsafePathError(`The artifact path ${JSON.stringify(path)} leads out of ${root} by a link, to ${real}`)
    }
  }

  async function entry(dir: string, prefix: string, name: string): Promise<ArtifactFile | undefined> {
    const file = join(dir, name)
    const facts = await behind(file)
    const path = joinPath(prefix, name)
    if (facts?.kind === 'directory') return { path, isDir: true }
    return facts?.kind === 'file' ? { path, isDir: false, size: facts.size } : undefined
  }

  async function behind(file: string): Promise<FileFacts | undefined> {
    const facts = await factsOf(file)
    if (facts?.kind !== 'link') return facts
    const [realRoot, real] = await Promise.all([realPathOf(root), realPathOf(file)])
    return realRoot !== undefined && real !== undefined && liesIn(realRoot, real) ? factsBehind(file) : undefined
  }

  return {
    async list(path, options) {
      options?.signal?.throwIfAborted()
      const dir = await place(path)
      const prefix = checkLocalPath(path)
      const names = (await namesIn(dir)).filter((name) => !isPartial(name))
      const entries = await Promise.all(names.map((name) => entry(dir, prefix, name)))
      return entries.filter((found) => found !== undefined)
    },
    async read(path, options) {
      options?.signal?.throwIfAborted()
      const file = await place(path)
      const facts = await factsBehind(file)
      if (!facts) throw new NotFoundError(`There is no artifact ${JSON.stringify(path)} in ${root}`)
      if (facts.kind !== 'file')
        throw new InvalidParameterError(
          `The artifact ${JSON.stringify(path)} in ${root} is a ${facts.kind}, not a file`,
        )
      return streamOf(file)
    },
    async write(path, data, options) {
      options?.signal?.throwIfAborted()
      if (checkLocalPath(path) === '')
        throw new InvalidParameterError('An artifact needs a path below the root to be written')
      const file = await place(path)
      await makeDirs(dirname(file))
      await place(path)
      if ((await factsOf(file))?.kind === 'directory')
        throw new InvalidParameterError(`The artifact ${JSON.stringify(path)} in ${root} is a directory, not a file`)
      await saveStream(file, data.stream() as ReadableStream<Uint8Array>, { signal: options?.signal, size: data.size })
    },
    async remove(path, options) {
      options?.signal?.throwIfAborted()
      await removeAll(await place(path))
    },
  }
}
