import { dirname, join } from 'node:path'
import type { Progress } from '../core/entities.js'
import { sharedSignal } from '../core/shared-signal.js'
import { blobOf, factsBehind, factsOf, makeDirs, realPathOf, type SaveOptions, saveStream } from '../disk/files.js'
import { missingOf, noRoom, unmake } from '../disk/no-room.js'
import { liesIn, type TreeFile, tree } from '../disk/tree.js'
import {
  IntegrityError,
  InvalidParameterError,
  NetworkError,
  NotFoundError,
  TimeoutError,
  UnsafePathError,
} from '../errors.js'
import { counted } from './counted.js'
import { eachLimited } from './limited.js'
import { checkArtifactPath, checkLocalPath, folderOf, joinPath } from './paths.js'
import type { ArtifactFile, ArtifactStore, TransferOptions } from './store.js'

export interface CopyOptions {
  /** Files in flight at once, a whole number from 1 or `Infinity`; 8 unless said. */
  readonly concurrency?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Hears how far the bytes are. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface UploadOptions extends CopyOptions {
  /** Names of files directly below the source that are written after all others, in this order. */
  readonly last?: readonly string[] | undefined
  /** Told the path below the source of each file that has arrived, also where another fails; who listens tries again, without those. */
  readonly onSent?: ((path: string) => void) | undefined
}

/** A file of this machine and the path it is to have below the destination. */
export interface LocalFile {
  readonly path: string
  readonly file: string
}

/** What a transfer carried. */
export interface Copied {
  readonly files: readonly { readonly path: string; readonly size: number }[]
  readonly bytes: number
}

const MAX_ENTRIES = 1_000_000
const MAX_DEPTH = 100
/** Files of more bytes are looked for one by one, so that none has to be sent again when those after it break off. */
const LOOKED_FOR_ALONE = 8 << 20
/** Smaller ones are looked for together as soon as there are so many, or so many bytes of them: what breaks off loses no more. */
const TOGETHER = { files: 64, bytes: 64 << 20 }

/**
 * Uploads a directory, or single files, to `to` in a store. Sizes are those at the start: a file that changes meanwhile is
 * an `IntegrityError`. Pipes, sockets, devices and links out of the directory are refused before anything is sent.
 */
export async function upload(
  store: ArtifactStore,
  from: string | readonly LocalFile[],
  to: string,
  { concurrency = 8, signal: outer, onProgress, onSent, last = [] }: UploadOptions = {},
): Promise<Copied> {
  outer?.throwIfAborted()
  const signal = sharedSignal(outer)
  const target = checkArtifactPath(to)
  const files = typeof from === 'string' ? await tree(from) : await Promise.all(from.map(pinned))
  for (const file of files) {
    const path = checkArtifactPath(joinPath(target, file.path))
    store.checkWritable?.(path)
  }
  const total = bytesOf(files)
  let loaded = 0
  let unsure: TreeFile[] = []
  const send = async (file: TreeFile, isAlone = true): Promise<void> => {
    let came = 0
    let isSure = true
    let own: { readonly error: unknown } | undefined
    const onUnsure = (): void => {
      isSure = false
    }
    const onBytes = (bytes: number): void => {
      came += bytes
      loaded += bytes
      try {
        onProgress?.({ loaded, total, file: file.path })
      } catch (error) {
        own ??= { error }
        throw error
      }
    }
    try {
      await sendOne(store, file, joinPath(target, file.path), {
        signal,
        ...(onProgress ? { onBytes } : {}),
        ...(isAlone ? {} : { onUnsure }),
      })
    } catch (error) {
      // A store takes what the listener throws, in the middle of the bytes, for a fault of its request.
      throw own ? own.error : error
    }
    if (own) throw own.error
    // A small file is not read in parts.
    onBytes(file.size - came)
    if (isSure) onSent?.(file.path)
    else unsure.push(file)
  }
  /** Looks for what was sent and not confirmed; answers what is not there. */
  const lookFor = async (): Promise<readonly TreeFile[]> => {
    const group = unsure
    unsure = []
    const { there, absent, other } = await standing(store, target, group, {
      concurrency,
      signal,
      isTriedAgain: !!onSent,
    })
    for (const { path } of there) onSent?.(path)
    if (other) throw other
    return absent
  }
  const again = async (file: TreeFile): Promise<void> => {
    loaded -= file.size
    await send(file)
  }
  const settle = async (): Promise<void> => eachLimited(await lookFor(), concurrency, again, signal)
  const first = files.filter(({ path }) => !last.includes(path))
  const sendFirst = async (file: TreeFile): Promise<void> => {
    await send(file, first.length === 1 || file.size > LOOKED_FOR_ALONE)
    if (unsure.length >= TOGETHER.files || bytesOf(unsure) >= TOGETHER.bytes) await settle()
  }
  try {
    await eachLimited(first, concurrency, sendFirst, signal)
  } catch (error) {
    if (onSent && !signal?.aborted) await lookFor().catch(() => undefined)
    throw error
  }
  await settle()
  for (const name of last) for (const file of files) if (file.path === name) await send(file)
  return { files: files.map(({ path, size }) => ({ path: joinPath(target, path), size })), bytes: total }
}

const bytesOf = (files: readonly TreeFile[]): number => files.reduce((sum, { size }) => sum + size, 0)

/** How some files below `target` stand in a store, which is asked once for each folder. */
async function standing(
  store: ArtifactStore,
  target: string,
  files: readonly TreeFile[],
  { concurrency = 8, signal, isTriedAgain }: CopyOptions & { readonly isTriedAgain: boolean },
): Promise<{ there: readonly TreeFile[]; absent: readonly TreeFile[]; other: IntegrityError | undefined }> {
  const sizes = new Map<string, number | undefined>()
  const at = ({ path }: TreeFile) => joinPath(target, path)
  const look = async (folder: string): Promise<void> => {
    const list = () => store.list(folder, { signal })
    const listed = await list()
      .catch(list)
      .catch((error: unknown) => {
        if (isTriedAgain) throw error
        // Each is sent once more, and looked for or kept on disk by itself.
        return []
      })
    for (const { path, size } of listed) sizes.set(path, size)
  }
  await eachLimited([...new Set(files.map((file) => folderOf(at(file))))], concurrency, look, signal)
  const there = files.filter((file) => sizes.get(at(file)) === file.size)
  const absent = files.filter((file) => !sizes.get(at(file)) && !there.includes(file))
  // Somebody may have written it meanwhile: what is newer is not replaced.
  const other = files.find((file) => !there.includes(file) && !absent.includes(file))
  return { there, absent, other: other && notThose(at(other), sizes.get(at(other)), other.size) }
}

const notThose = (path: string, there: number | undefined, sent: number): IntegrityError =>
  new IntegrityError(
    `${JSON.stringify(path)} is there with ${there} bytes, not the ${sent} that were sent: another may have written it meanwhile, or something in front of the server have answered in its place; log it again if it is to be as here`,
    { retryable: true },
  )

async function pinned({ path, file }: LocalFile): Promise<TreeFile> {
  const facts = await factsBehind(file)
  if (!facts) throw new NotFoundError(`There is no file ${file}`)
  if (facts.kind === 'directory') throw new InvalidParameterError(`${file} is a directory, not a file`)
  if (facts.kind !== 'file')
    throw new InvalidParameterError(`${file} is a pipe, socket or device; only regular files are uploaded`)
  return { ...facts, path, file }
}

async function sendOne(
  store: ArtifactStore,
  file: TreeFile,
  path: string,
  { signal, onUnsure, onBytes }: TransferOptions & Pick<SaveOptions, 'onBytes'>,
): Promise<void> {
  const changed = (cause?: unknown) =>
    new IntegrityError(`${file.file} changed while it was uploaded; it had ${file.size} bytes at the start`, { cause })
  signal?.throwIfAborted()
  const blob = await blobOf(file.file)
  if (blob.size !== file.size) throw changed()
  try {
    await store.write(path, onBytes ? counted(blob, onBytes) : blob, { signal, onUnsure })
  } catch (error) {
    const after = await factsBehind(file.file)
    throw isSame(file, after) ? error : changed(error)
  }
  if (!isSame(file, await factsBehind(file.file))) throw changed()
}

const isSame = (before: TreeFile, after: { size: number; mtimeMs: number } | undefined): boolean =>
  after !== undefined && after.size === before.size && after.mtimeMs === before.mtimeMs

/**
 * Downloads a file, or a directory with all below it, to a directory of this machine (which one may hang on whether nothing
 * is below `path`); paths below `path` are kept, a single file comes under its own name. Every name the store lists is
 * checked before anything is written, nothing is written outside `to`, and a file is under its name only when as many bytes
 * came as were listed (`IntegrityError`). When the disk takes no more, what was not there before is taken away again.
 */
export async function download(
  store: ArtifactStore,
  path: string,
  to: string | ((isAlone: boolean) => string),
  { concurrency = 8, signal: outer, onProgress }: CopyOptions = {},
): Promise<Copied> {
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
  const sizes = new Map<string, number>()
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
    sizes.set(name, await fetchFile(store, name, file, { signal, onBytes, size }))
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
  const copied = [...sizes].map(([name, size]) => ({ path: name, size }))
  return { files: copied, bytes: copied.reduce((sum, { size }) => sum + size, 0) }
}

/** How often a file is begun to be read whose bytes break off, or are not as many as listed. */
const READS = 4

/** Saves a file of a store and answers its size; one that was cut on its way is read anew. Until it answers at all, a store tries by itself. */
export async function fetchFile(
  store: ArtifactStore,
  name: string,
  target: string,
  options: SaveOptions,
): Promise<number> {
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
      return await saveStream(target, data, { ...options, onBytes })
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

/** Told of an entry whose name is refused; it is then left out, with all below it. */
export type OnUnfit = (path: string, error: UnsafePathError) => void

/**
 * Everything below a directory of a store, files and directories, in no order; hostile names are an `UnsafePathError`, or
 * told to `onUnfit`.
 */
export async function listAll(
  store: ArtifactStore,
  path: string,
  { concurrency = 8, signal, onUnfit }: CopyOptions & { readonly onUnfit?: OnUnfit | undefined } = {},
): Promise<ArtifactFile[]> {
  const found: ArtifactFile[] = []
  let level = [checkArtifactPath(path)]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH)
      throw new IntegrityError(`The artifacts below ${JSON.stringify(path)} are nested over ${MAX_DEPTH} deep`)
    const next: string[] = []
    await eachLimited(
      level,
      concurrency,
      async (dir) => {
        for (const entry of await listChecked(store, dir, signal, onUnfit)) {
          if (found.push(entry) > MAX_ENTRIES) throw new IntegrityError(`Over ${MAX_ENTRIES} artifacts are listed`)
          if (entry.isDir) next.push(entry.path)
        }
      },
      signal,
    )
    level = next
  }
  return found
}

/** One directory as the store lists it: each entry checked by the rule for paths, and directly below that directory. */
export async function listChecked(
  store: ArtifactStore,
  dir: string,
  signal?: AbortSignal,
  onUnfit?: OnUnfit,
): Promise<readonly ArtifactFile[]> {
  const listed = await store.list(dir, { signal })
  const entries = onUnfit ? listed.filter(({ path }) => isFit(path, checkLocalPath, onUnfit)) : listed
  const names = new Set<string>()
  for (const { path } of entries) {
    const clean = checkLocalPath(path)
    const below = dir === '' ? clean : clean.startsWith(`${dir}/`) ? clean.slice(dir.length + 1) : ''
    if (clean !== path || below === '' || below.includes('/'))
      throw new UnsafePathError(
        `The store lists ${JSON.stringify(path)} in ${JSON.stringify(dir)}, where it does not lie`,
      )
    if (names.has(path)) throw new IntegrityError(`The store lists ${JSON.stringify(path)} twice`)
    names.add(path)
  }
  return entries
}

/** Whether a path passes a check; `onUnfit` is told of one that does not. */
export function isFit(path: string, check: (path: string) => unknown, onUnfit: OnUnfit): boolean {
  try {
    check(path)
    return true
  } catch (error) {
    if (!(error instanceof UnsafePathError)) throw error
    onUnfit(path, error)
    return false
  }
}
