import type { BatchMetric } from '../core/batch.js'
import type { Dataset, Step, Timestamp } from '../core/entities.js'
import { checkKey, checkModelId, checkRunName, checkText, LIMITS } from '../core/names.js'
import { checkedInUse, checkOptions, type Rules, shown, untold } from '../core/options.js'
import { paramTaken } from '../core/param-taken.js'
import { TAG } from '../core/tags.js'
import { keyedText, type TextRules, valueText } from '../core/value-text.js'
import { describe } from '../core/whole-json.js'
import { InvalidParameterError, ParamConflictError } from '../errors.js'

export { checkRecord, present } from '../core/pairs.js'
export type { TextRules } from '../core/value-text.js'

/** Where and when a point was measured. */
export interface PointOptions {
  /** A whole number; 0 by default. */
  readonly step?: Step | undefined
  /** Epoch milliseconds; the time of the call by default, of points of a model at one step the next free one. A fraction is cut off. */
  readonly timestamp?: Timestamp | Date | undefined
  /** The logged model that the value speaks of; that of `MLFLOW_ACTIVE_MODEL_ID` by default. */
  readonly modelId?: string | undefined
  /** The dataset that it was measured on. */
  readonly dataset?: Pick<Dataset, 'name' | 'digest'> | undefined
}

/** A point of a batch. */
export interface BatchPoint {
  readonly key: string
  readonly value: number
  readonly timestamp?: Timestamp | undefined
  readonly step?: Step | undefined
}

/** A point, checked: value a number, step and time whole numbers. */
export interface Point {
  readonly value: number
  readonly step: Step
  readonly timestamp: Timestamp
  readonly modelId?: string | undefined
  readonly datasetName?: string | undefined
  readonly datasetDigest?: string | undefined
}

/** MLflow's limits for what names a dataset (`mlflow/utils/validation.py`), in characters. */
export const DATASET_LIMITS = { name: 500, digest: 36 } as const

const INT64 = 2n ** 63n

/** Refuses what is no number; NaN and the infinities are numbers. */
export function refuseValue(key: string, value: unknown): never {
  if (typeof key === 'object' && key !== null && value === undefined)
    throw new InvalidParameterError(
      "logMetric takes a key and a number, like logMetric('loss', 0.5); several go to logMetrics({ loss: 0.5, … })",
    )
  throw new InvalidParameterError(`The metric ${JSON.stringify(key)} must be a number, not ${describe(value)}`)
}

/** A step as MLflow takes it: a whole number of 64 bits; past 2^53 only as a bigint, since a number is rounded there. */
export function checkStep(key: string, step: unknown): Step {
  if (typeof step === 'number' && Number.isSafeInteger(step)) return step
  if (typeof step === 'bigint' && step >= -INT64 && step < INT64) return step
  throw new InvalidParameterError(
    `The step of metric ${JSON.stringify(key)} is ${shown(step)}; it must be a whole number (past 2^53 a bigint)`,
  )
}

/** Whole epoch milliseconds, a fraction cut off; undefined for what is no time. */
function wholeTime(time: unknown): number | undefined {
  const number = time instanceof Date ? time.getTime() : time
  return typeof number === 'number' && Number.isSafeInteger(Math.trunc(number)) ? Math.trunc(number) : undefined
}

/** When a run began or ended, as MLflow takes it: a server passes over what is no whole number, and more of the call with it. */
export function checkTime(what: string, time: unknown): number {
  const whole = wholeTime(time)
  if (whole !== undefined) return whole
  throw new InvalidParameterError(`${what} is ${shown(time)}; it must be epoch milliseconds, or a Date`)
}

/** A time as MLflow takes it: whole epoch milliseconds, not negative; past 2^53 as a step is. */
function checkTimestamp(key: string, timestamp: unknown): Timestamp {
  if (typeof timestamp === 'bigint' && timestamp >= 0n && timestamp < INT64) return timestamp
  const whole = wholeTime(timestamp)
  if (whole !== undefined && whole >= 0) return whole
  throw new InvalidParameterError(
    `The timestamp of metric ${JSON.stringify(key)} is ${shown(timestamp)}; it must be epoch milliseconds, 0 or more (past 2^53 a bigint)`,
  )
}

function checkDataset(key: string, dataset: unknown): void {
  const { name, digest } = (dataset ?? {}) as Record<string, unknown>
  if (typeof name !== 'string' || typeof digest !== 'string' || name === '' || digest === '')
    throw new InvalidParameterError(
      `The dataset of metric ${JSON.stringify(key)} is named by both its texts: { name, digest }`,
    )
  if (name.length > DATASET_LIMITS.name || digest.length > DATASET_LIMITS.digest)
    throw new InvalidParameterError(
      `The dataset of metric ${JSON.stringify(key)} has a name of ${name.length} characters and a digest of ${digest.length}; at most ${DATASET_LIMITS.name} and ${DATASET_LIMITS.digest} are allowed`,
    )
  checkText(`The dataset of metric ${JSON.stringify(key)}`, name + digest)
}

const POINT_OPTIONS: Rules<PointOptions> = {
  step: checkedInUse,
  timestamp: checkedInUse,
  modelId: checkedInUse,
  dataset: checkedInUse,
}

/** The options of a point as given; one that is not known is refused, since the point would stand at step 0. */
export const checkPointOptions = (options: PointOptions): PointOptions =>
  known('A point takes options, like { step: 3 }', options, POINT_OPTIONS)

const BATCH_POINT: Rules<BatchPoint & { readonly runId?: string }> = {
  key: checkedInUse,
  value: checkedInUse,
  timestamp: checkedInUse,
  step: checkedInUse,
  // The points of a logged model say which run they are of.
  runId: untold,
}

/** As `checkPointOptions`, for a point of a batch. */
export const checkBatchPoint = (point: BatchPoint): BatchPoint =>
  known('A point of a batch is an object, like { key, value, step }', point, BATCH_POINT)

function known<T extends object>(takes: string, options: T, rules: Rules<T>): T {
  let isKnown = false
  // A loop asks this for each of its points, and nearly always about `step` alone.
  for (const name in options) {
    isKnown = Object.hasOwn(rules, name)
    if (!isKnown) break
  }
  if (!isKnown) checkOptions(takes, options, rules)
  return options
}

/** A point as the caller gives it, checked and its time fixed. */
export function pointOf(key: string, value: unknown, options: PointOptions): Point {
  if (typeof value !== 'number') refuseValue(key, value)
  const { step, timestamp, modelId, dataset } = options
  if (modelId !== undefined) checkModelId(modelId)
  if (dataset !== undefined) checkDataset(key, dataset)
  return {
    value: value as number,
    step: step === undefined ? 0 : checkStep(key, step),
    timestamp: timestamp === undefined ? Date.now() : checkTimestamp(key, timestamp),
    modelId,
    datasetName: dataset?.name,
    datasetDigest: dataset?.digest,
  }
}

/** Refuses another value for a param that is there: it is written once. */
export function checkSameParam(key: string, text: string, before: string | undefined): void {
  if (before === undefined || before === text) return
  throw new ParamConflictError(paramTaken(key, before, text))
}

/** A point in MLflow's own field names. */
export function metricInput(
  key: string,
  { value, step, timestamp, modelId, datasetName, datasetDigest }: Point,
): BatchMetric {
  const point = { key: checkKey('metric', key), value, timestamp, step }
  if (modelId === undefined && datasetName === undefined) return point
  return { ...point, model_id: modelId, dataset_name: datasetName, dataset_digest: datasetDigest }
}

/** A parameter's value as MLflow keeps it (at most 6,000 characters); the key is checked too. */
export const paramText = (key: string, value: unknown, rules: TextRules): string =>
  keyedText('param', key, value, { limit: LIMITS.paramValue, rules })

/** A tag's value as MLflow keeps it (at most 8,000 characters; a run's name as long as a name may be); the key is checked too. */
export const tagText = (key: string, value: unknown, rules: TextRules): string =>
  key === TAG.runName
    ? checkRunName(valueText(`The tag ${JSON.stringify(key)}`, value))
    : keyedText('tag', key, value, { limit: LIMITS.tagValue, rules })
