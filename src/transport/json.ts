/** A string, a number, or one of the words that JSON does not have; strings first, so that nothing inside them counts. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity\b)|NaN\b/gs
const LONG = /[[:,\s-]\d{16,}(?=[\s,}\]])/
const WHOLE = /^-?\d{16,}$/

/**
 * Reads MLflow's JSON: whole numbers past 2^53 come as text of digits (the schemas make bigints of them), and a bare
 * `NaN` or `Infinity`, which some of its routes write, as that word. Throws `SyntaxError`.
 */
export function parseJson(text: string): unknown {
  if (LONG.test(text)) return JSON.parse(quoted(text))
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error
    return JSON.parse(quoted(text))
  }
}

const quoted = (text: string): string =>
  text.replace(TOKEN, (token) => {
    if (token.startsWith('"')) return token
    if (WHOLE.test(token)) return Number.isSafeInteger(Number(token)) ? token : `"${token}"`
    return token.endsWith('N') || token.endsWith('y') ? `"${token}"` : token
  })

/**
 * Writes JSON as MLflow reads it: `NaN`, the infinities and a value of -0 as words (JSON would make `null` and `0` of
 * them, and a bare word would store a zero), bigints as digits.
 */
export const toJson = (value: unknown): string => JSON.stringify(isPlain(value) ? value : worded(value))

/** Only a metric's `value` is a double: a step of -0 has to stay a whole number. */
const isNegativeZero = (value: unknown, key: string) => key === 'value' && Object.is(value, -0)

function isPlain(value: unknown, key = ''): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !isNegativeZero(value, key)
  if (typeof value === 'bigint') return false
  if (Array.isArray(value)) return value.every((item) => isPlain(item))
  if (value !== null && typeof value === 'object')
    for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], name)) return false
  return true
}

function worded(value: unknown, key = ''): unknown {
  if (isNegativeZero(value, key)) return '-0.0'
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map((item) => worded(item))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, worded(item, name)]))
  return value
}
