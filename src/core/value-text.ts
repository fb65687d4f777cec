import { InvalidParameterError } from '../errors.js'
import { describe, wholeJson } from './whole-json.js'

/** The value of a param or tag as text: `String(value)`, objects as JSON; what has none is refused, as are promises, Maps and Sets. */
export function valueText(kind: 'param' | 'tag', key: string, value: unknown): string {
  if (value === null || value === undefined || typeof value === 'function' || typeof value === 'symbol')
    throw new InvalidParameterError(
      `The ${kind} ${JSON.stringify(key)} has no value that can be kept (${describe(value)})`,
    )
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString()
  if (typeof value !== 'object') return String(value)
  return wholeJson(`The ${kind} ${JSON.stringify(key)}`, value) ?? String(value)
}
