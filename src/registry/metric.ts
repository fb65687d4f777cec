import type { ModelVersion } from '../core/entities.js'
import { ApprovalRequiredError, absent, InvalidParameterError } from '../errors.js'
import type { Transport } from '../transport/transport.js'

/** A metric that a version must reach: `min` and `max` are both allowed values themselves; one of them is enough. */
export interface RequiredMetric {
  readonly key: string
  readonly min?: number | undefined
  readonly max?: number | undefined
}

/** Throws `ApprovalRequiredError` when the metric of the version's logged model, else of its run, is absent or outside. */
export async function requireReached(
  version: ModelVersion,
  { key, min, max }: RequiredMetric,
  { tracking, signal }: { readonly tracking: () => Promise<Transport>; readonly signal: AbortSignal | undefined },
): Promise<void> {
  for (const limit of [min, max])
    if (limit !== undefined && (typeof limit !== 'number' || Number.isNaN(limit)))
      throw new InvalidParameterError(`A limit of the metric ${JSON.stringify(key)} is ${limit}; it must be a number`)
  if (min === undefined && max === undefined)
    throw new InvalidParameterError(`requireMetric for ${JSON.stringify(key)} needs min, max or both`)
  // A run or model that is gone has no metric to show.
  const value = await latestOf(version, key, await tracking(), signal).catch(absent)
  const what = `Version ${version.version} of ${JSON.stringify(version.name)}`
  if (value === undefined)
    throw new ApprovalRequiredError(
      `${what} has no metric ${JSON.stringify(key)}: neither its model nor its run logged it`,
    )
  if (!(value >= (min ?? Number.NEGATIVE_INFINITY)))
    throw new ApprovalRequiredError(`${what} has ${key} = ${value}; at least ${min} is required`)
  if (!(value <= (max ?? Number.POSITIVE_INFINITY)))
    throw new ApprovalRequiredError(`${what} has ${key} = ${value}; at most ${max} is allowed`)
}

async function latestOf(
  { modelId, runId }: ModelVersion,
  key: string,
  tracking: Transport,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const points = modelId
    ? (await tracking.call('getLoggedModel', { model_id: modelId }, { signal })).model.data.metrics
    : []
  const [latest] = points
    .filter((point) => point.key === key)
    .sort((a, b) => Number(b.step) - Number(a.step) || b.timestamp - a.timestamp)
  if (latest || !runId) return latest?.value
  const { run } = await tracking.call('getRun', { run_id: runId }, { signal })
  return run.data.metrics.find((point) => point.key === key)?.value
}
