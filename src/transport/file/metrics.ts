import { join } from 'node:path'
import { page } from '../../core/page.js'
import { readText } from '../../disk/write.js'
import { IntegrityError, InvalidParameterError } from '../../errors.js'
import type { Input, WireMetric } from '../protocol.js'
import { isLater, type MetricPoint, parseMetricLine, wholeNumber } from './codec.js'
import type { HandlersOf } from './handlers.js'
import type { Store } from './layout.js'
import { findRun } from './run-meta.js'
import { keyFile } from './values.js'

/** The whole lines of a metric file: what follows the last line end is an append that was cut. */
function wholeLines(text: string): string[] {
  const lines = text.split('\n')
  lines.pop()
  return lines.filter((line) => line.trim() !== '')
}

/** The latest point of a metric file's text; undefined when no line of it is a point. */
export function latestPoint(text: string): MetricPoint | undefined {
  let latest: MetricPoint | undefined
  for (let start = 0, end = text.indexOf('\n'); end >= 0; start = end + 1, end = text.indexOf('\n', start)) {
    const point = parseMetricLine(text.slice(start, end))
    if (point && (!latest || isLater(point, latest))) latest = point
  }
  return latest
}

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

function linesOf(store: Store, runId: string, key: string): { file: string; lines: string[] } {
  const file = keyFile(join(findRun(store, runId).dir, 'metrics'), 'metric', key)
  const text = readText(file)
  return { file, lines: text === undefined ? [] : wholeLines(text) }
}

/** The points of lines; those that are none are left out, unless all are none: then it is an `IntegrityError`. */
function pointsOf(file: string, lines: readonly string[]): MetricPoint[] {
  const points = lines.flatMap((line) => parseMetricLine(line) ?? [])
  if (points.length === 0 && lines.length > 0)
    throw new IntegrityError(`${file} has no line that is a metric ("timestamp value step")`)
  return points
}

const MOST = 25_000

function sizeOf(max: number | undefined, most: number, byDefault: number): number {
  if (max === undefined) return byDefault
  if (!Number.isInteger(max) || max < 1 || max > most)
    throw new InvalidParameterError(`max_results must be a whole number from 1 to ${most}, but is ${max}`)
  return max
}

function history(store: Store, input: Input<'getMetricHistory'>) {
  const size = sizeOf(input.max_results, Number.MAX_SAFE_INTEGER, MOST)
  const { file, lines } = linesOf(store, input.run_id, input.metric_key)
  const { items, ...rest } = page(lines, size, input.page_token)
  return { metrics: pointsOf(file, items).map((point) => toWire(input.metric_key, point)), ...rest }
}

const bulkOf = (store: Store, runId: string, key: string): WireMetric[] => {
  const { file, lines } = linesOf(store, runId, key)
  return pointsOf(file, lines).map((point) => ({ ...toWire(key, point), run_id: runId }))
}

type Step = number | bigint
const byStep = (a: Step, b: Step): number => (a < b ? -1 : a > b ? 1 : 0)
const stepOf = (step: number | bigint | string): Step => (typeof step === 'string' ? wholeNumber(step) : step)

/** At most `most` of the sorted steps, spread evenly, the first and the last among them. */
function spread(steps: readonly Step[], most: number): Step[] {
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
    const steps = [...new Set(points.map(({ step }) => step))].sort(byStep)
    const kept = new Set(spread(steps, most))
    return points
      .filter(({ step }) => kept.has(step))
      .sort((a, b) => byStep(a.step, b.step) || a.timestamp - b.timestamp)
  })
}

type MetricOperation = 'getMetricHistory' | 'getMetricHistoryBulk' | 'getMetricHistoryBulkInterval'

/** The operations that read what metrics were. */
export const metrics = (store: Store): HandlersOf<MetricOperation> => ({
  async getMetricHistory(input) {
    return history(store, input)
  },
  async getMetricHistoryBulk(input) {
    const size = sizeOf(input.max_results, MOST, MOST)
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
