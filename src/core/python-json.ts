const ODD_NUMBERS: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
}
const MARK = '\u0000number:'
// A text without end is taken as one token too, or looking for its end from each of its quotes would take forever.
const TOKENS = /"(?:[^"\\]|\\[\s\S])*"?|-?\bInfinity\b|\bNaN\b/g

/** Reads JSON as Python's `json` writes it, with bare `NaN`, `Infinity` and `-Infinity`; throws `SyntaxError` as `JSON.parse` does. */
export function parsePythonJson(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return JSON.parse(text)
  const marked = text.replace(TOKENS, (token) => (token.startsWith('"') ? token : JSON.stringify(MARK + token)))
  return JSON.parse(marked, (_key, value) =>
    typeof value === 'string' && value.startsWith(MARK) ? ODD_NUMBERS[value.slice(MARK.length)] : value,
  )
}

/** Writes JSON that Python's `json` reads back: `NaN` and the infinities bare, 64-bit whole numbers in full. */
export function writePythonJson(value: unknown, indent?: number): string {
  const marked = JSON.stringify(
    value,
    (_key, item) => {
      if (typeof item === 'bigint') return `${MARK}${item}`
      return typeof item === 'number' && !Number.isFinite(item) ? `${MARK}${item}` : item
    },
    indent,
  )
  return marked.replace(/"\\u0000number:(-?(?:\d+|Infinity)|NaN)"/g, '$1')
}
