import type { PointColumns } from './records.js'

/** Points that wait in memory at the most: one more goes to disk in the very call. */
export const CAPACITY = 512
const FLAGS = 16
const NUMBERS = 2

/** What both ends of a log see, whichever thread they are in: where it stands, and points that wait to be written. */
export interface LogMemory {
  readonly buffer: SharedArrayBuffer
  readonly flags: Int32Array
  /** Points and steps that were written; that of points follows `HEAD` and `BESIDE`. */
  readonly counts: Float64Array
  readonly columns: PointColumns
}

/** Places in `flags`. */
const LOCK = 0
export const HEAD = 1
export const TAIL = 2
export const SEGMENT = 3
export const BYTES = 4
export const VERSION = 5
export const CLOSED = 6
export const WATCH = 7
/** Points that were written without having been in memory, less those that were taken out of it. */
export const BESIDE = 8
/** Whether points of the memory are being written, and may stand in the log before they are taken out of it. */
export const POURING = 9

/** When the other thread last saw to what is left in memory, in milliseconds; 0 before it has looked at all. */
export const SEEN = 10

/** Places in `counts`. */
export const POINTS = 0
export const STEPS = 1

/** Looks at memory as that of a log; a fresh one is all zeros. */
export function logMemory(buffer = new SharedArrayBuffer(FLAGS * 4 + NUMBERS * 8 + CAPACITY * 28)): LogMemory {
  const start = FLAGS * 4 + NUMBERS * 8
  const column = (n: number) => new Float64Array(buffer, start + n * CAPACITY * 8, CAPACITY)
  return {
    buffer,
    flags: new Int32Array(buffer, 0, FLAGS),
    counts: new Float64Array(buffer, FLAGS * 4, NUMBERS),
    columns: {
      values: column(0),
      timestamps: column(1),
      steps: column(2),
      keys: new Uint32Array(buffer, start + 3 * CAPACITY * 8, CAPACITY),
    },
  }
}

/** A thread that was stopped while it held the lock never gives it back; one that writes to a slow disk takes long. */
const LOCK_MS = 30_000

/** Does something while no other thread does anything under the same lock. */
export function locked(memory: LogMemory, act: () => void): void {
  if (ifFree(memory, act)) return
  const until = performance.now() + LOCK_MS
  while (!ifFree(memory, act)) {
    Atomics.wait(memory.flags, LOCK, 1, LOCK_MS)
    if (performance.now() > until) unlock(memory)
  }
}

/** As `locked`, if no other thread holds the lock; answers whether. */
export function ifFree(memory: LogMemory, act: () => void): boolean {
  if (Atomics.compareExchange(memory.flags, LOCK, 0, 1) !== 0) return false
  try {
    act()
  } finally {
    unlock(memory)
  }
  return true
}

/** Whether a thread is at it right now. */
export const isLocked = ({ flags }: LogMemory): boolean => Atomics.load(flags, LOCK) === 1

/** Gives the lock back, also for a thread that is gone. */
export function unlock({ flags }: LogMemory): void {
  Atomics.store(flags, LOCK, 0)
  Atomics.notify(flags, LOCK)
}
