import { join } from 'node:path'
import { checkKey, checkModelId, LIMITS } from '../../core/names.js'
import { TAG } from '../../core/tags.js'
import { appendLines, isTorn, mendTail, undoAppend } from '../../disk/append.js'
import { withLock } from '../../disk/lock.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import type { Input } from '../protocol.js'
import { metricLine, modelMetricLine, wholeNumber } from './codec.js'
import type { HandlersOf } from './handlers.js'
import { findModelDir, lockFile, type OpenRun, type Store } from './layout.js'
import { appendModelLines } from './model-metrics.js'
import { changeRun, openRun } from './run-meta.js'
import {
  checkClash,
  checkParam,
  fitParam,
  fitTag,
  type KeyValue,
  keyFile,
  setTag,
  writeParam,
  writingKey,
} from './values.js'

type Batch = Input<'logBatch'>
type NewMetric = NonNullable<Batch['metrics']>[number]
type Pair = NonNullable<Batch['params']>[number]

function checkCounts({ metrics = [], params = [], tags = [] }: Batch): void {
  const refuse = (count: number, what: string, most: number) => {
    if (count > most)
      throw new InvalidParameterError(`The batch has ${count} ${what}; at most ${most} are allowed in one, so split it`)
  }
  refuse(metrics.length, 'metrics', LIMITS.metricsPerBatch)
  refuse(params.length, 'params', LIMITS.paramsPerBatch)
  refuse(tags.length, 'tags', LIMITS.tagsPerBatch)
  refuse(metrics.length + params.length + tags.length, 'entries', LIMITS.entitiesPerBatch)
}

function numberOf({ key, value = 0 }: NewMetric): number {
  if (typeof value === 'number') return value
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN
  if (Number.isNaN(number) && value !== 'NaN')
    throw new InvalidParameterError(
      `The value of the metric ${JSON.stringify(key)} must be a number, not ${typeof value}`,
    )
  return number
}

const MOST = 2n ** 63n

/** A whole number of 64 bits; undefined for what is none, or may have been rounded. */
function wholeOf(value: number | bigint | string): number | bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
  const whole = typeof value === 'bigint' ? value : /^-?\d+$/.test(value) ? wholeNumber(value) : undefined
  return whole !== undefined && whole >= -MOST && whole < MOST ? whole : undefined
}

function timeOf({ key, timestamp = 0 }: NewMetric): number | bigint {
  const time = wholeOf(timestamp)
  if (time !== undefined && time >= 0) return time
  throw new InvalidParameterError(
    `The timestamp of the metric ${JSON.stringify(key)} must be a whole number of milliseconds from 0 (past 2^53 a bigint), not ${String(timestamp)}`,
  )
}

function stepOf({ key, step = 0 }: NewMetric): number | bigint {
  const whole = wholeOf(step)
  if (whole !== undefined) return whole
  throw new InvalidParameterError(
    `The step of the metric ${JSON.stringify(key)} must be a whole number of 64 bits (past 2^53 a bigint), not ${String(step)}`,
  )
}

/** Lines by metric key or by file, in the order in which they were first met. */
type Lines = Map<string, string>

/** Where each point goes, as lines by key: every point is checked before any is written. */
function groupByKey(metrics: readonly NewMetric[]): Lines {
  const lines: Lines = new Map()
  let key: string | undefined
  let text = ''
  for (const metric of metrics) {
    if (metric.key !== key) {
      if (key !== undefined) lines.set(key, text)
      key = metric.key
      text = lines.get(key) ?? ''
    }
    text += metricLine(timeOf(metric), numberOf(metric), stepOf(metric))
  }
  if (key !== undefined) lines.set(key, text)
  return lines
}

/** The file of a metric, its key checked and a torn end cut: once for each file and process. */
function metricFile(store: Store, run: OpenRun, key: string, others: ReadonlySet<string>): string {
  const known = run.metricFiles.get(key)
  if (known !== undefined) return known
  const file = keyFile(`${run.dir}/metrics`, 'metric', key)
  checkClash(`${run.dir}/metrics`, 'metric', key, others)
  writingKey('metric', key, () => {
    if (isTorn(file)) withLock(lockFile(store, `run-${run.info.run_id}`), () => mendTail(file))
  })
  run.metricFiles.set(key, file)
  return file
}

/** The lines for logged models that some of the points belong to, by file. */
function modelLines(store: Store, runId: string, metrics: readonly NewMetric[]): Lines {
  const lines: Lines = new Map()
  for (const metric of metrics) {
    const { key, model_id: id, dataset_name: name, dataset_digest: digest } = metric
    if (id === undefined || id === '') continue
    const dir = findModelDir(store, checkModelId(id))
    if (!dir) throw new NotFoundError(`There is no logged model ${id} for the metric ${JSON.stringify(key)}`)
    const file = keyFile(`${dir}/metrics`, 'metric', key)
    const dataset = name && digest ? { name, digest } : undefined
    const line = modelMetricLine(timeOf(metric), numberOf(metric), stepOf(metric), runId, dataset)
    lines.set(file, (lines.get(file) ?? '') + line)
  }
  return lines
}

function fitted(pairs: readonly Pair[], fit: (key: string, value: string) => string): KeyValue[] {
  return pairs.map(({ key, value = '' }) => ({ key, value: fit(key, value) }))
}

function checkParams(dir: string, params: readonly KeyValue[], runId: string): void {
  const seen = new Set<string>()
  for (const { key } of params) {
    if (seen.has(key)) throw new InvalidParameterError(`The batch holds the param ${JSON.stringify(key)} twice`)
    seen.add(key)
  }
  for (const { key, value } of params) {
    checkClash(join(dir, 'params'), 'param', key, seen)
    checkParam(join(dir, 'params'), key, value, `run ${runId}`)
  }
}

function setRunTag(store: Store, dir: string, { key, value }: KeyValue): void {
  setTag(dir, join(dir, 'tags'), key, value)
  if (key === TAG.runName) changeRun(store, dir, { run_name: value, deleted_time: undefined })
}

interface Append {
  readonly key: string
  readonly file: string
  readonly lines: string
}

/** Appends to each file, or to none: a batch that a full disk cut can be sent again without points coming twice. */
function appendAll(home: string, appends: readonly Append[]): void {
  const done: { readonly file: string; readonly text: string }[] = []
  try {
    for (const { key, file, lines } of appends)
      done.push({ file, text: writingKey('metric', key, () => appendLines(file, lines, home)) })
  } catch (error) {
    for (const { file, text } of done) undoAppend(file, text)
    throw error
  }
}

/** Checks all of a batch, then writes all of it; it is all on disk when this returns. */
export function logBatchNow(store: Store, batch: Batch): void {
  checkCounts(batch)
  const run = openRun(store, batch.run_id)
  const { dir } = run
  const metrics = batch.metrics ?? []
  const byKey = groupByKey(metrics)
  const keys = new Set(byKey.keys())
  const files = [...byKey].map(([key, lines]) => ({ key, file: metricFile(store, run, key, keys), lines }))
  const ofModels = modelLines(store, batch.run_id, metrics)
  const params = fitted(batch.params ?? [], (key, value) => fitParam(store.truncate, key, value))
  checkParams(dir, params, batch.run_id)
  const tags = fitted(batch.tags ?? [], (key, value) => fitTag(store.truncate, checkKey('tag', key), value))
  const tagKeys = new Set(tags.map(({ key }) => key))
  for (const { key } of tags) checkClash(join(dir, 'tags'), 'tag', key, tagKeys)
  for (const { key, value } of params) writeParam(dir, join(dir, 'params'), key, value, `run ${batch.run_id}`)
  appendAll(dir, files)
  for (const [file, lines] of ofModels) appendModelLines(store, file, lines)
  for (const tag of tags) setRunTag(store, dir, tag)
}

type LogOperation = 'logBatch' | 'logMetric' | 'logParam' | 'setTag'

/** The operations that log to a run; each has written everything when its call returns. */
export const logging = (store: Store): HandlersOf<LogOperation> => ({
  async logBatch(input) {
    logBatchNow(store, input)
    return {}
  },
  async logMetric({ run_id, ...metric }) {
    logBatchNow(store, { run_id, metrics: [metric] })
    return {}
  },
  async logParam({ run_id, ...param }) {
    logBatchNow(store, { run_id, params: [param] })
    return {}
  },
  async setTag({ run_id, ...tag }) {
    logBatchNow(store, { run_id, tags: [tag] })
    return {}
  },
})
