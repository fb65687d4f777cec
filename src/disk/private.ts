import { chmodSync, lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { diskError, UnavailableError } from '../errors.js'
import { createOnce, makeDirs, writeAtomic } from './write.js'

/** The mode of a file that only this user may read and write. */
export const PRIVATE_FILE = 0o600
const PRIVATE_DIR = 0o700
const PRIVATE = { mode: PRIVATE_FILE, makesFolders: false }

/** Makes a folder that only this user may look into, and those above it; a link in its place is refused. */
export function makePrivateDir(dir: string): void {
  try {
    if (makeDirs(dir, PRIVATE_DIR)) chmodSync(dir, PRIVATE_DIR)
    else if (!lstatSync(dir).isDirectory()) throw new UnavailableError(`${dir} is no folder but a link or file`)
  } catch (error) {
    throw diskError(error, `make the folder ${dir}`)
  }
}

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
