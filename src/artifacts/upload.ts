import { sharedSignal } from '../core/shared-signal.js'
import { blobOf, factsBehind, type SaveOptions } from '../disk/files.js'
import { type TreeFile, tree } from '../disk/tree.js'
import { IntegrityError, InvalidParameterError, NotFoundError } from '../errors.js'
import { counted } from './counted.js'
import { eachLimited } from './limited.js'
import { checkArtifactPath, folderOf, joinPath } from './paths.js'
import type { ArtifactStore, TransferOptions } from './store.js'
import type { CopyOptions } from './transfer.js'

export interface UploadOptions extends CopyOptions {
  /** Names of files directly below the source that are written after all others, in this order. */
  readonly last?: readonly string[] | undefined
  /** Told the path below the source of each file that has arrived, also where another fails; a listener tries again, without those. */
  readonly onSent?: ((path: string) => void) | undefined
}

/** A file of this machine and the path it is to have below the destination. */
export interface LocalFile {
  readonly path: string
  readonly file: string
}

/** Files of more bytes are looked for one by one, so that none has to be sent again when those after it break off. */
const LOOKED_FOR_ALONE = 8 << 20
/** Smaller ones are looked for together once there are this many, or this many bytes of them: what breaks off loses no more. */
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
): Promise<void> {
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
