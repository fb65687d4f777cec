import type { Metric, ModelVersion } from '../core/entities.js'
import { formatModelUri, sourceRef } from '../core/model-uri.js'
import { ApprovalRequiredError, absent, InvalidParameterError } from '../errors.js'
import type { Transport } from '../transport/transport.js'
import { toModelVersion } from './entities.js'

/**
 * A metric that a version must reach: its latest value lies within `min` and `max`, both included. One of the two may be
 * left out.
 */
export interface RequiredMetric {
  /** The metric's name. */
  readonly key: string
  /** The least value that is enough. */
  readonly min?: number | undefined
  /** The greatest value that is allowed. */
  readonly max?: number | undefined
}

/** Throws `ApprovalRequiredError` when the metric of the version's logged model, else of its run, is absent or outside. */
export async function requireReached(
  version: ModelVersion,
  { key, min, max }: RequiredMetric,
  backends: Backends,
): Promise<void> {
  for (const limit of [min, max])
    if (limit !== undefined && (typeof limit !== 'number' || Number.isNaN(limit)))
      throw new InvalidParameterError(`A limit of the metric ${JSON.stringify(key)} is ${limit}; it must be a number`)
  if (min === undefined && max === undefined)
    throw new InvalidParameterError(`requireMetric for ${JSON.stringify(key)} needs min, max or both`)
  // A run or model that is gone has no metric to show.
  const value = await latestOf(version, key, backends).catch(absent)
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

interface Backends {
  readonly registry: () => Promise<Transport>
  readonly tracking: () => Promise<Transport>
  readonly signal: AbortSignal | undefined
}

async function latestOf(version: ModelVersion, key: string, backends: Backends): Promise<number | undefined> {
  const call = { signal: backends.signal }
  const tracking = await backends.tracking()
  const pointsOf = async (model_id: string) =>
    (await tracking.call('getLoggedModel', { model_id }, call)).model.data.metrics.filter((point) => point.key === key)
  const origin = await originOf(version, backends)
  const { modelId, runId } = origin
  const own = modelId ? await pointsOf(modelId) : []
  const [latest] = own.sort((a, b) => descending(a.step, b.step) || descending(a.timestamp, b.timestamp))
  if (latest || !runId) return latest?.value
  const { run } = await tracking.call('getRun', { run_id: runId }, call)
  const ofRun = run.data.metrics.find((point) => point.key === key)
  // A run has the points of all its models, and does not say whose they are.
  const others = new Set([...(run.outputs?.model_outputs ?? []), ...(run.inputs?.model_inputs ?? [])].map(idOf))
  // Where the original is gone, nobody can say any more which of them was copied.
  if (!ofRun || (isCopy(origin) && others.size > 0)) return undefined
  if (!modelId) return ofRun.value
  others.delete(modelId)
  const theirs = await Promise.all([...others].map((other) => pointsOf(other).catch(absent)))
  return theirs.flatMap((points) => points ?? []).some((point) => isSame(point, ofRun)) ? undefined : ofRun.value
}

type Whole = number | bigint
const descending = (a: Whole, b: Whole): number => (a > b ? -1 : a < b ? 1 : 0)

const idOf = ({ model_id }: { readonly model_id: string }): string => model_id

type Point = Pick<Metric, 'value' | 'timestamp' | 'step'>

const isSame = (a: Point, b: Point): boolean =>
  Object.is(a.value, b.value) && a.timestamp === b.timestamp && a.step === b.step

const isCopy = ({ modelId, source }: ModelVersion): boolean => !modelId && sourceRef(source)?.by === 'version'

/** A copy of a version has the metrics of what it is a copy of. */
async function originOf(version: ModelVersion, { registry, signal }: Backends): Promise<ModelVersion> {
  const seen = new Set<string>()
  for (let origin = version; ; ) {
    const ref = sourceRef(origin.source)
    if (origin.modelId || ref?.by !== 'version' || seen.has(formatModelUri(ref))) return origin
    seen.add(formatModelUri(ref))
    const { name, version: number } = ref
    const found = await (await registry()).call('getModelVersion', { name, version: number }, { signal }).catch(absent)
    // The copy of one that is gone still names its run.
    if (!found) return origin
    origin = toModelVersion(found.model_version)
  }
}
