import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { diskError, InvalidParameterError, PermissionDeniedError } from '../errors.js'
import { errno, isAbsent } from './errno.js'
import { inFile } from './in-file.js'

const self = randomBytes(6).toString('hex')
let serial = 0

/** A path in `dir` that no other process, thread or call uses; nothing is made. */
export const freshPath = (dir: string): string => join(dir, `.cairn-${self}-${(serial++).toString(36)}`)

/** Removes a file of ours that is needed no more. */
export function discard(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // Something else has failed before, and says more.
  }
}

/**
 * Makes a folder and what is missing above it, and answers whether it was missing. Level by level: the `recursive` of Node
 * never returns from a place that takes no folders, such as `/proc`.
 */
export function makeDirs(dir: string, mode = 0o777): boolean {
  if (stateOf(dir)?.isDirectory) return false
  const parent = dirname(dir)
  if (parent !== dir) makeDirs(parent, mode)
  try {
    mkdirSync(dir, { mode })
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST') {
      if (stateOf(dir)?.isDirectory) return false
      throw new InvalidParameterError(`${dir} is no folder but a link or file`, { cause: error })
    }
    if (errno(error) !== 'ENOENT') throw error
    if (stateOf(parent)) throw new PermissionDeniedError(`No folder can be made in ${parent}`, { cause: error })
  }
  // Somebody has removed the one above meanwhile.
  return makeDirs(dir, mode)
}

/** Makes a folder and those above it; one that is there is fine. */
export function makeDir(dir: string, mode?: number): void {
  try {
    makeDirs(dir, mode)
  } catch (error) {
    throw diskError(error, `make the folder ${dir}`)
  }
}

function retryWithDir<T>(dir: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error
    makeDirs(dir)
    return act()
  }
}

export interface WriteOptions {
  /** Where the file lies until it is whole, on the same file system; in its own folder when left out. */
  readonly temp?: string | undefined
  readonly mode?: number | undefined
  /** Whether missing folders are made; they are by default. */
  readonly makesFolders?: boolean | undefined
}

/** Writes a file aside, whole, and lets `place` bring it to its own place. */
function placed<T>(
  file: string,
  data: string | Uint8Array,
  { temp = dirname(file), mode = 0o666, makesFolders = true }: WriteOptions,
  place: (staged: string) => T,
): T {
  const staged = freshPath(temp)
  const within = <R>(dir: string, act: () => R): R => (makesFolders ? retryWithDir(dir, act) : act())
  try {
    within(temp, () => writeFileSync(staged, data, { flag: 'wx', mode }))
    return within(dirname(file), () => place(staged))
  } catch (error) {
    discard(staged)
    throw diskError(error, `write ${file}`)
  }
}

/** Writes a file so that a reader sees the old content or the new, never a part. */
export const writeAtomic = (file: string, data: string | Uint8Array, options: WriteOptions = {}): void =>
  placed(file, data, options, (staged) => renameSync(staged, file))

/** Writes a file that must not be there yet, whole at once; answers false, and changes nothing, when something is there. */
export const createOnce = (file: string, data: string | Uint8Array, options: WriteOptions = {}): boolean =>
  placed(file, data, options, (staged) => {
    const isMade = linkOrCreate(staged, file, data, options.mode)
    discard(staged)
    return isMade
  })

function linkOrCreate(staged: string, file: string, data: string | Uint8Array, mode = 0o666): boolean {
  try {
    linkSync(staged, file)
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    // No hard links here (exFAT, some network shares), or not to there: exclusive, though not whole when killed.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV'].includes(errno(error) ?? '')) throw error
  }
  try {
    writeFileSync(file, data, { flag: 'wx', mode })
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    throw error
  }
}

/** The text of a file; undefined when there is none. */
export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw diskError(error, `read ${file}`)
  }
}

/** Removes a file; false when there was none. */
export function removeFile(file: string): boolean {
  try {
    unlinkSync(file)
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw diskError(error, `remove ${file}`)
  }
}

/** Removes a folder with all that is in it; links are removed, not followed. */
export function removeDir(dir: string): void {
  try {
    rmSync(dir, { recursive: true, force: true })
  } catch (error) {
    throw diskError(error, `remove ${dir}`)
  }
}

/** Moves a file or folder within one file system; what stands at the target and is not an empty folder stays. */
export function move(from: string, to: string): void {
  try {
    retryWithDir(dirname(to), () => renameSync(from, to))
  } catch (error) {
    throw diskError(error, `move ${from} to ${to}`)
  }
}

/** What identifies the state of a file: it changes with every write anybody makes. Times are epoch milliseconds with their fraction. */
export interface FileState {
  readonly mtimeMs: number
  /** Moves also where a program sets `mtimeMs` back, as copying ones do. */
  readonly ctimeMs: number
  readonly size: number
  readonly inode: number
  readonly isDirectory: boolean
}

const toState = (stat: Stats): FileState => ({
  mtimeMs: stat.mtimeMs,
  ctimeMs: stat.ctimeMs,
  size: stat.size,
  inode: stat.ino,
  isDirectory: stat.isDirectory(),
})

/** The state of a file or folder (links followed); undefined when there is none. */
export function stateOf(path: string): FileState | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat && toState(stat)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw diskError(error, `look at ${path}`)
  }
}

let block: Buffer | undefined

/** A file's text and the state it had just before that was read, at one opening; undefined when there is no file. */
export function readWithState(file: string): { readonly text: string; readonly state: FileState } | undefined {
  try {
    return inFile(file, constants.O_RDONLY, (fd) => {
      const state = toState(fstatSync(fd))
      if (state.isDirectory) return undefined
      block ??= Buffer.allocUnsafeSlow(64 * 1024)
      const count = state.size < block.length ? readSync(fd, block, 0, block.length, 0) : block.length
      return { state, text: count < block.length ? block.toString('utf8', 0, count) : readFileSync(fd, 'utf8') }
    })
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw diskError(error, `read ${file}`)
  }
}

/** Whether a file or folder is there (links followed). */
export const exists = (path: string): boolean => stateOf(path) !== undefined

/** Whether this process may write into a folder or file. */
export function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
