import { endOfString, isTooDeep } from '../core/json-text.js'

/** A number, or one of the words that JSON does not have. */
const TOKEN = /-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity\b)|NaN\b/g
const LONG = /[[:,\s-]\d{16,}(?=[\s,}\]])/
const WHOLE = /^-?\d{16,}$/

/**
 * Reads MLflow's JSON: whole numbers past 2^53 come as text of digits (the schemas make bigints of them), and a bare
 * `NaN` or `Infinity`, which some of its routes write, as that word. Throws `SyntaxError`.
 */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw new SyntaxError('The JSON is nested too deep')
  if (LONG.test(text)) return JSON.parse(quoted(text))
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error
    return JSON.parse(quoted(text))
  }
}

/** A member that is `null`; where a text holds JSON of its own, there is a backslash before the quote. */
const NULL_MEMBER = /[^\\]"\s*:\s*null\b/

/** As `parseJson`, for an answer: protobuf's JSON says of a member that it is absent as `null` too. */
export function parseAnswer(text: string): unknown {
  const value = parseJson(text)
  if (NULL_MEMBER.test(text)) dropNulls(value)
  return value
}

function dropNulls(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) dropNulls(item)
  else if (value !== null && typeof value === 'object')
    for (const [name, member] of Object.entries(value))
      if (member === null) delete (value as Record<string, unknown>)[name]
      else dropNulls(member)
}

/** Puts quotes around what `JSON.parse` would spoil or refuse; what stands inside strings stays. */
function quoted(text: string): string {
  let done = ''
  for (let from = 0; from < text.length; ) {
    const string = text.indexOf('"', from)
    const open = string < 0 ? text.length : string
    done += text.slice(from, open).replace(TOKEN, inQuotes)
    from = endOfString(text, open) + 1
    done += text.slice(open, from)
  }
  return done
}

function inQuotes(token: string): string {
  if (WHOLE.test(token)) return Number.isSafeInteger(Number(token)) ? token : `"${token}"`
  return token.endsWith('N') || token.endsWith('y') ? `"${token}"` : token
}

/**
 * Writes JSON as MLflow reads it: `NaN`, the infinities and a value of -0 as words (JSON would make `null` and `0` of
 * them, and a bare word would store a zero), bigints as digits.
 */
export const toJson = (value: unknown): string => written(isPlain(value) ? value : worded(value))

/** A point as a batch brings it. */
interface Point {
  readonly value?: unknown
  readonly timestamp?: unknown
  readonly step?: unknown
}

/** As `toJson`, for a batch: nearly all that is ever sent is points, each looked at by the names of its numbers. */
export function batchJson<P extends Point>(batch: { readonly metrics?: readonly P[] | undefined }): string {
  const { metrics = [], ...rest } = batch
  return written(metrics.every(isPlainPoint) && isPlain(rest) ? batch : worded(batch))
}

/** The escapes of a JSON text, each whole: half an emoji is the only `\\ud…` that `JSON.stringify` writes. */
const ESCAPE = /\\(?:ud[89a-f][0-9a-f]{2}|[\s\S])/g

/** MLflow's reader ends without a word at half an emoji, and what stands behind it is lost: U+FFFD stands for it. */
function written(value: unknown): string {
  const text = JSON.stringify(value)
  if (!text.includes('\\ud')) return text
  return text.replace(ESCAPE, (one) => (one.startsWith('\\ud') ? '\ufffd' : one))
}

/** Finite, all of them: less itself, only such a number is nothing. */
const isPlainPoint = ({ value, timestamp, step }: Point): boolean =>
  typeof value === 'number' &&
  typeof timestamp === 'number' &&
  typeof step === 'number' &&
  value - value + (timestamp - timestamp) + (step - step) === 0 &&
  !isNegativeZero(value, 'value')

/** Only a metric's `value` is a double: a step of -0 has to stay a whole number. */
const isNegativeZero = (value: unknown, key: string) => key === 'value' && Object.is(value, -0)

// Runs over every point of every batch: numbers and texts are judged in place, without a call.
function isPlain(value: unknown, key = ''): boolean {
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item !== 'string' && !isPlain(item)) return false
    return true
  }
  if (value !== null && typeof value === 'object') {
    for (const name in value) {
      const field = (value as Record<string, unknown>)[name]
      if (typeof field === 'string') continue
      if (typeof field === 'number' ? !isPlainNumber(field, name) : !isPlain(field, name)) return false
    }
    return true
  }
  return typeof value === 'number' ? isPlainNumber(value, key) : typeof value !== 'bigint'
}

const isPlainNumber = (value: number, key: string): boolean =>
  value - value === 0 && (value !== 0 || !isNegativeZero(value, key))

function worded(value: unknown, key = ''): unknown {
  if (isNegativeZero(value, key)) return '-0.0'
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map((item) => worded(item))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, worded(item, name)]))
  return value
}
