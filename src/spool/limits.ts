import { BATCH_LIMITS, type BatchLimits } from '../core/batch.js'

/** What one server takes, learnt from what it refuses. */
export interface LearntLimits {
  readonly batch: BatchLimits
  /** Requests that a run may have on their way at once. */
  readonly atOnce: number
  /** A request with this many entries was too much. */
  tooMany(count: number): void
  /** Too many requests: fewer at once from now on. */
  tooFast(): void
  /** A request went through. */
  taken(): void
}

const MOST_AT_ONCE = 4
/** So many requests that go through earn one more at once. */
const TRUST = 20

/** Begins with MLflow's own limits. */
export function learntLimits(given: BatchLimits = BATCH_LIMITS): LearntLimits {
  let batch = given
  let atOnce = MOST_AT_ONCE
  let taken = 0
  return {
    get batch() {
      return batch
    },
    get atOnce() {
      return atOnce
    },
    tooMany(count) {
      const most = Math.max(1, Math.floor(count / 2))
      batch = {
        metrics: Math.min(batch.metrics, most),
        params: Math.min(batch.params, most),
        tags: Math.min(batch.tags, most),
        total: Math.min(batch.total, most),
        bytes: batch.bytes,
      }
    },
    tooFast() {
      atOnce = Math.max(1, Math.floor(atOnce / 2))
      taken = 0
    },
    taken() {
      if (atOnce < MOST_AT_ONCE && ++taken >= TRUST) {
        atOnce++
        taken = 0
      }
    },
  }
}
