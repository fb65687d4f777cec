import { Buffer } from 'node:buffer'
import { basename, join } from 'node:path'
import type { BatchMetric } from '../core/batch.js'
import { appendBytes, closeLog } from '../disk/log-file.js'
import {
  BESIDE,
  BYTES,
  CLOSED,
  HEAD,
  ifFree,
  isLocked,
  type LogMemory,
  locked,
  logMemory,
  POINTS,
  POURING,
  SEGMENT,
  STEPS,
  unlock,
  VERSION,
} from './memory.js'
import { columnsWriter, encodePoints, encodeSteps } from './records.js'
import { type MemoryRing, memoryRing } from './ring.js'
import type { Room } from './room.js'
import type { Step } from './steps.js'
import { logWatch, type Onlooker, type Watch } from './watch.js'

/** How much of each lane a log has taken. */
export interface Written {
  readonly points: number
  readonly steps: number
  /** The last of its files, by number; of no interest to who waits for points and steps. */
  readonly segment?: number
}

/** The writing end of a run's log. */
export interface SpoolLog
  extends Pick<MemoryRing, 'put' | 'waiting' | 'poured' | 'take'>,
    Omit<Watch, 'by' | 'onlooker'> {
  readonly memory: LogMemory
  /** The keys of points, by place. */
  readonly names: readonly string[]
  addKey(name: string): void
  /** Writes what waits in memory: it is in the hands of the system when the call returns. Throws what the disk says. */
  pour(): void
  /** As `pour`, unless the other thread is at it. */
  pourIfFree(): void
  /** Whether a thread writes to it, or takes from its memory, right now. */
  readonly isBusy: boolean
  /** Writes at once; throws what the disk says, or that it is too much for one record, and then nothing was kept. */
  points(points: readonly BatchMetric[]): void
  /** As `points`. */
  steps(steps: readonly Step[]): void
  readonly written: Written
  /** Goes on in the next file when this one, all of which is done with, is worth removing; answers whether it did. */
  turn(): boolean
  /**
   * Goes on in its next file, which `make` makes with these bytes in it, in a folder that was made anew: who reads on is
   * told by them how much came before.
   */
  goOnIn(make: (file: string, begun: Uint8Array) => void): void
  /** Has files of it removed, by what answers how many bytes that were. */
  free(remove: () => number): void
  /** How often something was written. */
  readonly version: number
  /** From now on another thread looks at this log too, and is told of what it needs. */
  watchedBy(onlooker: Onlooker | undefined): void
  readonly isClosed: boolean
  /** Nothing more comes. */
  close(): void
  /** Lets go of the file, in a thread that needs it no more. */
  letGo(): void
}

/** A file of a log is left for the next one when it has this many bytes: what was delivered goes file by file. */
const SEGMENT_BYTES = 1 << 22
/** So much of what was delivered may lie in a file that nothing is added to: there may be ten thousand. */
const IDLE_BYTES = 1 << 16

/** The path of the n-th file of a log. */
export const segmentFile = (dir: string, n: number): string => join(dir, `log-${String(n).padStart(8, '0')}`)
/** The number of a log's file; undefined for other files. */
export const segmentNumber = (name: string): number | undefined => {
  const digits = /^log-(\d{8})$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

const NOTHING = new Uint8Array(0)

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
  const ring = memoryRing(memory, names)
  const watch = logWatch(memory)
  const encode = columnsWriter(names)
  let current = 0
  let file = segmentFile(dir, 0)
  /** How long the file was, and how much of it was this log's, when this thread last wrote. */
  let size: number | undefined
  let sizeAt = 0

  function turnTo(segment: number): void {
    closeLog(file, true)
    current = segment
    file = segmentFile(dir, segment)
    size = undefined
  }

  /** Where there is no room, what was delivered has to go, and that goes file by file: the next one begins. */
  function claimRoom(bytes: number, little: boolean): void {
    try {
      room?.take(bytes, little)
    } catch (error) {
      if (Atomics.load(flags, BYTES) > 0) {
        turnTo(nextSegment())
        Atomics.add(flags, VERSION, 1)
        appendBytes(file, NOTHING)
      }
      throw error
    }
  }

  function nextSegment(): number {
    Atomics.store(flags, BYTES, 0)
    return Atomics.add(flags, SEGMENT, 1) + 1
  }

  function append(record: Uint8Array, little = false): void {
    claimRoom(record.length, little)
    const isFull = Atomics.load(flags, BYTES) >= segmentBytes
    const segment = isFull ? nextSegment() : Atomics.load(flags, SEGMENT)
    if (segment !== current) turnTo(segment)
    const bytes = Atomics.load(flags, BYTES)
    // Unless the other thread has written meanwhile.
    const known = bytes === sizeAt ? size : undefined
    size = undefined
    size = appendBytes(file, record, false, known)
    sizeAt = Atomics.add(flags, BYTES, record.length) + record.length
  }

  const counted = (what: number): number => counts[what] ?? 0
  function add(what: number, more: number): void {
    counts[what] = counted(what) + more
    Atomics.add(flags, VERSION, 1)
  }

  /**
   * Counts points by what moved in memory, so that a thread which ends between the two leaves nothing to be counted twice,
   * nor never.
   */
  function countPoints(): number {
    const behind = (Atomics.load(flags, HEAD) + Atomics.load(flags, BESIDE) - counted(POINTS)) | 0
    if (behind !== 0) {
      Atomics.store(flags, POURING, 0)
      add(POINTS, behind)
    }
    return counted(POINTS)
  }

  function pour(): void {
    try {
      ring.pour((from, count) => {
        const record = encode(countPoints(), columns, from, count)
        const before = Atomics.exchange(flags, POURING, 1)
        try {
          append(record)
        } catch (error) {
          Atomics.store(flags, POURING, before)
          throw error
        }
      })
    } finally {
      countPoints()
    }
  }

  /**
   * A thread that ended while it poured may have written points that are still in memory: they are written again, by the
   * same numbers, so that nothing else gets those.
   */
  function pourAgain(): void {
    if (Atomics.load(flags, POURING) === 1) pour()
    else countPoints()
  }

  return {
    memory,
    names,
    addKey(name) {
      names.push(name)
      watch.onlooker?.key(name)
    },
    put: ring.put,
    get waiting() {
      return ring.waiting
    },
    get poured() {
      return ring.poured
    },
    pour() {
      if (ring.waiting > 0) locked(memory, pour)
    },
    pourIfFree() {
      if (ring.waiting > 0) ifFree(memory, pour)
    },
    take(count) {
      let points: BatchMetric[] = []
      locked(memory, () => {
        try {
          pourAgain()
        } catch {
          // What may stand in the log already stays until the disk takes it.
          return
        }
        points = ring.take(count)
        Atomics.sub(flags, BESIDE, points.length)
      })
      return points
    },
    points(added) {
      locked(memory, () => {
        pourAgain()
        append(encodePoints(countPoints(), added))
        Atomics.add(flags, BESIDE, added.length)
        countPoints()
      })
    },
    steps(added) {
      locked(memory, () => {
        append(encodeSteps(counted(STEPS), added), true)
        add(STEPS, added.length)
      })
    },
    get written() {
      return { points: counted(POINTS), steps: counted(STEPS), segment: Atomics.load(flags, SEGMENT) }
    },
    free: (remove) => void (room ? room.give(remove) : remove()),
    turn() {
      let isTurned = false
      locked(memory, () => {
        isTurned = Atomics.load(flags, BYTES) >= IDLE_BYTES
        if (isTurned) turnTo(nextSegment())
      })
      if (!isTurned) return false
      // Not under the lock: the thread that logs is not to wait for it.
      appendBytes(file, NOTHING)
      closeLog(file)
      return true
    },
    goOnIn(make) {
      locked(memory, () => {
        // Each is written to the same memory.
        const points = Buffer.from(encodePoints(countPoints(), []))
        const file = basename(segmentFile(dir, Atomics.load(flags, SEGMENT) + 1))
        make(file, Buffer.concat([points, encodeSteps(counted(STEPS), [])]))
        turnTo(nextSegment())
        Atomics.add(flags, VERSION, 1)
      })
    },
    get version() {
      return Atomics.load(flags, VERSION)
    },
    watchedBy(onlooker) {
      watch.by(onlooker)
      // Who looked is gone, and may have been at it.
      if (onlooker === undefined) {
        unlock(memory)
        locked(memory, countPoints)
      }
      for (const name of names) onlooker?.key(name)
    },
    stir: watch.stir,
    get watching() {
      return watch.watching
    },
    seenAgo: watch.seenAgo,
    seen: watch.seen,
    unseen: watch.unseen,
    rest: watch.rest,
    ignore: watch.ignore,
    get isBusy() {
      return isLocked(memory)
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
