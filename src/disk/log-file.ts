import {
  close,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { diskError, UnavailableError } from '../errors.js'
import { errno, isAbsent } from './errno.js'
import { inFile, NOFOLLOW } from './in-file.js'
import { makePrivateDir, PRIVATE_FILE } from './private.js'

const { O_WRONLY, O_RDONLY, O_RDWR, O_APPEND, O_CREAT } = constants
/** Files kept open for appending, in all: a process may have ten thousand runs, and few descriptors. */
const MOST_OPEN = 64

/** Open files by path, the one used longest ago first. */
const open = new Map<string, number>()

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

/** Makes a file shorter by `bytes`, down to `leave` at most; false when it has no more than `leave`, or cannot be cut. */
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

/** A file that was moved while it was open, and takes more where it lies now. */
export interface MovedFile {
  /** Appends to it; what cannot be added is left out. False when it was removed. */
  add(bytes: Uint8Array): boolean
  close(): void
}

/** Has a file that is open go by its path no more; undefined where none is, or it was removed. */
export function movedLog(file: string): MovedFile | undefined {
  const fd = open.get(file)
  if (fd === undefined) return undefined
  if (fstatSync(fd).nlink === 0) {
    closeLog(file)
    return undefined
  }
  open.delete(file)
  return {
    add(bytes) {
      try {
        if (fstatSync(fd).nlink === 0) return false
        writeSync(fd, bytes)
      } catch {
        // It only spares a second delivery.
      }
      return true
    },
    close: () => close(fd, () => {}),
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
