import { Buffer } from 'node:buffer'
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { diskError } from '../errors.js'
import { clearOfEdges } from './edges.js'
import { errno, isAbsent } from './errno.js'
import { inFile, NOFOLLOW } from './in-file.js'
import { createOnce, makeDirs } from './write.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT } = constants

/** The file opened for appending; what it was made of when it was missing and `temp` is there for that. */
function openOrCreate(file: string, lines: string, temp: string | undefined): number | string {
  const flags = O_WRONLY | O_APPEND | NOFOLLOW
  try {
    return openSync(file, temp === undefined ? flags | O_CREAT : flags, 0o666)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error
    const text = clearOfEdges(lines, 0)
    if (temp !== undefined && createOnce(file, text, { temp })) return text
    makeDirs(dirname(file))
    return openSync(file, flags | O_CREAT, 0o666)
  }
}

/**
 * Appends whole lines (each with its line end) in one write; the file and its folders are made when missing, and with a
 * folder `temp` for it on the same file system a new file appears with its lines, never empty. When the disk takes only a
 * part (full, over a quota), that part is taken back and the error thrown. Answers what was appended: some lines get blanks
 * at their end, so that a kill in the middle of the write leaves whole lines.
 */
export function appendLines(file: string, lines: string, temp?: string): string {
  try {
    const fd = openOrCreate(file, lines, temp)
    if (typeof fd === 'string') return fd
    try {
      const text = clearOfEdges(lines, fstatSync(fd).size)
      const written = writeSync(fd, text)
      // A short write of text cannot be continued by characters: the slow way counts bytes.
      if (written < text.length || written < Buffer.byteLength(text)) writeRest(file, fd, Buffer.from(text), written)
      return text
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw diskError(error, `append to ${file}`)
  }
}

function writeRest(file: string, fd: number, bytes: Buffer, from: number): void {
  let written = from
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written)
  } catch (error) {
    takeBack(file, bytes.subarray(0, written))
    throw error
  }
}

/** Takes back what `appendLines` answered, if they still are the end of the file; what others wrote behind them keeps them there. */
export const undoAppend = (file: string, lines: string): void => takeBack(file, Buffer.from(lines))

function takeBack(file: string, ours: Buffer): void {
  try {
    inFile(file, O_RDWR | NOFOLLOW, (fd) => {
      const { size } = fstatSync(fd)
      const end = Buffer.alloc(ours.length)
      readSync(fd, end, 0, end.length, size - end.length)
      if (end.equals(ours)) shorten(file, fd, size - end.length)
    })
  } catch {
    // What stays is whole lines, or a torn one that readers skip and the next writer cuts.
  }
}

/** Python takes an empty metric file for broken, a missing one for none. */
function shorten(file: string, fd: number, size: number): void {
  if (size === 0) unlinkSync(file)
  else ftruncateSync(fd, size)
}

const NEWLINE = 10

/** Whether the last line of a file has no line end: an append was cut, by a kill or a full disk. */
export function isTorn(file: string): boolean {
  return lookAtEnd(file, O_RDONLY, (fd) => {
    const { size } = fstatSync(fd)
    return size > 0 && lastNewline(fd, size) !== size
  })
}

/**
 * Cuts an unterminated last line, or removes a file that holds nothing else; true when there was one. Callers hold the
 * lock of whoever owns the file.
 */
export function mendTail(file: string): boolean {
  return lookAtEnd(file, O_RDWR, (fd) => {
    const { size } = fstatSync(fd)
    const whole = lastNewline(fd, size)
    if (whole === size) return false
    shorten(file, fd, whole)
    return true
  })
}

function lookAtEnd(file: string, flags: number, look: (fd: number) => boolean): boolean {
  try {
    return inFile(file, flags | NOFOLLOW, look)
  } catch (error) {
    if (isAbsent(error)) return false
    throw diskError(error, `look at the end of ${file}`)
  }
}

/** Where the last whole line ends, in bytes from the start. */
function lastNewline(fd: number, size: number): number {
  const last = Buffer.alloc(1)
  if (size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === NEWLINE) return size
  const block = Buffer.alloc(4096)
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - block.length)
    const count = readSync(fd, block, 0, end - start, start)
    const at = block.subarray(0, count).lastIndexOf(NEWLINE)
    if (at >= 0) return start + at + 1
    end = start
  }
  return 0
}
