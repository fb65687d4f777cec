import { dirname, join } from 'node:path'
import { sharedSignal } from '../core/shared-signal.js'
import { factsOf, makeDirs, realPathOf, type SaveOptions, saveStream } from '../disk/files.js'
import { missingOf, noRoom, unmake } from '../disk/no-room.js'
import { liesIn } from '../disk/tree.js'
import {
  IntegrityError,
  InvalidParameterError,
  NetworkError,
  NotFoundError,
  TimeoutError,
  UnsafePathError,
} from '../errors.js'
import { eachLimited } from './limited.js'
import { listAll, listChecked } from './listing.js'
import { checkArtifactPath } from './paths.js'
import type { ArtifactFile, ArtifactStore } from './store.js'
import type { CopyOptions } from './transfer.js'

/**
 * Downloads a file, or a directory with all below it, to a directory of this machine (which one may depend on whether nothing
 * is below `path`); paths below `path` are kept, a single file comes under its own name. Every name the store lists is
 * checked before anything is written, nothing is written outside `to`, and a file is under its name only when as many bytes
 * came as were listed (`IntegrityError`). When the disk takes no more, what was not there before is taken away again. Answers
 * how many files came.
 */
export async function download(
  store: ArtifactStore,
  path: string,
  to: string | ((isAlone: boolean) => string),
  { concurrency = 8, signal: outer, onProgress }: CopyOptions = {},
): Promise<number> {
  outer?.throwIfAborted()
  const signal = sharedSignal(outer)
  const from = checkArtifactPath(path)
  const listed = await listAll(store, from, { concurrency, signal })
  const isAlone = from !== '' && listed.length === 0
  const files = isAlone ? [await single(store, from, signal)] : listed
  const base = !isAlone ? from : dirname(from) === '.' ? '' : dirname(from)
  const target = typeof to === 'string' ? to : to(isAlone)
  const total = files.every(({ isDir, size }) => isDir || size !== undefined)
    ? files.reduce((sum, { size = 0 }) => sum + size, 0)
    : undefined
  let loaded = 0
  const folders: string[] = []
  const fetched: string[] = []
  const note = async (path: string): Promise<void> => void folders.push(...(await missingOf(path)))
  const fetchOne = async (root: string, { path: name, isDir, size }: ArtifactFile): Promise<void> => {
    const below = base === '' ? name : name.slice(base.length + 1)
    const file = join(root, ...below.split('/'))
    await note(isDir ? file : dirname(file))
    if (isDir) return ensureDir(root, file)
    await ensureDir(root, dirname(file))
    const before = await factsOf(file)
    if (before?.kind === 'directory')
      throw new InvalidParameterError(`${file} is a directory; the file ${name} cannot be written there`)
    const onBytes = (bytes: number): void => {
      loaded += bytes
      onProgress?.({ loaded, total, file: name })
    }
    await fetchFile(store, name, file, { signal, onBytes, size })
    // Not sooner: one that comes there meanwhile is another's.
    if (!before) fetched.push(file)
  }
  try {
    await note(target)
    await makeDirs(target)
    const root = (await realPathOf(target)) as string
    await eachLimited(files, concurrency, (file) => fetchOne(root, file), signal)
  } catch (error) {
    const full = noRoom(error, target, 'make room there, or download to another disk (dstPath)')
    if (full) await unmake(folders, fetched)
    throw full ?? error
  }
  return files.filter(({ isDir }) => !isDir).length
}

/** How often a file is begun to be read whose bytes break off, or are not as many as listed. */
const READS = 4

/** Saves a file of a store; one that was cut on its way is read anew. Until it answers at all, a store tries by itself. */
export async function fetchFile(
  store: ArtifactStore,
  name: string,
  target: string,
  options: SaveOptions,
): Promise<void> {
  const most = Math.min(READS, store.attempts ?? READS)
  let told = 0
  for (let reads = 1; ; reads++) {
    const data = await store.read(name, { signal: options.signal })
    let came = 0
    const onBytes = (bytes: number) => {
      came += bytes
      // What is read anew was told.
      if (came <= told) return
      options.onBytes?.(came - told)
      told = came
    }
    try {
      await saveStream(target, data, { ...options, onBytes })
      return
    } catch (error) {
      const isCut = error instanceof NetworkError || error instanceof TimeoutError || error instanceof IntegrityError
      if (!isCut || reads >= most) throw error
    }
  }
}

/** Makes a directory below the root and makes sure no link led out of it. */
async function ensureDir(root: string, dir: string): Promise<void> {
  for (let probe = dir; probe !== root && liesIn(root, probe); probe = dirname(probe))
    if ((await factsOf(probe))?.kind === 'link')
      throw new UnsafePathError(`${probe} is a link; nothing is downloaded through it`)
  await makeDirs(dir)
}

async function single(store: ArtifactStore, path: string, signal?: AbortSignal): Promise<ArtifactFile> {
  const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  // What others are called is no matter here.
  const siblings = await listChecked(store, parent, signal, () => {})
  const found = siblings.find((entry) => entry.path === path)
  if (!found) throw new NotFoundError(`There is no artifact ${JSON.stringify(path)}`)
  return found
}
