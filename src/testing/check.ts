import { nearest } from '../core/nearest.js'
import { InvalidParameterError } from '../errors.js'

/** Whether a value is what a field takes, and that in words. */
export interface Rule {
  readonly must: string
  is(value: unknown): boolean
  /** A secret is not shown. */
  readonly secret?: boolean
}

export const text: Rule = { must: 'a text', is: (value) => typeof value === 'string' }
export const someText: Rule = {
  must: 'a text that is not blank',
  is: (value) => typeof value === 'string' && value.trim() !== '',
}

/** Whole numbers, or with `isEndless` also no end. */
export const whole = (least: number, most: number, isEndless = false): Rule => ({
  must: `a whole number from ${least}${isEndless ? ', or Infinity' : ` to ${most}`}`,
  is: (value) =>
    (isEndless && value === Number.POSITIVE_INFINITY) ||
    (Number.isInteger(value) && (value as number) >= least && (value as number) <= most),
})

export const listOf = ({ must, is }: Rule): Rule => ({
  must: `a list, each of it ${must}`,
  is: (value) => Array.isArray(value) && value.every(is),
})

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value as a message shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

export function refuse(why: string): never {
  throw new InvalidParameterError(why)
}

/** Which name was probably meant, as the end of a sentence. */
export function meant(name: string, names: readonly string[]): string {
  const near = nearest(name, names)
  return near === undefined ? '' : `, did you mean ${JSON.stringify(near)}?`
}

/** Refuses what is no object, has a field without a rule, or one that breaks its rule; what is undefined counts as absent. */
export function checkFields(what: string, given: unknown, rules: Readonly<Record<string, Rule>>): void {
  if (!isRecord(given)) refuse(`${what} must be an object, not ${shown(given)}`)
  const names = Object.keys(rules)
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (!rule) refuse(`${what} has no ${shown(name)}${meant(name, names) || `; it has ${names.join(', ')}`}`)
    if (value !== undefined && !rule.is(value))
      refuse(`${name} must be ${rule.must}${rule.secret ? '' : `, not ${shown(value)}`}`)
  }
}
