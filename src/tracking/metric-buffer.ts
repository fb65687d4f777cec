import { BATCH_LIMITS, type BatchEntry, type BatchLimits, type BatchMetric, entrySize } from '../core/batch.js'
import type { Step } from '../core/entities.js'
import { checkKey } from '../core/names.js'
import { metricRing, type PointExtras } from '../core/ring.js'
import { type CairnError, isRetryable, TimeoutError, UnavailableError } from '../errors.js'
import { countOf, type Delivery, entriesIn, pointsIn, smaller, together } from './delivery.js'

/**
 * Takes one delivery to where it belongs, beginning at once. `undefined` says that it has arrived before the call
 * returned, as on the local store; a promise that it is on its way. Throws or rejects with the reason it was not taken.
 */
export type Drain = (delivery: Delivery) => void | Promise<void>

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
}

/** What became of all that was logged: points, parameters and tags, counted alike. */
export interface BufferStats {
  /** Logged and waiting. */
  readonly queued: number
  /** Handed to the backend, answer awaited. */
  readonly inFlight: number
  /** Arrived. */
  readonly delivered: number
  /** Sent again after a failure that may pass. */
  readonly retried: number
  /** Waiting on disk, on the way to a server. */
  readonly spooled: number
  /** Turned down for good; `flush()` says why. */
  readonly refused: number
  /** Epoch milliseconds of the last arrival. */
  readonly lastDeliveredAt: number | undefined
}

/** Sizes and times of a buffer. */
export interface BufferOptions {
  readonly limits?: BatchLimits
  /** Milliseconds that a point waits at the most while the event loop turns; 250 by default. */
  readonly intervalMs?: number
  /** Points that may wait while the backend is slow; one more is refused and counted. 4,194,304 (120 MB) by default. */
  readonly maxQueued?: number
  /** Hears what the backend turned down for good, and how many points, parameters and tags that were. */
  readonly onRefused?: (error: CairnError, count: number) => void
  /** After an outage: batches are taken again. */
  readonly onRecovered?: () => void
  /** Hears of each failure that may pass, and how long the next try waits. */
  readonly onRetry?: (error: CairnError, delayMs: number) => void
}

/** A buffer's options where its drain is a log on disk. */
export interface WayOptions extends BufferOptions {
  /**
   * For a drain that is quick and at hand (a log on disk), and the way of its points: what is put goes on in the very call;
   * points that come more often than about once a millisecond go on together, with the next call a millisecond later.
   */
  readonly way?: PointsWay | undefined
}

/** What is logged to one run, on its way out: it returns at once, keeps order, and loses nothing that can be delivered. */
export interface MetricBuffer {
  /** The key, checked; logs nothing. */
  checked(key: string): string
  /** Adds one point; the key is checked when it is new. */
  /** `now` is the time in epoch milliseconds where the caller has it at hand; 0 when more follows at once. */
  metric(key: string, value: number, step: Step, timestamp: number, extras?: PointExtras, now?: number): void
  /** `more` says that others follow at once. */
  param(key: string, value: string, more?: boolean): void
  tag(key: string, value: string, more?: boolean): void
  deleteTag(key: string): void
  /** Where there is a way, passes on what was left for others to follow. */
  passOn(): void
  /** Delivers what can be delivered without waiting; for a full ring and for the exit of the process. */
  drainNow(): void
  /** Resolves when all logged so far has arrived; rejects with what was refused, or with `TimeoutError`. */
  flush(timeoutMs?: number): Promise<void>
  stats(): BufferStats
}

type Entry = { readonly kind: 'param' | 'tag' | 'deleteTag' } & BatchEntry

const INITIAL_CAPACITY = 4096
/** What has a way needs the ring for odd points alone, and when the way is barred. */
const WAY_CAPACITY = 64
const ENTRIES_IN_MEMORY = 1000
const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 30_000
const FLUSH_MS = 60_000
/** Points in a row that are passed on one by one where there is a way; one more is earned each millisecond. */
const PROMPT_CALLS = 1000

/** A flush that waits until this many points and entries are done with, in the order they came. */
interface Waiter {
  readonly points: number
  readonly entries: number
  readonly resolve: () => void
}

/** Makes the buffer of one run over a drain. */
export function metricBuffer(drain: Drain, options: WayOptions = {}): MetricBuffer {
  const { limits = BATCH_LIMITS, intervalMs = 250, maxQueued = 1 << 22 } = options
  const perBatch = Math.min(limits.metrics, limits.total)
  const { way } = options
  const ring = metricRing(Math.min(way ? WAY_CAPACITY : INITIAL_CAPACITY, maxQueued))
  const entries: Entry[] = []
  /** What was taken from the queue and goes first: to be sent again, or the halves of a batch that was refused. */
  const waiting: Delivery[] = []
  /** A loop that logs one key asks for it again and again. */
  let lastKey: string | undefined
  let lastIndex = -1
  let failures = 0
  let woken = false
  let credit = PROMPT_CALLS
  let creditAt = 0
  let timer: NodeJS.Timeout | undefined
  let retryTimer: NodeJS.Timeout | undefined
  let current: Delivery | undefined
  let delivered = 0
  let retried = 0
  let refused = 0
  let lastDeliveredAt: number | undefined
  let refusals: CairnError[] = []
  let pointsDone = 0
  let entriesDone = 0
  const waiters = new Set<Waiter>()

  const inHand = (count: (delivery: Delivery) => number) =>
    waiting.reduce((sum, delivery) => sum + count(delivery), current ? count(current) : 0)
  const pointsOpen = () => ring.size + (way?.waiting ?? 0) + inHand(pointsIn)
  const pointsGone = () => pointsDone + (way?.passed ?? 0)
  const entriesOpen = () => entries.length + inHand(entriesIn)
  const inFlight = () => (current ? countOf(current) : 0)
  const queued = () => pointsOpen() + entriesOpen() - inFlight()
  const idle = () => pointsOpen() + entriesOpen() === 0

  /** Parameters and tags go first and in order; a tag written twice or deleted starts a new batch. */
  function nextDelivery(): Delivery | undefined {
    if (entries[0]?.kind === 'deleteTag') return { deleteTag: entries.shift()!.key }
    const params: BatchEntry[] = []
    const tags: BatchEntry[] = []
    const seen = new Set<string>()
    let bytes = 0
    let taken = 0
    for (; taken < entries.length; taken++) {
      const { kind, key, value } = entries[taken]!
      const into = kind === 'param' ? params : tags
      bytes += entrySize({ key, value })
      if (kind === 'deleteTag' || seen.has(kind + key) || into.length === limits[`${kind}s`]) break
      if (taken > 0 && bytes > limits.bytes) break
      seen.add(kind + key)
      into.push({ key, value })
    }
    entries.splice(0, taken)
    // A full batch of metrics is about a tenth of the size limit, so only long parameters leave them no room.
    const room = bytes > limits.bytes / 2 ? 0 : Math.min(perBatch, limits.total - taken)
    const metrics = ring.size > 0 || !way ? ring.take(room) : way.take(room)
    return taken + metrics.length > 0 ? { batch: { metrics, params, tags } } : undefined
  }

  /** Done with, delivered or refused: whoever flushed up to here goes on. */
  function done(delivery: Delivery): void {
    failures = 0
    pointsDone += pointsIn(delivery)
    entriesDone += entriesIn(delivery)
    tellWaiters()
  }

  function tellWaiters(): void {
    for (const waiter of waiters) if (reached(waiter)) waiter.resolve()
  }

  const reached = (target: Omit<Waiter, 'resolve'>) => pointsGone() >= target.points && entriesDone >= target.entries

  function arrived(delivery: Delivery): void {
    if (failures > 0) options.onRecovered?.()
    delivered += countOf(delivery)
    lastDeliveredAt = Date.now()
    done(delivery)
  }

  function failed(delivery: Delivery, reason: unknown): void {
    const error = reason as CairnError
    if (isRetryable(error)) {
      waiting.unshift(delivery)
      retried += countOf(delivery)
      const delayMs = error.retryAfterMs ?? Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** failures++)
      options.onRetry?.(error, delayMs)
      retryTimer = setTimeout(() => {
        retryTimer = undefined
        pump()
      }, delayMs)
      if (waiters.size === 0) retryTimer.unref()
      return
    }
    const parts = smaller(delivery, error)
    if (parts.length > 1) waiting.unshift(...parts)
    else {
      refuse(error, countOf(delivery))
      done(delivery)
    }
  }

  function refuse(error: CairnError, count: number): void {
    refused += count
    if (refusals.length < 100) refusals.push(error)
    options.onRefused?.(error, count)
  }

  function attempt(delivery: Delivery): void {
    try {
      const outcome = drain(delivery)
      if (outcome === undefined) {
        arrived(delivery)
        return
      }
      current = delivery
      const settle = (then: () => void) => () => {
        current = undefined
        then()
        pump()
      }
      outcome.then(
        settle(() => arrived(delivery)),
        (reason: unknown) => settle(() => failed(delivery, reason))(),
      )
    } catch (reason) {
      failed(delivery, reason)
    }
  }

  /** Delivers one after the other until nothing waits, the backend takes its time, or it must be given time. */
  function pump(most = Number.POSITIVE_INFINITY): void {
    woken = false
    for (let n = 0; n < most && current === undefined && retryTimer === undefined; n++) {
      if (way && way.waiting > 0) poured(way)
      const delivery = waiting.shift() ?? nextDelivery()
      if (delivery === undefined) break
      attempt(delivery)
    }
    if (idle()) {
      clearTimeout(timer)
      timer = undefined
    }
  }

  function wake(): void {
    if (woken) return
    woken = true
    setImmediate(pump)
  }

  function arm(): void {
    timer = setTimeout(() => {
      timer = undefined
      pump()
      if (!idle() && timer === undefined) arm()
    }, intervalMs)
    timer.unref()
  }

  /** Room for one more point: by delivering in this very call, else by growing. */
  function makeRoom(): boolean {
    pump(1)
    if (ring.size < ring.capacity) return true
    if (ring.capacity >= maxQueued) return false
    ring.grow(Math.min(maxQueued, ring.capacity * 2))
    return true
  }

  /** Whether what waits on the way went on; never past what is being tried otherwise. */
  function poured(on: PointsWay): boolean {
    if (current !== undefined || retryTimer !== undefined || !on.pour()) return false
    if (waiters.size > 0) tellWaiters()
    return true
  }

  /** Passes on what waits, in this very call, unless that was done too often of late. */
  function passOn(now: number): void {
    if (now !== creditAt) {
      credit = Math.min(PROMPT_CALLS, credit + (now > creditAt ? now - creditAt : 1))
      creditAt = now
    }
    if (credit <= 0) return
    credit--
    pump()
  }

  function enter(kind: Entry['kind'], key: string, value: string, more = false): void {
    entries.push({ kind, key, value })
    if (way && !more) pump()
    if (idle()) return
    if (entries.length >= ENTRIES_IN_MEMORY) pump(1)
    else if (entries.length >= limits.params) wake()
    if (timer === undefined) arm()
  }

  function indexOf(key: string): number {
    if (key === lastKey) return lastIndex
    const known = ring.keyIndex(key)
    lastIndex = known === -1 ? addKey(key) : known
    lastKey = key
    return lastIndex
  }

  function addKey(key: string): number {
    checkKey('metric', key)
    way?.addKey(key)
    return ring.addKey(key)
  }

  function inTheRing(key: number, value: number, step: Step, timestamp: number, extras?: PointExtras): void {
    if (ring.size === ring.capacity && !makeRoom()) {
      refuse(new UnavailableError(`${maxQueued} points wait for a backend that does not take them`), 1)
      return
    }
    ring.put(key, value, step, timestamp, extras)
    if (ring.size >= perBatch) wake()
    if (timer === undefined) arm()
  }

  function onTheWay(
    on: PointsWay,
    key: number,
    value: number,
    step: Step,
    timestamp: number,
    extras: PointExtras | undefined,
    now: number,
  ): void {
    const isOdd = extras !== undefined || typeof step === 'bigint'
    if (isOdd || !(on.put(key, value, step, timestamp) || (poured(on) && on.put(key, value, step, timestamp))))
      inTheRing(key, value, step, timestamp, extras)
    if (now === 0) return
    if (credit > 0 || now !== creditAt) {
      passOn(now)
      if (idle()) return
    }
    on.leave()
    if (timer === undefined) arm()
  }

  return {
    checked(key) {
      indexOf(key)
      return key
    },
    metric(key, value, step, timestamp, extras, now = way ? Date.now() : 0) {
      const index = indexOf(key)
      if (way) onTheWay(way, index, value, step, timestamp, extras, now)
      else inTheRing(index, value, step, timestamp, extras)
    },
    param: (key, value, more) => enter('param', key, value, more),
    tag: (key, value, more) => enter('tag', key, value, more),
    deleteTag: (key) => enter('deleteTag', key, ''),
    passOn() {
      if (way) pump()
    },
    drainNow() {
      clearTimeout(retryTimer)
      retryTimer = undefined
      pump()
    },
    async flush(timeoutMs = FLUSH_MS) {
      clearTimeout(retryTimer)
      retryTimer = undefined
      const target = { points: pointsGone() + pointsOpen(), entries: entriesDone + entriesOpen() }
      pump()
      if (!reached(target)) await until(target, timeoutMs)
      if (refusals.length === 0) return
      const errors = refusals
      refusals = []
      throw errors.length === 1 ? errors[0] : together(errors)
    },
    stats: () => ({ queued: queued(), inFlight: inFlight(), delivered, retried, spooled: 0, refused, lastDeliveredAt }),
  }

  async function until(target: Omit<Waiter, 'resolve'>, timeoutMs: number): Promise<void> {
    retryTimer?.ref()
    let waiter: Waiter | undefined
    let limit: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { ...target, resolve }
        waiters.add(waiter)
        limit = setTimeout(() => {
          const left = `${queued() + inFlight()} entries have not arrived after ${timeoutMs} ms`
          reject(new TimeoutError(`${left}; they are still being tried`))
        }, timeoutMs)
      })
    } finally {
      clearTimeout(limit)
      if (waiter) waiters.delete(waiter)
    }
  }
}
