import { IntegrityError } from '../../errors.js'
import { isLater, type MetricPoint, parseMetricLine } from './codec.js'

const BLANK = 32
const ZERO = 48
/** How many digits a whole number may have and still be exact. */
const EXACT = 15

/** The whole number between two places of a text; -1 when there is none, or none that is sure to be exact. */
function digits(text: string, start: number, end: number): number {
  if (start >= end || end - start > EXACT) return -1
  let number = 0
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (!(digit >= 0 && digit <= 9)) return -1
    number = number * 10 + digit
  }
  return number
}

/** Where the next blank is, or `end`. */
function blank(text: string, start: number, end: number): number {
  let at = start
  while (at < end && text.charCodeAt(at) !== BLANK) at++
  return at
}

/** `parseMetricLine` of what lies between two places of a text; a plain line, as nearly all are, costs a fifth of it. */
export function metricPointAt(text: string, start: number, end: number): MetricPoint | undefined {
  const timeEnd = blank(text, start, end)
  const valueEnd = blank(text, timeEnd + 1, end)
  const timestamp = digits(text, start, timeEnd)
  const step = digits(text, valueEnd + 1, end)
  const written = timestamp < 0 || step < 0 ? '' : text.slice(timeEnd + 1, valueEnd)
  // What Python writes of a finite number and nothing else that JavaScript takes for one, such as `0x1` or no text.
  const value = /^-?\d+\.\d+$/.test(written) ? Number(written) : Number.NaN
  return Number.isNaN(value) ? parseMetricLine(text.slice(start, end)) : { timestamp, value, step }
}

/** The latest point of a metric file's text; undefined when no line of it is a point. */
export function latestPoint(text: string): MetricPoint | undefined {
  let latest: MetricPoint | undefined
  for (let start = 0, end = text.indexOf('\n'); end >= 0; start = end + 1, end = text.indexOf('\n', start)) {
    const point = metricPointAt(text, start, end)
    if (point && (!latest || isLater(point, latest))) latest = point
  }
  return latest
}

const isBlank = (text: string, start: number, end: number): boolean =>
  !(text.charCodeAt(start) > BLANK) && text.slice(start, end).trim() === ''

/**
 * The points of the whole lines of a metric file's text (what follows the last line end is an append that was cut): of at
 * most `most` lines behind the first `from`, and whether more follow. Lines that are no points are left out, unless none
 * is one: then it is an `IntegrityError` that names `file`.
 */
export function pointsIn(
  text: string,
  file: string,
  { from = 0, most = Number.POSITIVE_INFINITY }: { readonly from?: number; readonly most?: number } = {},
): { points: MetricPoint[]; more: boolean } {
  const points: MetricPoint[] = []
  let line = 0
  for (let start = 0, end = text.indexOf('\n'); end >= 0; start = end + 1, end = text.indexOf('\n', start)) {
    if (isBlank(text, start, end) || line++ < from) continue
    if (line - from > most) return { points: some(points, file), more: true }
    const point = metricPointAt(text, start, end)
    if (point) points.push(point)
  }
  return { points: line > from ? some(points, file) : points, more: false }
}

function some(points: MetricPoint[], file: string): MetricPoint[] {
  if (points.length > 0) return points
  throw new IntegrityError(`${file} has no line that is a metric ("timestamp value step")`)
}
