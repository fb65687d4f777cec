import { InvalidParameterError } from '../errors.js'
import { checkKey, checkText, cutTo, lengthOf } from './names.js'
import { describe, wholeJson } from './whole-json.js'

/** How over-long texts are treated: cut, with one word about each key, or refused. */
export interface TextRules {
  readonly truncate: boolean
  readonly warn: (message: string) => void
}

/** A value as text: `String(value)`, objects as JSON; `what` has none is refused, as are promises, Maps and Sets. */
export function valueText(what: string, value: unknown): string {
  if (value === null || value === undefined || typeof value === 'function' || typeof value === 'symbol')
    throw new InvalidParameterError(`${what} has no value that can be kept (${describe(value)})`)
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString()
  const json = typeof value === 'object' ? wholeJson(what, value) : undefined
  return checkText(what, json ?? String(value))
}

/** As `valueText`, of at most `limit` characters; the key is checked too. Refused where no rules say that it may be cut. */
export function keyedText(
  kind: 'param' | 'tag',
  key: string,
  value: unknown,
  { limit, rules }: { readonly limit: number; readonly rules?: TextRules },
): string {
  const what = `${kind} ${JSON.stringify(checkKey(kind, key))}`
  const text = valueText(`The ${what}`, value)
  if (text.length <= limit || lengthOf(text) <= limit) return text
  const long = `The value of ${what} has ${lengthOf(text)} characters; at most ${limit} are allowed`
  if (!rules?.truncate) throw new InvalidParameterError(long)
  rules.warn(`${long}: it was cut`)
  return cutTo(text, limit)
}
