import type { BatchLimits } from '../core/batch.js'
import type { CairnError } from '../errors.js'
import type { Delivery } from './delivery.js'
import type { PointsWay } from './points-way.js'

/**
 * Takes one delivery to where it belongs, beginning at once. `undefined` says that it has arrived before the call
 * returned, as on the local store; a promise that it is on its way. Throws or rejects with the reason it was not taken.
 * The signal aborts when the delivery is given up.
 */
export type Drain = (delivery: Delivery, signal: AbortSignal) => void | Promise<void>

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
  /**
   * The most that one request to a server, or one write of a store of this machine, carries; MLflow's own limits by default.
   * A server that takes less is sent less.
   */
  readonly limits?: BatchLimits | undefined
  /**
   * Milliseconds that a point for a store of this machine waits at the most while the event loop turns; 250 by default. What
   * goes to a server is on disk within milliseconds whatever is said here, and leaves in its turn.
   */
  readonly intervalMs?: number | undefined
  /**
   * Points that may wait in memory while the backend is slow, 2,097,152 (59 MB) by default; a point that names a model or
   * dataset counts as five. Parameters and tags may take 64 MiB, or as much as that many points. What is more is refused and
   * counted.
   */
  readonly maxQueued?: number | undefined
  /** Told the first time that something is refused because as much waits as may. */
  readonly onFull?: ((error: CairnError) => void) | undefined
  /** Hears what the backend turned down for good, and how many points, parameters and tags that were. */
  readonly onRefused?: ((error: CairnError, count: number) => void) | undefined
  /** After an outage: batches are taken again. */
  readonly onRecovered?: (() => void) | undefined
  /** Hears of each failure that may pass, and how long the next try waits. */
  readonly onRetry?: ((error: CairnError, delayMs: number) => void) | undefined
}

/** A buffer's options where its drain is a log on disk. */
export interface WayOptions extends BufferOptions {
  /**
   * For a drain that is quick and at hand (a log on disk), and the way of its points: what is put goes on in the very call.
   * Where call after call comes within milliseconds another thread takes it from memory instead; without one, points that
   * come more often than about once a millisecond go on together, with the next call a millisecond later.
   */
  readonly way?: PointsWay | undefined
}
