import { BATCH_LIMITS } from '../core/batch.js'
import type { Step, Timestamp } from '../core/entities.js'
import { metricRing, type PointExtras } from '../core/ring.js'
import type { CairnError } from '../errors.js'
import { attempts } from './attempts.js'
import type { BufferStats, Drain, WayOptions } from './buffer-options.js'
import { asOne, type Entry } from './delivery.js'
import { flushes } from './flushes.js'
import { lines } from './lines.js'
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
  /** As `drainNow` at the end, when nothing is heard any more of what was sent; answers how much still waits. */
  drainLast(): number
  /** Resolves when all logged so far has arrived; rejects with what was refused, or with `TimeoutError`. */
  flush(timeoutMs: number): Promise<void>
  /** Gives up all that was not sent, as one refusal, and answers how much that was; nothing is tried after it. */
  giveUp(error: (count: number) => CairnError): number
  stats(): BufferStats
}

const INITIAL_CAPACITY = 4096
/** What has a way needs the ring for odd points alone, and when the way is barred. */
const WAY_CAPACITY = 64
const ENTRIES_IN_MEMORY = 1000
const MAX_QUEUED = 1 << 21
/** What a wide point takes beside its own place, in points. */
const WIDE_POINTS = 4

/** Queues what is logged and hands it to the drain, one delivery after the other. */
export function queue(drain: Drain, options: WayOptions = {}): Queue {
  const { limits = BATCH_LIMITS, intervalMs = 250, maxQueued = MAX_QUEUED, way } = options
  const perBatch = Math.min(limits.metrics, limits.total)
  const ring = metricRing(Math.min(way ? WAY_CAPACITY : INITIAL_CAPACITY, maxQueued))
  const waiting = lines(ring, way, limits, maxQueued)
  const outcome = outcomes(maxQueued, options)
  const flushing = flushes(waiting.gone, () => trying.isTrying())
  const trying = attempts(drain, { outcome, flushing, goOn: () => pump(), watch: options })
  let woken = false
  let timer: NodeJS.Timeout | undefined

  const open = () => waiting.size() + trying.inHand()
  const idle = () => !trying.isTrying() && waiting.isEmpty()

  function turnAway(): void {
    outcome.turnedAway()
    arm()
  }

  /** Delivers one after the other until nothing waits, the backend takes its time, or it must be given time. */
  function pump(most = Number.POSITIVE_INFINITY): void {
    woken = false
    if (trying.isOver()) return
    for (let n = 0; n < most && trying.isFree(); n++) {
      if (way && way.waiting > 0) pour()
      const delivery = trying.again() ?? waiting.next()
      if (delivery === undefined) break
      trying.begin(delivery)
    }
    if (idle()) {
      outcome.tellTurnedAway()
      clearTimeout(timer)
      timer = undefined
    }
  }

  function tryNow(): void {
    trying.hasten()
    pump()
  }

  function wake(): void {
    if (woken) return
    woken = true
    setImmediate(pump)
  }

  function arm(): void {
    if (timer !== undefined || trying.isOver()) return
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
    if (trying.isOver() || ring.capacity + WIDE_POINTS * ring.wide >= maxQueued) return false
    ring.grow(Math.min(maxQueued, ring.capacity * 2))
    return true
  }

  /** Never past what is being tried otherwise. */
  function pour(): boolean {
    if (way === undefined || !trying.isFree() || !way.pour()) return false
    flushing.tell()
    return true
  }

  function drainLast(): number {
    trying.letGo()
    if (!way) return 0
    tryNow()
    return open() - trying.adrift()
  }

  return {
    keyIndex: ring.keyIndex,
    addKey: ring.addKey,
    put(key: number, value: number, step: Step, timestamp: Timestamp, extras?: PointExtras) {
      if (ring.size === ring.capacity && !makeRoom()) {
        turnAway()
        return
      }
      ring.put(key, value, step, timestamp, extras)
      if (ring.size >= perBatch) wake()
      arm()
    },
    enter(kind, key, value, more = false) {
      if (trying.isOver() || !waiting.enter({ kind, key, value })) {
        turnAway()
        return
      }
      if (way && !more) pump()
      if (idle()) return
      if (waiting.entries() >= ENTRIES_IN_MEMORY) pump(1)
      else if (waiting.entries() >= limits.params) wake()
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
    drainLast,
    async flush(timeoutMs) {
      const all = waiting.target()
      tryNow()
      // The process waits for it as long as somebody does.
      trying.hold()
      await flushing.until(
        all,
        timeoutMs,
        () => (open() > 0 ? `${open()} entries` : 'Links to models'),
        trying.lastError,
      )
      outcome.tellTurnedAway()
      const errors = outcome.refusals()
      if (errors.length > 0) throw asOne(errors)
    },
    giveUp(error) {
      outcome.tellTurnedAway()
      // Barred before, say: it gets a last chance.
      drainLast()
      const count = trying.inHand() - trying.adrift() + waiting.drop()
      trying.stop()
      clearTimeout(timer)
      if (count > 0) outcome.refused(error(count), count)
      flushing.tell()
      return count
    },
    stats: () => ({
      queued: open() - trying.inFlight(),
      inFlight: trying.inFlight(),
      spooled: 0,
      ...outcome.counts(),
    }),
  }
}
