import { constants, readSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { inFile, NOFOLLOW } from './in-file.js'
import { PRIVATE_FILE } from './private.js'
import { discard, freshPath } from './write.js'

/**
 * Sets a file's time to now, as a sign of life; false when it is not there. By the clock of its disk, which is the same
 * for all machines that share it: its first byte is written anew.
 */
export function beat(file: string): boolean {
  const first = new Uint8Array(1)
  try {
    return inFile(
      file,
      constants.O_RDWR | NOFOLLOW,
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
