import { createHash } from 'node:crypto'
import { constants, createReadStream, openAsBlob } from 'node:fs'
import {
  copyFile,
  type FileHandle,
  lstat,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { onAbort } from '../core/shared-signal.js'
import { diskError, IntegrityError, InvalidParameterError } from '../errors.js'
import { errno, isAbsent } from './errno.js'
import { partialName } from './partial.js'
import { makeDir } from './write.js'

export type FileKind = 'file' | 'directory' | 'link' | 'other'

/** What the file system says of one path, the link itself where it is one. Times are epoch milliseconds. */
export interface FileFacts {
  readonly kind: FileKind
  readonly size: number
  readonly mtimeMs: number
  /** Of the last change of anything about it; also when it came under this name. */
  readonly ctimeMs: number
  readonly ino: number
  readonly mode: number
  readonly uid: number
}

async function facts(path: string, look: typeof lstat): Promise<FileFacts | undefined> {
  try {
    const found = await look(path)
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'link' : 'other'
    const { size, mtimeMs, ctimeMs, ino, mode, uid } = found
    return { kind, size, mtimeMs, ctimeMs, ino, mode, uid }
  } catch (error) {
    if (isAbsent(error)) return undefined
    if (errno(error) === 'ENAMETOOLONG')
      throw new InvalidParameterError(`The path ${path.slice(0, 80)}... is longer than the file system takes`, {
        cause: error,
      })
    throw diskError(error, `look at ${path}`)
  }
}

/** Facts of a path without following a link; `undefined` when nothing is there. */
export const factsOf = (path: string): Promise<FileFacts | undefined> => facts(path, lstat)

/** Facts of what a path leads to, links followed; `undefined` when nothing is there. */
export const factsBehind = (path: string): Promise<FileFacts | undefined> => facts(path, stat as typeof lstat)

/** The names directly below a directory, in no order; an absent directory or a file has none. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (isAbsent(error)) return []
    throw diskError(error, `list ${dir}`)
  }
}

/** The path with all links resolved; `undefined` when nothing is there. */
export async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw diskError(error, `resolve ${path}`)
  }
}

/** Makes a directory and those above it; `mode` counts for the ones made. Most are there, which is looked up without blocking. */
export async function makeDirs(dir: string, mode?: number): Promise<void> {
  if ((await factsBehind(dir))?.kind !== 'directory') makeDir(dir, mode)
}

/** Removes a file or a directory with all below it, links themselves and not what they lead to; absent is success. */
export async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((error) => {
    throw diskError(error, `remove ${path}`)
  })
}

/** The bytes of a file; `IntegrityError` when it has more than `limit`. */
export async function readBytes(path: string, limit = Number.MAX_SAFE_INTEGER): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > limit) throw new IntegrityError(`${path} has ${size} bytes; at most ${limit} are read here`)
    return await readFile(path)
  } catch (error) {
    throw diskError(error, `read ${path}`)
  }
}

/** A file's text; `IntegrityError` when it has more than `limit` bytes. */
export const readText = async (path: string, limit?: number): Promise<string> =>
  new TextDecoder().decode(await readBytes(path, limit))

/** A file as a lazy Blob: nothing is in memory, it can be sent twice, and reading fails when the file changed meanwhile. */
export async function blobOf(path: string): Promise<Blob> {
  try {
    return await openAsBlob(path)
  } catch (error) {
    throw diskError(error, `open ${path}`)
  }
}

/** The bytes of a file as a stream; the file is open when the promise resolves, so an absent one rejects here. */
export async function streamOf(path: string): Promise<ReadableStream<Uint8Array>> {
  try {
    const handle = await open(path, 'r')
    return Readable.toWeb(
      handle.createReadStream({ highWaterMark: 256 * 1024 }),
    ) as unknown as ReadableStream<Uint8Array>
  } catch (error) {
    throw diskError(error, `read ${path}`)
  }
}

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  } catch (error) {
    throw diskError(error, `read ${path}`)
  }
  return hash.digest('hex')
}

export interface SaveOptions {
  readonly signal?: AbortSignal | undefined
  /** Told the bytes of each chunk as it is written. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** Exactly this many bytes must come; others are an `IntegrityError` and nothing is kept. */
  readonly size?: number | undefined
  readonly mode?: number | undefined
}

/** Writes a stream to a file, whole or not at all: into an unfinished file beside it, renamed when all has come. */
export async function saveStream(
  path: string,
  data: ReadableStream<Uint8Array>,
  { signal, onBytes, size, mode = 0o666 }: SaveOptions = {},
): Promise<number> {
  const partial = join(dirname(path), partialName())
  const reader = data.getReader()
  const give = (): void => void reader.cancel(signal?.reason).catch(() => {})
  let handle: FileHandle | undefined
  let leave = (): void => {}
  try {
    signal?.throwIfAborted()
    leave = onAbort(signal, give)
    handle = await open(partial, 'wx', mode)
    let written = 0
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      written += part.value.byteLength
      if (size !== undefined && written > size)
        throw new IntegrityError(`${basename(path)} should have ${size} bytes, but more came`)
      await writeWhole(handle, part.value)
      onBytes?.(part.value.byteLength)
    }
    signal?.throwIfAborted()
    if (size !== undefined && written !== size)
      throw new IntegrityError(`${basename(path)} should have ${size} bytes, but only ${written} came`)
    await handle.close()
    await rename(partial, path)
    return written
  } catch (error) {
    give()
    await handle?.close().catch(() => {})
    if (handle) await rm(partial, { force: true }).catch(() => {})
    signal?.throwIfAborted()
    throw isOfDisk(error) ? diskError(error, `write ${path}`) : error
  } finally {
    leave()
  }
}

/** Whether writing failed, not the stream that was written: its failures have no errno of their own. */
const isOfDisk = (error: unknown): boolean => /^E[A-Z]+$/.test(String((error as NodeJS.ErrnoException | null)?.code))

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) at += (await handle.write(chunk, at)).bytesWritten
}
/** Writes text or bytes to a file, whole or not at all. */
export const saveFile = (path: string, data: string | Uint8Array, options?: SaveOptions): Promise<number> =>
  saveStream(
    path,
    new Blob([typeof data === 'string' ? data : new Uint8Array(data)]).stream() as ReadableStream<Uint8Array>,
    options,
  )

/** Copies a file's bytes to a path where nothing stands yet. */
export async function copyNew(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL).catch((error) => {
    throw diskError(error, `copy ${from} to ${to}`)
  })
}

/** Marks a file as used now, for those who clear away what was not used for long. */
export async function touch(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now).catch(() => {})
}

/** Moves a file or directory; both places are on one file system. */
export async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error) => {
    throw diskError(error, `move ${from} to ${to}`)
  })
}
