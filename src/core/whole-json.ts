import { InvalidParameterError } from '../errors.js'
import { described, isThenable } from './options.js'

/** What was given in place of a value, and what to do about it where that is known. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  if (isThenable(value)) return 'a Promise: await it'
  if (value instanceof Map) return 'a Map: Object.fromEntries(map) makes an object of it'
  if (value instanceof Set) return 'a Set: [...set] makes a list of it'
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value)) return described(value)
  const list = `${value.constructor.name} of length ${String(value.length)}`
  const article = /^[AEIOU]/.test(list) && !list.startsWith('Ui') ? 'an' : 'a'
  return `${article} ${list}${value.length === 1 ? ': take its [0]' : ''}`
}

/** Whether JSON says of a value that it is empty, whatever it holds. */
const looksEmpty = (value: object): boolean =>
  isThenable(value) || ((value instanceof Map || value instanceof Set) && !('toJSON' in value))

/**
 * A value as JSON, big numbers as text; `undefined` for what JSON does not have. `InvalidParameterError`, which begins with
 * `what` it is, for one that goes round in a circle, and for a promise, Map or Set anywhere in it.
 */
export function wholeJson(what: string, value: unknown, indent?: number): string | undefined {
  try {
    return JSON.stringify(value, keptWhole(what), indent)
  } catch (cause) {
    if (cause instanceof InvalidParameterError) throw cause
    throw new InvalidParameterError(`${what} is an object that JSON cannot hold`, { cause })
  }
}

/** For `JSON.stringify`: keeps big numbers, and refuses what would be written as empty, with its place in the value. */
function keptWhole(what: string): (this: object, name: string, inner: unknown) => unknown {
  const places = new Map<object, string>()
  return function (name, inner) {
    if (typeof inner === 'bigint') return String(inner)
    if (typeof inner !== 'object' || inner === null) return inner
    const above = places.get(this)
    const place = above === undefined ? '' : above + step(this, name)
    if (looksEmpty(inner)) {
      const where = place === '' ? ' as' : `: ${place.replace(/^\./, '')} in it is`
      throw new InvalidParameterError(`${what} cannot be kept${where} ${describe(inner)}`)
    }
    places.set(inner, place)
    return inner
  }
}

/** How a program writes the way from an object or list to what is in it. */
const step = (from: object, name: string): string => {
  if (Array.isArray(from)) return `[${name}]`
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}
