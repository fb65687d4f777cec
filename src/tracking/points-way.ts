import type { BatchMetric } from '../core/batch.js'
import type { Step, Timestamp } from '../core/entities.js'
import type { PointExtras } from '../core/ring.js'

/**
 * A way for points beside the drain: they stay columns from the call to the disk, and another thread may take them there
 * too. A key goes by its place, in the order of `addKey`.
 */
export interface PointsWay {
  addKey(name: string): void
  /** Takes a point into memory; false when there is no room. */
  put(key: number, value: number, step: number, timestamp: number): boolean
  /** Points in memory. */
  readonly waiting: number
  /** Points that have gone on, in all. */
  readonly passed: number
  /** Takes what is in memory on its way; false when that is barred now. */
  pour(): boolean
  /** Takes points out again, to be delivered otherwise. */
  take(count: number): BatchMetric[]
  /** Points are left in memory by a loop that is too quick for them to go on one by one. */
  leave(): void
  /** Whether another thread sees to what is left. */
  readonly isMinded: boolean
}

/** The queue that the way leads past. */
export interface Beside {
  /** Takes a point that the way does not take. */
  put(key: number, value: number, step: Step, timestamp: Timestamp, extras?: PointExtras): void
  /** Takes what is on the way further; false when that is barred now. */
  pour(): boolean
  /** Takes everything further. */
  pump(): void
  readonly isIdle: boolean
  /** Looks again soon at what waits. */
  arm(): void
}

/** Points in a row that are passed on one by one; one more is earned each millisecond. */
const PROMPT_CALLS = 1000
/** Calls that follow each other more closely are felt by a training where each one writes: another thread is asked to. */
const CLOSE_MS = 10
/** That thread looks oftener; where it is held up, points go on in the call again: a kill takes no more than 10 ms of them. */
const LATE_MS = 5
/** One call in so long writes all the same: what becomes of the disk and the folder is found out there. */
const OWN_MS = 250

/** Adds a point; `now` is the time of the call, 0 when more follows at once. */
type Take = (
  key: number,
  value: number,
  step: Step,
  timestamp: Timestamp,
  extras: PointExtras | undefined,
  now: number,
) => void

/** Takes points past the queue: in the very call, unless they come so quickly that they go on together. */
export function pastQueue(way: PointsWay, queue: Beside): Take {
  let credit = PROMPT_CALLS
  let creditAt = 0
  /** When this thread last took them further. */
  let passedOnAt = 0
  /** How many had gone on when they were last seen to move, and when that was. */
  let moved = 0
  let movedAt = 0
  let lookedAt = 0
  // Known once: a loop that logs feels each look.
  const { put, leave } = way
  const { arm } = queue

  /** Whether another thread sees to what is left in memory, and has done so of late. */
  function isMinded(now: number): boolean {
    if (!way.isMinded || now - passedOnAt >= OWN_MS) return false
    if (now !== lookedAt) {
      lookedAt = now
      const { passed } = way
      if (passed !== moved) movedAt = now
      moved = passed
    }
    return now - movedAt < LATE_MS
  }

  /** Passes on what waits, in this very call, unless that was done too often of late. */
  function passOn(now: number): void {
    if (now !== creditAt) {
      credit = Math.min(PROMPT_CALLS, credit + (now > creditAt ? now - creditAt : 1))
      creditAt = now
    }
    if (credit <= 0) return
    credit--
    queue.pump()
  }

  return (key, value, step, timestamp, extras, now) => {
    const isOdd = extras !== undefined || typeof step === 'bigint' || typeof timestamp === 'bigint'
    const isPast = !isOdd && (put(key, value, step, timestamp) || (queue.pour() && put(key, value, step, timestamp)))
    if (!isPast) queue.put(key, value, step, timestamp, extras)
    if (now === 0) return
    if (!isPast || !isMinded(now)) {
      const isClose = now - passedOnAt < CLOSE_MS
      passedOnAt = now
      if (credit > 0 || now !== creditAt) passOn(now)
      if (isClose || !queue.isIdle) leave()
      if (queue.isIdle) return
    }
    arm()
  }
}
