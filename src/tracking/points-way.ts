import type { BatchMetric } from '../core/batch.js'
import type { Step } from '../core/entities.js'
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
  /** Whether what is left there now will be taken on its way in a few milliseconds, whatever this thread does. */
  isLooked(now: number): boolean
}

/** The queue that the way leads past. */
export interface Beside {
  /** Takes a point that the way does not take. */
  put(key: number, value: number, step: Step, timestamp: number, extras?: PointExtras): void
  /** Takes what is on the way further; false when that is barred now. */
  pour(): boolean
  /** Takes everything further. */
  pump(): void
  readonly isIdle: boolean
  /** Looks again soon at what waits. */
  arm(): void
  /** Looks again in a while at what another thread is to take on its way: it may find that it cannot. */
  lookLater(): void
}

/** Points in a row that are passed on one by one; one more is earned each millisecond. */
const PROMPT_CALLS = 1000
/** As many in a row that come quicker than one in so many milliseconds are left to the other thread from then on. */
const QUICK_CALLS = 16
const QUICK_MS = 10

/** Adds a point; `now` is the time of the call, 0 when more follows at once. */
type Take = (
  key: number,
  value: number,
  step: Step,
  timestamp: number,
  extras: PointExtras | undefined,
  now: number,
) => void

/** Takes points past the queue: in the very call, unless they come so quickly that they go on together. */
export function pastQueue(way: PointsWay, queue: Beside): Take {
  let credit = PROMPT_CALLS
  let calm = QUICK_CALLS
  let lastAt = 0
  // Known once: a loop that logs feels each look.
  const { put, leave, isLooked } = way
  const { arm, lookLater } = queue

  /** Passes on what waits, in this very call, unless that was done too often of late. */
  function passOn(now: number): void {
    if (now !== lastAt) {
      const ms = now > lastAt ? now - lastAt : 1
      credit = Math.min(PROMPT_CALLS, credit + ms)
      calm = Math.min(QUICK_CALLS, calm + ms / QUICK_MS)
      lastAt = now
    }
    if (calm > 0) calm--
    else leave()
    if (credit <= 0) return
    credit--
    queue.pump()
  }

  return (key, value, step, timestamp, extras, now) => {
    const isOdd = extras !== undefined || typeof step === 'bigint'
    const isOnWay = !isOdd && (put(key, value, step, timestamp) || (queue.pour() && put(key, value, step, timestamp)))
    if (!isOnWay) queue.put(key, value, step, timestamp, extras)
    if (now === 0) return
    if (isOnWay && isLooked(now)) {
      lookLater()
      return
    }
    if (credit > 0 || now !== lastAt) {
      passOn(now)
      if (queue.isIdle) return
    }
    leave()
    arm()
  }
}
