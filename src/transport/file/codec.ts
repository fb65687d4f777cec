import { readYaml, readYamlText, writeYaml } from '../../core/yaml.js'
import { IntegrityError } from '../../errors.js'

/** A double as Python's `repr` writes it and its `float()` reads it: `1.0`, `1e-07`, `nan`, `-inf`, `-0.0`. */
export function formatFloat(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e-4 && size < 1e16) return Number.isInteger(value) ? `${value}.0` : `${value}`
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  if (Number.isNaN(value)) return 'nan'
  if (size === Infinity) return value > 0 ? 'inf' : '-inf'
  const [mantissa = '', exponent = ''] = value.toExponential().split('e')
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
}

const WORDS: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, infinity: Infinity }

/** Reads what `formatFloat`, Python or JavaScript wrote; undefined for anything else. */
export function parseFloatText(text: string): number | undefined {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text)
  const [, sign = '', word = ''] = /^([+-]?)([a-z]+)$/i.exec(text) ?? []
  const known = WORDS[word.toLowerCase()]
  return known === undefined ? undefined : sign === '-' ? -known : known
}

/** One point of a metric file, with its line end. */
export const metricLine = (timestamp: number | bigint, value: number, step: number | bigint): string =>
  `${timestamp} ${formatFloat(value)} ${step}\n`

/** One point of a logged model's metric file, with its line end; a dataset is left out when its name has a blank. */
export function modelMetricLine(
  timestamp: number | bigint,
  value: number,
  step: number | bigint,
  runId: string,
  dataset?: { readonly name: string; readonly digest: string },
): string {
  const fields = [timestamp, formatFloat(value), step, runId]
  // A blank in the name would make the whole key unreadable for Python.
  if (dataset && !/\s/.test(dataset.name + dataset.digest)) fields.push(dataset.name, dataset.digest)
  return `${fields.join(' ')}\n`
}

/** A line of a metric file, of a run (2, 3 or 5 fields) or a logged model (4 or 6). */
export interface MetricPoint {
  readonly timestamp: number | bigint
  readonly value: number
  readonly step: number | bigint
  readonly runId?: string
  readonly datasetName?: string
  readonly datasetDigest?: string
}

const INTEGER = /^[+-]?\d+$/
/** A whole number read from text: past 2^53 a bigint. */
export const wholeNumber = (text: string): number | bigint => {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

/**
 * Reads one line without its line end; undefined when it is no point. A line with a dataset keeps its step (Python reads
 * 0), and the blanks in the dataset's name.
 */
export function parseMetricLine(line: string): MetricPoint | undefined {
  const fields = line.trim().split(' ')
  const [time = '', text = '', step = '0', third, fourth] = fields
  const value = parseFloatText(text)
  if (value === undefined || !INTEGER.test(time) || !INTEGER.test(step)) return undefined
  const point = { timestamp: wholeNumber(time), value, step: wholeNumber(step) }
  if (third === undefined) return point
  if (fourth === undefined) return { ...point, runId: third }
  if (fields.length === 5) return { ...point, datasetName: third, datasetDigest: fourth }
  return { ...point, runId: third, datasetName: fields.slice(4, -1).join(' '), datasetDigest: fields.at(-1) ?? '' }
}

/** Orders points as MLflow does to find the latest: step, then time, then value; NaN counts as smaller than numbers. */
export function isLater(
  a: Pick<MetricPoint, 'step' | 'timestamp' | 'value'>,
  b: Pick<MetricPoint, 'step' | 'timestamp' | 'value'>,
): boolean {
  if (a.step !== b.step) return a.step > b.step
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp
  return a.value > b.value || (Number.isNaN(b.value) && !Number.isNaN(a.value))
}

/** The top level of a `meta.yaml`: every scalar as it is written, null kept. Without a prototype. */
export type Meta = Record<string, unknown>

const FLAT = /^([a-z_]+):(?: (.*))?$/
const PLAIN = /^[A-Za-z0-9_./+-][A-Za-z0-9_./+:%@=~ -]*$/

/** Reads a flat file such as nearly all are; undefined for whatever is not plainly so. */
function readFlat(text: string): Meta | undefined {
  const meta: Meta = Object.create(null)
  const lines = text.split('\n')
  if (lines.pop() !== '') return undefined
  for (const line of lines) {
    const [, key, raw = ''] = FLAT.exec(line) ?? []
    if (key === undefined || key in meta) return undefined
    const value = readScalar(raw)
    if (value === undefined) return undefined
    meta[key] = value
  }
  return meta
}

function readScalar(raw: string): unknown {
  if (raw === 'null') return null
  if (raw === '[]') return []
  if (raw === '{}') return {}
  if (raw.length > 1 && raw.startsWith("'") && raw.endsWith("'")) {
    const inner = raw.slice(1, -1)
    return inner.includes("'") ? undefined : inner
  }
  if (!PLAIN.test(raw) || raw.endsWith(' ') || raw.endsWith(':') || raw.includes(': ') || raw.startsWith('- '))
    return undefined
  return /^(?:~|null|Null|NULL|-|---|\.\.\.)$/.test(raw) ? undefined : raw
}

/** Reads a `meta.yaml`; throws `IntegrityError` naming `file` when it is empty, torn or no map. */
export function readMeta(text: string, file: string): Meta {
  const flat = readFlat(text)
  const meta = flat && Object.keys(flat).length > 0 ? flat : readYamlText(text, file)
  if (meta === null || meta === undefined) throw new IntegrityError(`${file} is empty`)
  if (typeof meta !== 'object' || Array.isArray(meta)) throw new IntegrityError(`${file} does not hold a map`)
  return meta as Meta
}

/** The text of a new `meta.yaml`: sorted keys; null, numbers, booleans, texts, lists and maps as PyYAML reads them. */
export const writeMeta = (meta: Readonly<Record<string, unknown>>): string => writeYaml(meta)

/** The text of a `meta.yaml` with some fields changed (undefined removes one); what others wrote into it stays. */
export function changeMeta(text: string, file: string, changes: Readonly<Record<string, unknown>>): string {
  readMeta(text, file)
  const changed: Record<string, unknown> = { ...(readYaml(text, file) as Record<string, unknown>), ...changes }
  for (const key of Object.keys(changed)) if (changed[key] === undefined) delete changed[key]
  return writeYaml(changed)
}

/** A field of a `meta.yaml` as text; undefined for null and for what is no scalar. */
export const textField = (meta: Meta, key: string): string | undefined =>
  typeof meta[key] === 'string' ? meta[key] : undefined

/** A field of a `meta.yaml` as a number (times, counts); undefined when it is null or none. */
export function numberField(meta: Meta, key: string): number | undefined {
  const text = textField(meta, key)
  const number = text === undefined || text === '' ? NaN : Number(text)
  return Number.isFinite(number) ? number : undefined
}
