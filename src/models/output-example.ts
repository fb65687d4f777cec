import { isMap } from '../core/options.js'
import { parsePythonJson, writePythonJson } from '../core/python-json.js'
import type { ModelOutput, Scalar } from '../core/tensor.js'
import { isTensor } from '../core/tensor-data.js'
import { IntegrityError } from '../errors.js'
import { isTolerance } from './option-rules.js'

/** Largest relative difference that `compareOutputs` lets pass unless told otherwise. */
const REPLAY_TOLERANCE = 1e-5
// Below this part of the largest value of an output, a difference is rounding that cancelled, not another answer.
const FLOOR = 1e-2

/** An output as plain JSON values, the form that is stored: typed arrays as lists, whole numbers past 2^53 as text. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return value.toISOString()
  if (isTensor(value)) {
    const data = Array.from(value.data as ArrayLike<Scalar>, plain)
    return { data, dims: [...value.dims], type: value.type }
  }
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<Scalar>, plain)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value ?? null
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

/** The text in which an output is kept beside its input example; NaN and the infinities stand bare, as Python writes them. */
export const writeOutput = (output: ModelOutput): string => writePythonJson(plain(output))

/** Reads a kept output; throws `IntegrityError` naming `what` when the text is damaged. */
export function readOutput(text: string, what: string): ModelOutput {
  try {
    return parsePythonJson(text) as ModelOutput
  } catch (error) {
    throw new IntegrityError(`${what} is not JSON`, { cause: error })
  }
}

interface Difference {
  readonly path: string
  readonly expected: unknown
  readonly actual: unknown
}

type Scales = ReadonlyMap<string, number>
/** Which output a value belongs to: its path without positions. */
const group = (path: string): string => path.replace(/\[\d+\]/g, '')

function* leaves(value: unknown, path: string): Generator<readonly [string, unknown]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* leaves(item, `${path}[${index}]`)
  else if (isMap(value)) for (const [key, item] of Object.entries(value)) yield* leaves(item, `${path}.${key}`)
  else yield [path, value]
}

function scalesOf(value: unknown): Scales {
  const scales = new Map<string, number>()
  for (const [path, leaf] of leaves(value, 'output'))
    if (typeof leaf === 'number' && Number.isFinite(leaf))
      scales.set(group(path), Math.max(scales.get(group(path)) ?? 0, Math.abs(leaf)))
  return scales
}

function near(expected: number, actual: number, tolerance: number, scale: number): boolean {
  if (Object.is(expected, actual) || expected === actual) return true
  if (!Number.isFinite(expected) || !Number.isFinite(actual)) return false
  const allowed = tolerance * Math.max(Math.abs(expected), Math.abs(actual), FLOOR * scale)
  return Math.abs(expected - actual) <= allowed
}

function differs(
  expected: unknown,
  actual: unknown,
  path: string,
  tolerance: number,
  scales: Scales,
): Difference | undefined {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length)
      return { path: `${path}.length`, expected: expected.length, actual: actual.length }
    return first(expected.keys(), (index) =>
      differs(expected[index], actual[index], `${path}[${index}]`, tolerance, scales),
    )
  }
  if (isMap(expected) && isMap(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)])
    return first(keys, (key) => {
      if (!Object.hasOwn(expected, key) || !Object.hasOwn(actual, key))
        return { path: `${path}.${key}`, expected: expected[key], actual: actual[key] }
      return differs(expected[key], actual[key], `${path}.${key}`, tolerance, scales)
    })
  }
  const numbers = typeof expected === 'number' && typeof actual === 'number'
  const same = numbers ? near(expected, actual, tolerance, scales.get(group(path)) ?? 0) : expected === actual
  return same ? undefined : { path, expected, actual }
}

function first<T>(items: Iterable<T>, look: (item: T) => Difference | undefined): Difference | undefined {
  for (const item of items) {
    const found = look(item)
    if (found) return found
  }
  return undefined
}

const show = (value: unknown): string =>
  (typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing')).slice(0, 200)

/**
 * Compares what a model answers now with what it answered when it was logged. Numbers may differ by `tolerance`, relative
 * to the larger one (values under a hundredth of their output's largest count as that hundredth); NaN equals NaN, an
 * infinity itself; all else must be the same. Throws `IntegrityError` naming the first value that differs.
 */
export function compareOutputs(expected: ModelOutput, actual: ModelOutput, tolerance = REPLAY_TOLERANCE): void {
  isTolerance(tolerance, 'replay.tolerance')
  const [then, now] = [plain(expected), plain(actual)]
  const found = differs(then, now, 'output', tolerance, scalesOf(then))
  if (!found) return
  const [a, b] = [found.expected, found.actual]
  const apart = typeof a === 'number' && typeof b === 'number' ? `, a difference of ${Math.abs(a - b)}` : ''
  throw new IntegrityError(
    `The model answers its own input example differently than when it was logged: ${found.path} was ${show(a)} and is ${show(b)}${apart} (tolerance ${tolerance}, relative)`,
  )
}
