import { join } from 'node:path'
import type { BatchMetric } from '../core/batch.js'
import { factsBehind } from '../disk/files.js'
import { CairnError, isUnknown } from '../errors.js'
import { history, type Point, pointIdentity } from '../transport/history.js'
import type { WireRun } from '../transport/protocol.js'
import type { Job } from './job.js'
import type { ModelPlan } from './model-plan.js'
import type { Side } from './side.js'

const BATCH = 1000
const LOCAL_PAGE = 250_000

/** A model and, where it was measured on one, a dataset that a point belongs to. */
type Owner = Pick<BatchMetric, 'model_id' | 'dataset_name' | 'dataset_digest'>

/** The points of a run that belong to logged models as well, by what they are; the models are made. */
export async function ownersOf(
  runId: string,
  models: Pick<ModelPlan, 'loggedIn' | 'idAt'>,
): Promise<ReadonlyMap<string, Owner[]>> {
  const owners = new Map<string, Owner[]>()
  for (const { info, data } of models.loggedIn(runId)) {
    const model_id = await models.idAt(info.model_id).catch((error: unknown) => {
      // Of a server that has no logged models.
      if (!isUnknown(error)) throw error
    })
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

/**
 * What grows with each point of a run in a local store. The latest values alone do not tell of one that came later for an
 * earlier step.
 */
export async function grownBy({ from }: Job, { info, data }: WireRun): Promise<unknown[]> {
  if (!from.local) return []
  const dir = join(from.uri, info.experiment_id, info.run_id, 'metrics')
  const size = async ({ key }: { key: string }) => [key, (await factsBehind(join(dir, ...key.split('/'))))?.size]
  return [await Promise.all(data.metrics.map(size))]
}

const DAY = 24 * 60 * 60 * 1000

/**
 * Whether a run of a server ended so lately that points may still come to it; its histories alone tell of those for earlier
 * steps.
 */
export const isRecent = ({ from }: Job, { info: { start_time = 0, end_time = start_time } }: WireRun): boolean =>
  !from.local && Date.now() - end_time < DAY

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
  // A file is read anew for each page.
  const read = ({ local }: Side) => ({ signal: job.signal, page: local ? LOCAL_PAGE : undefined })
  let waiting: BatchMetric[] = []
  let sent = 0
  const send = async (): Promise<void> => {
    const metrics = waiting
    waiting = []
    if (metrics.length === 0) return
    await sendBatch(job, to, metrics)
    sent += metrics.length
    job.points(metrics.length)
  }
  for (const key of keys) {
    const seen = new Set<string>()
    const see = (point: Point) => seen.add(pointIdentity({ ...point, key }))
    if (known.has(key)) for await (const point of history(job.to.transport, to, key, read(job.to))) see(point)
    // A page at a time: a long training has millions of points.
    for await (const point of history(job.from.transport, from, key, read(job.from))) {
      const before = seen.size
      see(point)
      if (seen.size === before) continue
      const { value, timestamp, step } = point
      const bare = { key, value, timestamp, step }
      for (const owner of owners.get(pointIdentity(bare)) ?? [{}]) waiting.push({ ...bare, ...owner })
      if (waiting.length >= BATCH) await send()
    }
  }
  await send()
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
