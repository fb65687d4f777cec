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
  /** Asks another thread, where there is one, to see to what is left in memory from now on. */
  ask(): void
  /** How many milliseconds before `now` that thread last did; `Infinity` before it has looked at all. */
  seenAgo(now: number): number
  /** Whether it takes points on their way right now. */
  readonly isBusy: boolean
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

/**
 * Points in a row that are passed on one by one; one more is earned each millisecond. They are more as long as no other
 * thread has looked at what is left: it takes a while to begin.
 */
const PROMPT_CALLS = 100
const FIRST_CALLS = 1000
/** A training feels it where each call writes and calls come this closely, so many times in a row: another thread does it. */
const CLOSE_MS = 10
const CLOSE_CALLS = 4
/** Where that thread is late, points go on in the call again: none is to be in memory for more than 10 ms. */
const LATE_MS = 5
/** One call in so long takes points on all the same: what becomes of the folder is found out there. */
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
  let credit = FIRST_CALLS
  let creditAt = 0
  /** When a call last took points on, and how many did closely after each other. */
  let wentAt = 0
  let closeCalls = 0
  // Known once: a loop that logs feels each look.
  const { put, ask, seenAgo } = way
  const { arm } = queue

  /** Whether another thread sees to what is left in memory; a clock that was set back is no reason to leave it there. */
  const isSeenTo = (now: number): boolean => seenAgo(now) < LATE_MS && now >= wentAt && now - wentAt < OWN_MS

  function countClose(now: number): void {
    // Those of one step come in one millisecond, and the next step may be far.
    if (now !== wentAt) closeCalls = Math.abs(now - wentAt) < CLOSE_MS ? closeCalls + 1 : 0
    wentAt = now
  }

  /** Passes on what waits, in this very call, unless that was done too often of late. */
  function passOn(now: number): void {
    if (now !== creditAt) {
      const most = seenAgo(now) === Number.POSITIVE_INFINITY ? FIRST_CALLS : PROMPT_CALLS
      credit = Math.min(most, credit + (now > creditAt ? now - creditAt : 1))
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
    // In a loop that has written often enough in this millisecond nothing more is asked.
    if (credit > 0 || now !== creditAt) {
      if (isPast && isSeenTo(now)) {
        arm()
        return
      }
      countClose(now)
      // What the other thread is at need not be waited for.
      if (!(isPast && way.isBusy)) passOn(now)
      const { isIdle } = queue
      if (isIdle && closeCalls < CLOSE_CALLS) return
      ask()
      if (isIdle) return
    } else ask()
    arm()
  }
}
