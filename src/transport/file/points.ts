import { IntegrityError } from '../../errors.js'
import { isLater, type MetricPoint, parseMetricLine } from './codec.js'

const BLANK = 32
const isDigit = (code: number): boolean => code >= 48 && code <= 57
/** Whether finite numbers are written with a character: a digit or one of `+ - . E e`. */
const isNumeric = (code: number): boolean =>
  isDigit(code) || code === 46 || code === 45 || code === 101 || code === 43 || code === 69

/** Where the characters of a kind that begin at `start` end. */
function runOf(is: (code: number) => boolean, text: string, start: number, end: number): number {
  let at = start
  while (at < end && is(text.charCodeAt(at))) at++
  return at
}

/** Whole numbers of so many digits are exact. */
const EXACT = 15

/** `parseMetricLine` of what lies between two places of a text; a plain line, as nearly all are, costs a fifth of it. */
export function metricPointAt(text: string, start: number, end: number): MetricPoint | undefined {
  const timeEnd = runOf(isDigit, text, start, end)
  const valueEnd = runOf(isNumeric, text, timeEnd + 1, end)
  const step = valueEnd + 1
  const isPlain =
    timeEnd > start &&
    timeEnd - start <= EXACT &&
    text.charCodeAt(timeEnd) === BLANK &&
    valueEnd > timeEnd + 1 &&
    text.charCodeAt(valueEnd) === BLANK &&
    step < end &&
    end - step <= EXACT &&
    runOf(isDigit, text, step, end) === end
  const value = isPlain ? Number(text.slice(timeEnd + 1, valueEnd)) : Number.NaN
  if (Number.isNaN(value)) return parseMetricLine(text.slice(start, end))
  return { timestamp: Number(text.slice(start, timeEnd)), value, step: Number(text.slice(step, end)) }
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
