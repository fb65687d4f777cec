import type { Step, Timestamp } from '../core/entities.js'
import { checkKey } from '../core/names.js'
import type { PointExtras } from '../core/ring.js'
import type { CairnError } from '../errors.js'
import type { BufferStats, Drain, WayOptions } from './buffer-options.js'
import { pastQueue } from './points-way.js'
import { queue } from './queue.js'

export type { BufferOptions, BufferStats, Drain } from './buffer-options.js'
export type { PointsWay } from './points-way.js'

/** What is logged to one run, on its way out: it returns at once, keeps order, and loses nothing that can be delivered. */
export interface MetricBuffer {
  /** The key, checked; logs nothing. */
  checked(key: string): string
  /**
   * Adds one point; the key is checked when it is new. `now` is the time in epoch milliseconds where the caller has it at
   * hand; 0 when more follows at once.
   */
  metric(key: string, value: number, step: Step, timestamp: Timestamp, extras?: PointExtras, now?: number): void
  /** `more` says that others follow at once. */
  param(key: string, value: string, more?: boolean): void
  tag(key: string, value: string, more?: boolean): void
  deleteTag(key: string): void
  /** Has a logged model that points name linked to the run. */
  linkModel(modelId: string): void
  /** Where there is a way, passes on what was left for others to follow. */
  passOn(): void
  /** Delivers what can be delivered without waiting; for a full ring and for the exit of the process. */
  drainNow(): void
  /**
   * At the end, when nothing is heard any more of what was sent: that stays in flight. What the way can take goes on it;
   * answers how much still waits for that.
   */
  drainLast(): number
  /** Resolves when all logged so far has arrived; rejects with what was refused, or with `TimeoutError`. */
  flush(timeoutMs: number): Promise<void>
  /**
   * Gives up all that `drainLast` leaves: it counts as refused, and `onRefused` hears of it once, with what `error` makes of
   * the count. Answers how much that was.
   */
  giveUp(error: (count: number) => CairnError): number
  stats(): BufferStats
}

/** Makes the buffer of one run over a drain. */
export function metricBuffer(drain: Drain, options: WayOptions = {}): MetricBuffer {
  const { way } = options
  const waiting = queue(drain, options)
  const past = way && pastQueue(way, waiting)
  /** A loop that logs one key asks for it again and again; before the first it is what no caller can give, `undefined` least of all. */
  let lastKey: string | symbol = Symbol('none')
  let lastIndex = -1

  function indexOf(key: string): number {
    if (key === lastKey) return lastIndex
    const known = waiting.keyIndex(key)
    lastIndex = known === -1 ? addKey(key) : known
    lastKey = key
    return lastIndex
  }

  function addKey(key: string): number {
    checkKey('metric', key)
    way?.addKey(key)
    return waiting.addKey(key)
  }

  return {
    checked(key) {
      indexOf(key)
      return key
    },
    metric(key, value, step, timestamp, extras, now = past ? Date.now() : 0) {
      const index = indexOf(key)
      if (past) past(index, value, step, timestamp, extras, now)
      else waiting.put(index, value, step, timestamp, extras)
    },
    param: (key, value, more) => waiting.enter('param', key, value, more),
    tag: (key, value, more) => waiting.enter('tag', key, value, more),
    deleteTag: (key) => waiting.enter('deleteTag', key, ''),
    linkModel: (modelId) => waiting.enter('linkModel', modelId, ''),
    passOn() {
      if (past) waiting.pump()
    },
    drainNow: waiting.drainNow,
    drainLast: waiting.drainLast,
    flush: waiting.flush,
    giveUp: waiting.giveUp,
    stats: waiting.stats,
  }
}
