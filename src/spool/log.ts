import { join } from 'node:path'
import type { BatchMetric } from '../core/batch.js'
import { appendBytes, closeLog } from '../disk/log-file.js'
import {
  BYTES,
  CAPACITY,
  CLOSED,
  HEAD,
  LOCK,
  type LogMemory,
  logMemory,
  POINTS,
  POURED,
  SEGMENT,
  STEPS,
  TAIL,
  VERSION,
  WATCH,
} from './memory.js'
import { columnsWriter, encodePoints, encodeSteps, type Step } from './records.js'
import type { Room } from './room.js'

/** How much of each lane a log has taken. */
export interface Written {
  readonly points: number
  readonly steps: number
  /** The last of its files, by number; of no interest to who waits for points and steps. */
  readonly segment?: number
}

/** How closely the other thread looks at a log: not until it is told, for more to send, or for points left in memory. */
export type Watching = 0 | 1 | 2

/** Who looks at a log from another thread. */
export interface Onlooker {
  /** There is something to look at. */
  stir(): void
  /** The next key that points have. */
  key(name: string): void
}

/** The writing end of a run's log. */
export interface SpoolLog {
  readonly memory: LogMemory
  /** The keys of points, by place. */
  readonly names: readonly string[]
  addKey(name: string): void
  /** Takes a point into memory; false when there is no room. */
  put(key: number, value: number, step: number, timestamp: number): boolean
  /** Points in memory. */
  readonly waiting: number
  /** Writes what waits in memory: it is in the hands of the system when the call returns. Throws what the disk says. */
  pour(): void
  /** Takes points out of memory that the disk does not take. */
  take(count: number): BatchMetric[]
  /** Writes at once; throws what the disk says, and then nothing was kept. */
  points(points: readonly BatchMetric[]): void
  /** Writes at once; throws what the disk says, and then nothing was kept. */
  steps(steps: readonly Step[]): void
  readonly written: Written
  /** Points that went from memory to disk. */
  readonly poured: number
  /** How often something was written. */
  readonly version: number
  /** From now on another thread looks at this log too, and is told of what it needs. */
  watchedBy(onlooker: Onlooker | undefined): void
  /** Tells it to look, as closely as said. */
  stir(closely: boolean): void
  readonly watching: Watching
  /**
   * Looks less closely from now on, in the thread that looks; false when there is something new: more than it knew of, or
   * points in memory.
   */
  rest(version: number): boolean
  readonly isClosed: boolean
  /** Nothing more comes. */
  close(): void
  /** Lets go of the file, in a thread that needs it no more. */
  letGo(): void
}

/** A file of a log is left for the next one when it has this many bytes: what was delivered goes file by file. */
const SEGMENT_BYTES = 1 << 20
/** A thread that was stopped while it wrote never gives the lock back. */
const LOCK_MS = 1_000
const MASK = CAPACITY - 1

/** The path of the n-th file of a log. */
export const segmentFile = (dir: string, n: number): string => join(dir, `log-${String(n).padStart(8, '0')}`)
/** The number of a log's file; undefined for other files. */
export const segmentNumber = (name: string): number | undefined => {
  const digits = /^log-(\d{8})$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

interface LogOptions {
  /** That of the same log in another thread. */
  readonly memory?: LogMemory
  readonly segmentBytes?: number
  /** How much the spool may hold; any amount by default. */
  readonly room?: Room | undefined
}

/**
 * Begins a log in a folder of its own. One thread logs; a second one, which opens the same memory, may write down what the
 * first has left there, so that nothing waits for a thread that is busy.
 */
export function openLog(
  dir: string,
  { memory = logMemory(), segmentBytes = SEGMENT_BYTES, room }: LogOptions = {},
): SpoolLog {
  const { flags, counts, columns } = memory
  const names: string[] = []
  const encode = columnsWriter(names)
  let file = segmentFile(dir, 0)
  let onlooker: Onlooker | undefined
  // Only the thread that logs puts points there, so it knows where it stands.
  let tail = Atomics.load(flags, TAIL)
  let knownHead = Atomics.load(flags, HEAD)
  const { keys, values, steps, timestamps } = columns

  const waiting = () => (Atomics.load(flags, TAIL) - Atomics.load(flags, HEAD)) | 0

  function locked(act: () => void): void {
    const until = performance.now() + LOCK_MS
    while (Atomics.compareExchange(flags, LOCK, 0, 1) !== 0) {
      if (performance.now() > until) break
      Atomics.wait(flags, LOCK, 1, LOCK_MS)
    }
    try {
      act()
    } finally {
      Atomics.store(flags, LOCK, 0)
      Atomics.notify(flags, LOCK)
    }
  }

  /** Where there is no room, what was delivered has to go, and that goes file by file: the next one begins. */
  function claimRoom(bytes: number, little: boolean): void {
    try {
      room?.take(bytes, little)
    } catch (error) {
      if (Atomics.load(flags, BYTES) > 0) {
        const segment = Atomics.add(flags, SEGMENT, 1) + 1
        Atomics.store(flags, BYTES, 0)
        Atomics.add(flags, VERSION, 1)
        closeLog(file)
        file = segmentFile(dir, segment)
        appendBytes(file, new Uint8Array(0))
      }
      throw error
    }
  }

  function append(record: Uint8Array, little = false): void {
    claimRoom(record.length, little)
    let segment = Atomics.load(flags, SEGMENT)
    if (Atomics.load(flags, BYTES) >= segmentBytes) {
      segment = Atomics.add(flags, SEGMENT, 1) + 1
      Atomics.store(flags, BYTES, 0)
    }
    const current = segmentFile(dir, segment)
    if (current !== file) closeLog(file)
    file = current
    appendBytes(file, record)
    Atomics.add(flags, BYTES, record.length)
  }

  const counted = (what: number): number => counts[what] ?? 0
  function count(what: number, more: number): void {
    counts[what] = counted(what) + more
    Atomics.add(flags, VERSION, 1)
  }

  /** How many of a stretch in memory have keys that are known here: the other thread hears of them a little later. */
  function known(from: number, most: number): number {
    let n = 0
    while (n < most && keys[from + n]! < names.length) n++
    return n
  }

  return {
    memory,
    names,
    addKey(name) {
      names.push(name)
      onlooker?.key(name)
    },
    put(key, value, step, timestamp) {
      if (((tail - knownHead) | 0) >= CAPACITY) {
        knownHead = Atomics.load(flags, HEAD)
        if (((tail - knownHead) | 0) >= CAPACITY) return false
      }
      const slot = tail & MASK
      keys[slot] = key
      values[slot] = value
      steps[slot] = step
      timestamps[slot] = timestamp
      tail = (tail + 1) | 0
      Atomics.store(flags, TAIL, tail)
      return true
    },
    get waiting() {
      return waiting()
    },
    pour() {
      if (waiting() === 0) return
      locked(() => {
        for (let left = waiting(); left > 0; left = waiting()) {
          const head = Atomics.load(flags, HEAD)
          const from = head & MASK
          const most = known(from, Math.min(left, CAPACITY - from))
          if (most === 0) return
          append(encode(counted(POINTS), columns, from, most))
          count(POINTS, most)
          Atomics.store(flags, HEAD, (head + most) | 0)
          // Last: whoever adds up what waits and what went on must not count a point twice.
          count(POURED, most)
        }
      })
    },
    take(most) {
      const points: BatchMetric[] = []
      locked(() => {
        let head = Atomics.load(flags, HEAD)
        for (let left = Math.min(most, waiting()); left > 0; left--) {
          const slot = head & MASK
          const [key, value] = [names[keys[slot]!]!, values[slot]!]
          points.push({ key, value, timestamp: timestamps[slot]!, step: steps[slot]! })
          head = (head + 1) | 0
        }
        Atomics.store(flags, HEAD, head)
      })
      return points
    },
    points(added) {
      locked(() => {
        append(encodePoints(counted(POINTS), added))
        count(POINTS, added.length)
      })
    },
    steps(added) {
      locked(() => {
        append(encodeSteps(counted(STEPS), added), true)
        count(STEPS, added.length)
      })
    },
    get poured() {
      return counted(POURED)
    },
    get written() {
      return { points: counted(POINTS), steps: counted(STEPS), segment: Atomics.load(flags, SEGMENT) }
    },
    get version() {
      return Atomics.load(flags, VERSION)
    },
    watchedBy(other) {
      onlooker = other
      for (const name of names) onlooker?.key(name)
    },
    stir(closely) {
      if (onlooker === undefined) return
      const wanted = closely ? 2 : 1
      const now = Atomics.load(flags, WATCH)
      if (now >= wanted) return
      Atomics.store(flags, WATCH, wanted)
      onlooker.stir()
    },
    get watching() {
      return Atomics.load(flags, WATCH) as Watching
    },
    rest(version) {
      const now = Atomics.load(flags, WATCH)
      if (now === 0) return true
      Atomics.compareExchange(flags, WATCH, now, now - 1)
      // Looked at after that, since what came before it brought no word.
      const isQuiet = waiting() === 0 && (now === 2 || Atomics.load(flags, VERSION) === version)
      if (!isQuiet) Atomics.compareExchange(flags, WATCH, now - 1, now)
      return isQuiet
    },
    get isClosed() {
      return Atomics.load(flags, CLOSED) === 1
    },
    close() {
      Atomics.store(flags, CLOSED, 1)
      Atomics.add(flags, VERSION, 1)
      closeLog(file)
    },
    letGo: () => closeLog(file),
  }
}
