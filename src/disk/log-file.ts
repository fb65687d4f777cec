import {
  chmodSync,
  close,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { diskError, UnavailableError } from '../errors.js'
import { errno, isAbsent } from './errno.js'
import { inFile, NOFOLLOW } from './in-file.js'
import { createOnce, discard, freshPath, makeDirs, writeAtomic } from './write.js'

const { O_WRONLY, O_RDONLY, O_RDWR, O_APPEND, O_CREAT } = constants
/** Files kept open for appending, in all: a process may have ten thousand runs, and few descriptors. */
const MOST_OPEN = 64
const PRIVATE_FILE = 0o600
const PRIVATE_DIR = 0o700

/** Open files by path, the one used longest ago first. */
const open = new Map<string, number>()

/** Makes a folder that only this user may look into, and those above it; a link in its place is refused. */
export function makePrivateDir(dir: string): void {
  try {
    if (makeDirs(dir, PRIVATE_DIR)) chmodSync(dir, PRIVATE_DIR)
    else if (!lstatSync(dir).isDirectory()) throw new UnavailableError(`${dir} is no folder but a link or file`)
  } catch (error) {
    throw diskError(error, `make the folder ${dir}`)
  }
}

/** A file that can be appended to, and its size. */
function opened(
  file: string,
  makesFolder: boolean,
  knownSize?: number,
): { readonly fd: number; readonly size: number } {
  const known = open.get(file)
  if (known !== undefined) {
    if (knownSize !== undefined) return { fd: known, size: knownSize }
    const { nlink, size } = fstatSync(known)
    // A file that somebody removed still takes what is written, and keeps nothing of it.
    if (nlink > 0) return { fd: known, size }
    closeLog(file)
  }
  const flags = O_WRONLY | O_APPEND | O_CREAT | NOFOLLOW
  let fd: number
  try {
    // A link in the folder's place would lead what is ours to somebody else.
    if (lstatSync(dirname(file)).isSymbolicLink()) throw new UnavailableError(`${dirname(file)} is a link`)
    fd = openSync(file, flags, PRIVATE_FILE)
  } catch (error) {
    if (errno(error) === 'ENOENT' && makesFolder) makePrivateDir(dirname(file))
    else if (errno(error) === 'EMFILE' || errno(error) === 'ENFILE')
      for (const other of [...open.keys()]) closeLog(other)
    else throw error
    fd = openSync(file, flags, PRIVATE_FILE)
  }
  open.set(file, fd)
  for (const other of open.keys()) {
    if (open.size <= MOST_OPEN) break
    if (other !== file) closeLog(other)
  }
  return { fd, size: fstatSync(fd).size }
}

/**
 * Appends bytes to a file for this user alone, all of them or none: a part that a full disk took is cut off again. The
 * file is made when it is missing, its folder only when asked, and stays open for the next time. Answers its size after
 * that, which spares a look the next time when nobody else has appended meanwhile. Throws what the disk says, as an error
 * of ours.
 */
export function appendBytes(file: string, bytes: Uint8Array, makesFolder = false, knownSize?: number): number {
  let fd: number | undefined
  let before = 0
  let written = 0
  try {
    const at = opened(file, makesFolder, knownSize)
    fd = at.fd
    before = at.size
    while (written < bytes.length) {
      const count = writeSync(fd, bytes, written)
      if (count === 0) break
      written += count
    }
    const { nlink, size } = fstatSync(fd)
    // Somebody removed it: nothing is kept of what was written, here or to another one in its place.
    if (nlink === 0 && knownSize === undefined) throw new UnavailableError(`${file} was removed`)
    // An ill disk keeps less than it says; others may have added more.
    if (nlink > 0 && size < before + bytes.length) throw new UnavailableError(`${file} lacks what was written to it`)
    if (nlink > 0) return size
  } catch (error) {
    // All of it can be there though it is not certain; and a part that the disk says nothing of.
    if (fd !== undefined) cutBack(fd, before, Math.max(written, bytes.length - 1))
    closeLog(file)
    throw diskError(error, `append to ${file}`)
  }
  closeLog(file)
  return appendBytes(file, bytes, makesFolder)
}

/** Takes away what a failed append left; more than that is from somebody else, and readers know a part of a record. */
function cutBack(fd: number, before: number, most: number): void {
  try {
    const { size } = fstatSync(fd)
    if (size > before && size <= before + most) ftruncateSync(fd, before)
  } catch {
    // A part that stays is no record: readers pass over it.
  }
}

/** Makes a file shorter by so many bytes; false when no more than `leave` are left of it, or it cannot be. */
export function cutOff(file: string, bytes: number, leave: number): boolean {
  try {
    return inFile(file, O_RDWR | NOFOLLOW, (fd) => {
      const { size } = fstatSync(fd)
      if (size > leave) ftruncateSync(fd, Math.max(leave, size - bytes))
      return size > leave
    })
  } catch {
    return false
  }
}

/** Lets go of a file that was appended to; `later` does not wait for it: one that was removed meanwhile takes its time. */
export function closeLog(file: string, later = false): void {
  const fd = open.get(file)
  if (fd === undefined) return
  open.delete(file)
  if (later) {
    close(fd, () => {})
    return
  }
  try {
    closeSync(fd)
  } catch {
    // Gone already; what was written was taken.
  }
}

/** At most `most` bytes of a file from `from` on; undefined when there is no file. */
export function readRange(file: string, from: number, most: number): Uint8Array | undefined {
  try {
    return inFile(file, O_RDONLY | NOFOLLOW, (fd) => {
      const size = Math.min(most, Math.max(0, fstatSync(fd).size - from))
      const bytes = new Uint8Array(size)
      let count = 0
      while (count < size) {
        const more = readSync(fd, bytes, count, size - count, from + count)
        if (more === 0) break
        count += more
      }
      return count === size ? bytes : bytes.subarray(0, count)
    })
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw diskError(error, `read ${file}`)
  }
}

/** The names in a folder, sorted; an absent one has none. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort()
  } catch (error) {
    if (isAbsent(error)) return []
    throw diskError(error, `list ${dir}`)
  }
}

/** The bytes of all files below a folder, links not followed; what goes away meanwhile, or may not be read, counts for nothing. */
export function sizeOf(dir: string): number {
  let total = 0
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name)
      if (entry.isDirectory()) total += sizeOf(path)
      else if (entry.isFile()) total += statSync(path, { throwIfNoEntry: false })?.size ?? 0
    }
  } catch {
    // What cannot be listed counts for nothing.
  }
  return total
}

/** The bytes that are free for us on the disk of a folder; undefined where that cannot be told. */
export function freeBytes(dir: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dir)
    return bavail * bsize
  } catch {
    return undefined
  }
}

/**
 * Sets a file's time to now, as a sign of life; false when it is not there. By the clock of its disk, which is the same
 * for all machines that share it: its first byte is written anew.
 */
export function beat(file: string): boolean {
  const first = new Uint8Array(1)
  try {
    return inFile(
      file,
      O_RDWR | NOFOLLOW,
      (fd) => readSync(fd, first, 0, 1, 0) === 1 && writeSync(fd, first, 0, 1, 0) === 1,
    )
  } catch {
    return false
  }
}

/** What the time is by the clock of a folder's disk, in epoch milliseconds; by ours where nothing can be written. */
export function timeIn(dir: string): number {
  const file = freshPath(dir)
  try {
    writeFileSync(file, '', { flag: 'wx', mode: PRIVATE_FILE })
    return statSync(file).mtimeMs
  } catch {
    return Date.now()
  } finally {
    discard(file)
  }
}

const PRIVATE = { mode: PRIVATE_FILE, makesFolders: false }

/**
 * Makes a file for this user alone, whole at once; answers false, and changes nothing, when something is there. Missing
 * folders are made, unless said otherwise.
 */
export function createPrivate(file: string, text: string, makesFolder = true): boolean {
  if (makesFolder) makePrivateDir(dirname(file))
  return createOnce(file, text, PRIVATE)
}

/** Writes a file for this user alone, so that a reader sees the old text or the new. Missing folders are made. */
export function writePrivate(file: string, text: string): void {
  makePrivateDir(dirname(file))
  writeAtomic(file, text, PRIVATE)
}
