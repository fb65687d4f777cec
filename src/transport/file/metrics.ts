import { join } from 'node:path'
import { HISTORY_PAGE, offsetOf, tokenOf } from '../../core/page.js'
import { readText } from '../../disk/write.js'
import { InvalidParameterError } from '../../errors.js'
import type { Input, WireMetric } from '../protocol.js'
import { type MetricPoint, wholeNumber } from './codec.js'
import type { HandlersOf } from './handlers.js'
import type { Store } from './layout.js'
import { latestPoint, pointsIn } from './points.js'
import { findRun } from './run-meta.js'
import { keyFile } from './values.js'

const toWire = (key: string, point: MetricPoint): WireMetric => ({
  key,
  value: point.value,
  timestamp: point.timestamp,
  step: point.step,
  ...(point.datasetName === undefined ? {} : { dataset_name: point.datasetName, dataset_digest: point.datasetDigest }),
})

/** The latest point of one metric of a run; undefined when it has none. */
export const latestMetric = (store: Store, dir: string, key: string): MetricPoint | undefined =>
  store.memo.read(keyFile(`${dir}/metrics`, 'metric', key), latestPoint)

/** The latest point of each metric of a run, sorted by key; files without a readable point are left out. */
export function latestMetrics(store: Store, dir: string): WireMetric[] {
  const found: WireMetric[] = []
  for (const key of store.memo.files(`${dir}/metrics`)) {
    const latest = store.memo.read(`${dir}/metrics/${key}`, latestPoint)
    if (latest) found.push(toWire(key, latest))
  }
  return found
}

function textOf(store: Store, runId: string, key: string): { file: string; text: string } {
  const file = keyFile(join(findRun(store, runId).dir, 'metrics'), 'metric', key)
  return { file, text: readText(file) ?? '' }
}

function sizeOf(max: number | undefined, most: number, byDefault: number): number {
  if (max === undefined) return byDefault
  if (!Number.isInteger(max) || max < 1 || max > most)
    throw new InvalidParameterError(`max_results must be a whole number from 1 to ${most}, but is ${max}`)
  return max
}

function history(store: Store, input: Input<'getMetricHistory'>) {
  const most = sizeOf(input.max_results, Number.MAX_SAFE_INTEGER, HISTORY_PAGE)
  const from = input.page_token ? offsetOf(input.page_token) : 0
  const { file, text } = textOf(store, input.run_id, input.metric_key)
  const { points, more } = pointsIn(text, file, { from, most })
  const metrics = points.map((point) => toWire(input.metric_key, point))
  return more ? { metrics, next_page_token: tokenOf(from + most) } : { metrics }
}

const bulkOf = (store: Store, runId: string, key: string): WireMetric[] => {
  const { file, text } = textOf(store, runId, key)
  return pointsIn(text, file).points.map((point) => ({ ...toWire(key, point), run_id: runId }))
}

type Whole = number | bigint
const ascending = (a: Whole, b: Whole): number => (a < b ? -1 : a > b ? 1 : 0)
const stepOf = (step: Whole | string): Whole => (typeof step === 'string' ? wholeNumber(step) : step)

/** At most `most` of the sorted steps, spread evenly, the first and the last among them. */
function spread(steps: readonly Whole[], most: number): Whole[] {
  if (steps.length <= most) return [...steps]
  if (most === 1) return steps.slice(-1)
  const stride = (steps.length - 1) / (most - 1)
  return Array.from({ length: most }, (_, i) => steps[Math.round(i * stride)] ?? 0)
}

function interval(store: Store, input: Input<'getMetricHistoryBulkInterval'>): WireMetric[] {
  const most = sizeOf(input.max_results, 2500, 2500)
  if ((input.start_step === undefined) !== (input.end_step === undefined))
    throw new InvalidParameterError('start_step and end_step go together: give both, or neither')
  const start = input.start_step === undefined ? undefined : stepOf(input.start_step)
  const end = input.end_step === undefined ? undefined : stepOf(input.end_step)
  if (start !== undefined && end !== undefined && start > end)
    throw new InvalidParameterError(`start_step ${start} lies behind end_step ${end}`)
  const within = ({ step }: WireMetric) => start === undefined || end === undefined || (step >= start && step <= end)
  return input.run_ids.flatMap((id) => {
    const points = bulkOf(store, id, input.metric_key).filter(within)
    const steps = [...new Set(points.map(({ step }) => step))].sort(ascending)
    const kept = new Set(spread(steps, most))
    return points
      .filter(({ step }) => kept.has(step))
      .sort((a, b) => ascending(a.step, b.step) || ascending(a.timestamp, b.timestamp))
  })
}

type MetricOperation = 'getMetricHistory' | 'getMetricHistoryBulk' | 'getMetricHistoryBulkInterval'

/** The operations that read what metrics were. */
export const metrics = (store: Store): HandlersOf<MetricOperation> => ({
  async getMetricHistory(input) {
    return history(store, input)
  },
  async getMetricHistoryBulk(input) {
    const size = sizeOf(input.max_results, HISTORY_PAGE, HISTORY_PAGE)
    const found: WireMetric[] = []
    for (const id of input.run_id) {
      if (found.length >= size) break
      found.push(...bulkOf(store, id, input.metric_key).slice(0, size - found.length))
    }
    return { metrics: found }
  },
  async getMetricHistoryBulkInterval(input) {
    return { metrics: interval(store, input) }
  },
})
