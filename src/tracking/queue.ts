import { BATCH_LIMITS, type BatchEntry, entrySize } from '../core/batch.js'
import type { Step } from '../core/entities.js'
import { metricRing, type PointExtras } from '../core/ring.js'
import { type CairnError, isRetryable } from '../errors.js'
import type { BufferStats, Drain, WayOptions } from './buffer-options.js'
import { alone, countOf, type Delivery, type Entry, smaller, takeEntries, together } from './delivery.js'
import { flushes } from './flushes.js'
import { outcomes } from './outcomes.js'
import type { Beside } from './points-way.js'

/** What waits to be delivered to one backend, one delivery after the other. */
export interface Queue extends Beside {
  /** The index of a key that was seen before, else -1. */
  keyIndex(key: string): number
  /** Gives a new key its index. */
  addKey(key: string): number
  /** `more` says that others follow at once. */
  enter(kind: Entry['kind'], key: string, value: string, more?: boolean): void
  /** Delivers what can be delivered without waiting. */
  drainNow(): void
  /** Resolves when all logged so far has arrived; rejects with what was refused, or with `TimeoutError`. */
  flush(timeoutMs?: number): Promise<void>
  /** Gives up all that has not arrived, as one refusal, and answers how much that was; nothing is tried after it. */
  giveUp(error: (count: number) => CairnError): number
  stats(): BufferStats
}

const INITIAL_CAPACITY = 4096
/** What has a way needs the ring for odd points alone, and when the way is barred. */
const WAY_CAPACITY = 64
const ENTRIES_IN_MEMORY = 1000
const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 30_000
const FLUSH_MS = 60_000
const MAX_QUEUED = 1 << 21
const POINT_BYTES = 28
/** So many points take the memory of what one that is wide takes beside its own place. */
const WIDE_POINTS = 4
const MAX_ENTRY_BYTES = 1 << 26
/** What a parameter or tag takes beside its text, roughly. */
const ENTRY_BYTES = 100

const bytesOf = (entry: BatchEntry): number => entrySize(entry) + ENTRY_BYTES

/** Makes an empty queue before a drain. */
export function queue(drain: Drain, options: WayOptions = {}): Queue {
  const { limits = BATCH_LIMITS, intervalMs = 250, maxQueued = MAX_QUEUED, way } = options
  const perBatch = Math.min(limits.metrics, limits.total)
  const ring = metricRing(Math.min(way ? WAY_CAPACITY : INITIAL_CAPACITY, maxQueued))
  const entries: Entry[] = []
  let entryBytes = 0
  // Who lets few points wait means those of a loop, and not the parameters of a start.
  const mostEntryBytes = Math.max(MAX_ENTRY_BYTES, maxQueued * POINT_BYTES)
  /** What was taken from the queue and goes first: to be sent again, or the halves of a batch that was refused. */
  const waiting: Delivery[] = []
  let current: Delivery | undefined
  let failures = 0
  let woken = false
  let timer: NodeJS.Timeout | undefined
  let retryTimer: NodeJS.Timeout | undefined
  let lastError: CairnError | undefined
  const outcome = outcomes(maxQueued, options)
  const over = new AbortController()
  /** What was taken out of the queue, and off the way, to be delivered. */
  const gone = { queued: 0, past: 0, entries: 0 }
  const flushing = flushes(
    () => ({ ...gone, past: gone.past + (way?.passed ?? 0) }),
    () => current !== undefined || waiting.length > 0,
  )

  const inHand = () => waiting.reduce((sum, delivery) => sum + countOf(delivery), current ? countOf(current) : 0)
  const logged = () => entries.reduce((sum, { kind }) => sum + (kind === 'linkModel' ? 0 : 1), 0)
  const open = () => ring.size + (way?.waiting ?? 0) + logged() + inHand()
  const inFlight = () => (current ? countOf(current) : 0)
  /** Whether something waits that was not begun. */
  const hasMore = () => ring.size > 0 || entries.length > 0 || (way !== undefined && way.waiting > 0)
  const idle = () => current === undefined && waiting.length === 0 && !hasMore()

  /** Up to where all that was logged so far will have gone. */
  function target() {
    let [passed, left] = [0, 0]
    do {
      passed = way?.passed ?? 0
      left = way?.waiting ?? 0
      // The other thread may have taken some from the one to the other between.
    } while (passed !== (way?.passed ?? 0))
    return {
      queued: gone.queued + ring.size,
      past: gone.past + passed + left,
      entries: gone.entries + entries.length,
    }
  }

  /** Parameters and tags go first and in order. */
  function nextDelivery(): Delivery | undefined {
    if (!hasMore()) return undefined
    const single = entries[0] && alone(entries[0])
    if (single) {
      gone.entries++
      entryBytes -= bytesOf(entries.shift()!)
      return single
    }
    const { params, tags, room } = takeEntries(entries, limits)
    const isQueued = ring.size > 0 || !way
    const metrics = isQueued ? ring.take(room) : way.take(room)
    gone.entries += params.length + tags.length
    for (const entry of [...params, ...tags]) entryBytes -= bytesOf(entry)
    gone[isQueued ? 'queued' : 'past'] += metrics.length
    const delivery = { batch: { metrics, params, tags } }
    return countOf(delivery) > 0 ? delivery : undefined
  }

  function arrived(delivery: Delivery): void {
    if (failures > 0) options.onRecovered?.()
    failures = 0
    lastError = undefined
    outcome.arrived(countOf(delivery))
    flushing.tell()
  }

  function failed(delivery: Delivery, reason: unknown): void {
    const error = reason as CairnError
    if (isRetryable(error)) {
      waiting.unshift(delivery)
      outcome.retried(countOf(delivery))
      tryLater(error)
      return
    }
    const parts = smaller(delivery, error)
    if (parts.length > 1) {
      waiting.unshift(...parts)
      return
    }
    failures = 0
    outcome.refused(error, countOf(delivery))
    flushing.tell()
  }

  function tryLater(error: CairnError): void {
    lastError = error
    const delayMs = error.retryAfterMs ?? Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** failures++)
    options.onRetry?.(error, delayMs)
    retryTimer = setTimeout(() => {
      retryTimer = undefined
      pump()
    }, delayMs)
    if (flushing.size === 0) retryTimer.unref()
  }

  function tryNow(): void {
    clearTimeout(retryTimer)
    retryTimer = undefined
    pump()
  }

  function turnAway(): void {
    outcome.turnedAway()
    arm()
  }

  function attempt(delivery: Delivery): void {
    try {
      const draining = drain(delivery, over.signal)
      if (draining === undefined) {
        arrived(delivery)
        return
      }
      current = delivery
      const settle = (then: () => void) => {
        if (over.signal.aborted) return
        current = undefined
        then()
        pump()
        // Another thread may have taken the rest on its way meanwhile.
        flushing.tell()
      }
      draining.then(
        () => settle(() => arrived(delivery)),
        (reason: unknown) => settle(() => failed(delivery, reason)),
      )
    } catch (reason) {
      failed(delivery, reason)
    }
  }

  /** Delivers one after the other until nothing waits, the backend takes its time, or it must be given time. */
  function pump(most = Number.POSITIVE_INFINITY): void {
    woken = false
    if (over.signal.aborted) return
    for (let n = 0; n < most && current === undefined && retryTimer === undefined; n++) {
      if (way && way.waiting > 0) pour()
      const delivery = waiting.shift() ?? nextDelivery()
      if (delivery === undefined) break
      attempt(delivery)
    }
    if (idle()) {
      outcome.tellTurnedAway()
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
    if (timer !== undefined || over.signal.aborted) return
    timer = setTimeout(() => {
      timer = undefined
      outcome.tellTurnedAway()
      pump()
      if (!idle()) arm()
    }, intervalMs)
    timer.unref()
  }

  /** Room for one more point: by delivering in this very call, else by growing. */
  function makeRoom(): boolean {
    pump(1)
    if (ring.size < ring.capacity) return true
    if (over.signal.aborted || ring.capacity + WIDE_POINTS * ring.wide >= maxQueued) return false
    ring.grow(Math.min(maxQueued, ring.capacity * 2))
    return true
  }

  /** Never past what is being tried otherwise. */
  function pour(): boolean {
    if (way === undefined || current !== undefined || retryTimer !== undefined || !way.pour()) return false
    flushing.tell()
    return true
  }

  return {
    keyIndex: ring.keyIndex,
    addKey: ring.addKey,
    put(key: number, value: number, step: Step, timestamp: number, extras?: PointExtras) {
      if (ring.size === ring.capacity && !makeRoom()) {
        turnAway()
        return
      }
      ring.put(key, value, step, timestamp, extras)
      if (ring.size >= perBatch) wake()
      arm()
    },
    enter(kind, key, value, more = false) {
      const entry = { kind, key, value }
      const bytes = bytesOf(entry)
      if (over.signal.aborted || entryBytes + bytes > mostEntryBytes) {
        turnAway()
        return
      }
      entries.push(entry)
      entryBytes += bytes
      if (way && !more) pump()
      if (idle()) return
      if (entries.length >= ENTRIES_IN_MEMORY) pump(1)
      else if (entries.length >= limits.params) wake()
      arm()
    },
    pour,
    pump,
    get isIdle() {
      return idle()
    },
    arm,
    drainNow() {
      tryNow()
      outcome.tellTurnedAway()
    },
    async flush(timeoutMs = FLUSH_MS) {
      const all = target()
      tryNow()
      // The process waits for it as long as somebody does.
      retryTimer?.ref()
      await flushing.until(
        all,
        timeoutMs,
        () => (open() > 0 ? `${open()} entries` : 'Links to models'),
        () => lastError,
      )
      outcome.tellTurnedAway()
      const errors = outcome.refusals()
      if (errors.length > 0) throw errors.length === 1 ? errors[0] : together(errors)
    },
    giveUp(error) {
      outcome.tellTurnedAway()
      // Barred before, say: it gets a last chance.
      if (way && way.waiting > 0) way.pour()
      let count = inHand() + logged() + ring.size
      const past = gone.past
      while (way && way.waiting > 0) {
        const taken = way.take(perBatch).length
        // What may have gone to disk already stays.
        if (taken === 0) break
        gone.past += taken
      }
      count += gone.past - past
      gone.queued += ring.size
      gone.entries += entries.length
      ring.drop()
      entries.length = waiting.length = entryBytes = 0
      current = undefined
      over.abort()
      clearTimeout(timer)
      clearTimeout(retryTimer)
      if (count > 0) outcome.refused(error(count), count)
      flushing.tell()
      return count
    },
    stats: () => ({
      queued: open() - inFlight(),
      inFlight: inFlight(),
      spooled: 0,
      ...outcome.counts(),
    }),
  }
}
