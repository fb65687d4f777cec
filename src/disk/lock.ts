import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { UnavailableError } from '../errors.js'
import { createOnce, errno, freshPath, move, readText, removeFile, stateOf } from './write.js'

/** Who holds something: enough to tell, on the same machine, whether it still lives. */
export interface Owner {
  readonly pid: number
  readonly host: string
  /** When the process began, in the system's own count: a pid is used again. Empty where it is not to be had. */
  readonly started: string
}

function startOf(pid: number | 'self'): string {
  try {
    // The name in field 2 may hold blanks and parentheses; what is counted stands after the last one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

let me: Owner | undefined
/** This process as an owner. */
export const thisProcess = (): Owner => {
  me ??= { pid: process.pid, host: hostname(), started: startOf('self') }
  return me
}

/** Whether an owner lives: false only when that is sure (its process is gone, or another has its pid). */
export function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    return errno(error) !== 'ESRCH'
  }
  const started = startOf(owner.pid)
  return !started || !owner.started || started === owner.started
}

const FOREIGN_STALE_MS = 60_000
const WAIT_MS = 10_000
const cell = new Int32Array(new SharedArrayBuffer(4))
/** Blocks the thread: for waits of milliseconds on another process. */
export const sleep = (ms: number): void => void Atomics.wait(cell, 0, 0, ms)

function parseOwner(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Owner
    return Number.isInteger(pid) && pid > 0 ? { pid, host: String(host), started: String(started) } : undefined
  } catch {
    return undefined
  }
}

function isStale(file: string, owner: Owner | undefined): boolean {
  if (owner && owner.host === thisProcess().host) return !isAlive(owner)
  const state = stateOf(file)
  return state !== undefined && Date.now() - state.mtimeMs > FOREIGN_STALE_MS
}

/** Takes a dead owner's lock away, by a rename: two that try at once do not take away each other's new lock. */
function breakLock(file: string, seen: string): void {
  const aside = freshPath(dirname(file))
  try {
    move(file, aside)
  } catch {
    return
  }
  const taken = readText(aside)
  if (taken !== undefined && taken !== seen) createOnce(file, taken)
  removeFile(aside)
}

/**
 * Runs `work` while holding the lock file `file`, across processes and threads; blocks the thread while another holds
 * it, and takes over from one that died. Throws `UnavailableError` naming the holder after `waitMs` (10 s).
 */
export function withLock<T>(file: string, work: () => T, options: { readonly waitMs?: number } = {}): T {
  const text = JSON.stringify(thisProcess())
  const deadline = performance.now() + (options.waitMs ?? WAIT_MS)
  for (let pause = 1; !createOnce(file, text); pause = Math.min(pause * 2, 25)) {
    const seen = readText(file)
    if (seen === undefined) continue
    const owner = parseOwner(seen)
    if (isStale(file, owner)) breakLock(file, seen)
    else if (performance.now() > deadline)
      throw new UnavailableError(
        `The lock ${file} is held by ${owner ? `process ${owner.pid} on ${owner.host}` : 'somebody unknown'}; remove it if that one is gone`,
      )
    else sleep(pause * (0.5 + Math.random()))
  }
  try {
    return work()
  } finally {
    removeFile(file)
  }
}
