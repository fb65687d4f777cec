import type { Step, Timestamp } from './entities.js'

/** A metric as it goes into a batch, in MLflow's own field names. */
export type BatchMetric = {
  readonly key: string
  readonly value: number
  /** Epoch milliseconds, a whole number. */
  readonly timestamp: Timestamp
  readonly step: Step
  readonly model_id?: string | undefined
  readonly dataset_name?: string | undefined
  readonly dataset_digest?: string | undefined
}

/** A parameter or a tag as it goes into a batch. */
export type BatchEntry = {
  readonly key: string
  readonly value: string
}

/** What one `log-batch` request carries. */
export interface Batch {
  readonly metrics: readonly BatchMetric[]
  readonly params: readonly BatchEntry[]
  readonly tags: readonly BatchEntry[]
}

/** What one request may hold. */
export interface BatchLimits {
  readonly metrics: number
  readonly params: number
  readonly tags: number
  readonly total: number
  /** Bytes of JSON. */
  readonly bytes: number
}

/** MLflow's own limits (`mlflow/utils/validation.py`); the size is Databricks', with room for the envelope. */
export const BATCH_LIMITS: BatchLimits = { metrics: 1000, params: 100, tags: 100, total: 1000, bytes: 900_000 }

/** The bytes of JSON that a parameter or tag takes at the most. */
export const entrySize = (entry: BatchEntry): number => 30 + 3 * (entry.key.length + entry.value.length)

/** Cuts entries into runs that keep their order and stay within a number and a size; an entry over the size goes alone. */
function* cut<T>(
  entries: Iterable<T>,
  limits: { readonly entries: number; readonly bytes: number },
  sizeOf: (entry: T) => number,
): Generator<T[]> {
  let batch: T[] = []
  let bytes = 0
  for (const entry of entries) {
    const size = sizeOf(entry)
    if (batch.length > 0 && (batch.length === limits.entries || bytes + size > limits.bytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(entry)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

/** Cuts a batch of any size into batches that a server takes: parameters and tags first, in their order, then metrics. */
export function* cutBatch(batch: Batch, limits: BatchLimits = BATCH_LIMITS): Generator<Batch> {
  const metricSize = (metric: BatchMetric) => 120 + 3 * metric.key.length
  for (const params of cut(batch.params, { entries: limits.params, bytes: limits.bytes }, entrySize))
    yield { metrics: [], params, tags: [] }
  for (const tags of cut(batch.tags, { entries: limits.tags, bytes: limits.bytes }, entrySize))
    yield { metrics: [], params: [], tags }
  const entries = Math.min(limits.metrics, limits.total)
  for (const metrics of cut(batch.metrics, { entries, bytes: limits.bytes }, metricSize))
    yield { metrics, params: [], tags: [] }
}
