import type { BatchMetric } from '../core/batch.js'
import { CairnError } from '../errors.js'
import { history, missingPoints, pointIdentity } from '../transport/history.js'
import type { WireLoggedModel, WireMetric } from '../transport/protocol.js'
import type { Job } from './job.js'

const BATCH = 1000

/** A model and, where it was measured on one, a dataset that a point belongs to. */
type Owner = Pick<BatchMetric, 'model_id' | 'dataset_name' | 'dataset_digest'>

/** The points of a run that belong to logged models as well, by what they are. */
export function ownersOf(
  runId: string,
  models: readonly WireLoggedModel[],
  idOf: (sourceId: string) => string | undefined,
): ReadonlyMap<string, Owner[]> {
  const owners = new Map<string, Owner[]>()
  for (const { info, data } of models) {
    const model_id = idOf(info.model_id)
    if (model_id === undefined) continue
    for (const metric of data.metrics) {
      if (metric.run_id !== runId) continue
      const { dataset_name, dataset_digest } = metric
      const known = owners.get(pointIdentity(metric)) ?? []
      owners.set(pointIdentity(metric), [...known, { model_id, dataset_name, dataset_digest }])
    }
  }
  return owners
}

interface Histories {
  readonly from: string
  readonly to: string
  /** Keys in the source. */
  readonly keys: readonly string[]
  /** Keys that the target has points of already. */
  readonly known: ReadonlySet<string>
  readonly owners: ReadonlyMap<string, readonly Owner[]>
}

/**
 * Copies whole metric histories with their steps and times and answers how many points were sent. Points that the target
 * has are not sent again, and points that are the same in all are one.
 */
export async function copyPoints(job: Job, { from, to, keys, known, owners }: Histories): Promise<number> {
  const call = { signal: job.signal }
  let waiting: BatchMetric[] = []
  let sent = 0
  const send = async (most: number): Promise<void> => {
    while (waiting.length > most) {
      const metrics = waiting.slice(0, BATCH)
      waiting = waiting.slice(BATCH)
      await sendBatch(job, to, metrics)
      sent += metrics.length
      job.points(metrics.length)
    }
  }
  for (const key of keys) {
    const points = await historyOf(job, from, key)
    const missing = known.has(key) ? await missingPoints(job.to.transport, to, points, call) : points
    for (const point of missing) {
      const { value, timestamp, step } = point as WireMetric
      const bare = { key, value, timestamp, step }
      for (const owner of owners.get(pointIdentity(bare)) ?? [{}]) waiting.push({ ...bare, ...owner })
    }
    await send(BATCH)
  }
  await send(0)
  return sent
}

/** Sends a batch, in halves where a server takes fewer at once than MLflow's own (some take 200). */
async function sendBatch(job: Job, runId: string, metrics: readonly BatchMetric[]): Promise<void> {
  try {
    await job.to.transport.call('logBatch', { run_id: runId, metrics: [...metrics] }, { signal: job.signal })
  } catch (error) {
    const tooMany = error instanceof CairnError && (error.status === 400 || error.status === 413)
    if (!tooMany || metrics.length < 2) throw error
    const half = Math.ceil(metrics.length / 2)
    await sendBatch(job, runId, metrics.slice(0, half))
    await sendBatch(job, runId, metrics.slice(half))
  }
}

async function historyOf(job: Job, runId: string, key: string): Promise<WireMetric[]> {
  const points = new Map<string, WireMetric>()
  for await (const point of history(job.from.transport, runId, key, { signal: job.signal })) {
    const named = { ...point, key }
    points.set(pointIdentity(named), named)
  }
  return [...points.values()]
}
