import { dirname } from 'node:path'
import { UnavailableError } from '../errors.js'
import { identity, identityIn, lives, type ProcessIdentity } from './process.js'
import { createOnce, freshPath, move, readText, removeFile, stateOf } from './write.js'

/** How old a lock is at the least whose owner cannot be seen and yet counts as dead. */
const UNSEEN_STALE_MS = 60_000
const WAIT_MS = 10_000
const cell = new Int32Array(new SharedArrayBuffer(4))
/** Blocks the thread: for waits of milliseconds on another process. */
export const sleep = (ms: number): void => void Atomics.wait(cell, 0, 0, ms)

function isStale(file: string, owner: ProcessIdentity | undefined): boolean {
  const alive = owner && lives(owner, identity())
  if (alive !== undefined) return !alive
  const state = stateOf(file)
  return state !== undefined && Date.now() - state.mtimeMs > UNSEEN_STALE_MS
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
  const text = JSON.stringify(identity())
  const deadline = performance.now() + (options.waitMs ?? WAIT_MS)
  for (let pause = 1; !createOnce(file, text); pause = Math.min(pause * 2, 25)) {
    const seen = readText(file)
    if (seen === undefined) continue
    const owner = identityIn(seen)
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
