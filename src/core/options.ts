import { InvalidParameterError } from '../errors.js'
import { nearest } from './nearest.js'

/** Throws `InvalidParameterError` for a value that an option or argument cannot have; `name` is its name, like `retry.maxRetries`. */
export type Rule = (value: unknown, name: string) => void
/** A rule for each option that there is. */
export type Rules<T> = { readonly [K in keyof T]-?: Rule }

/** What kind of thing was given, without showing it. */
export function described(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'a text'
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  const kind = isPlain(value) ? 'an object' : `an instance of ${value.constructor?.name || 'a class'}`
  return isThenable(value) ? `${kind}: await it` : kind
}

/** What was given, as a message shows it; `String(value)` throws for an object that has no text. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)
  return /^(?:number|boolean|bigint)$/.test(typeof value) ? String(value) : described(value)
}

/** Whether what was read from JSON or YAML has entries by name. */
export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a value is an object of no class, whichever realm it comes from. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const parent: unknown = Object.getPrototypeOf(value)
  return parent === null || Object.getPrototypeOf(parent) === null
}

export const isThenable = (value: object): boolean => 'then' in value && typeof value.then === 'function'

/** Whether a value holds things by name, and not as `Headers`, a `Map`, a list or a promise does: those look empty. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' &&
  value !== null &&
  !(Symbol.iterator in value) &&
  !isThenable(value) &&
  (isPlain(value) || Object.keys(value).length > 0)

/** As `isRecord`, also of an object that has some of these names by getters, or from its class; a list has a `filter`, too. */
export const holdsAny = (value: unknown, names: readonly string[]): value is Readonly<Record<string, unknown>> =>
  isRecord(value) || (isMap(value) && names.some((name) => name in value))

const refuse = (message: string): never => {
  throw new InvalidParameterError(message)
}

/** The rule that what is given `must` be something. */
export const rule =
  (must: string, holds: (value: unknown) => boolean): Rule =>
  (value, name) =>
    holds(value) || refuse(`${name} must be ${must}, not ${shown(value)}`)

/** As `rule`, for a number. */
export const numberThat = (must: string, holds: (value: number) => boolean): Rule =>
  rule(must, (value) => typeof value === 'number' && holds(value))

/** The rule for what is looked at where it is used. */
export const checkedInUse: Rule = () => {}
/** The rule for what our own parts say to each other: it is taken, and no message tells of it. */
export const untold: Rule = () => {}
export const isText = rule('a text', (value) => typeof value === 'string')
export const isSomeText = rule('a text that is not blank', (value) => typeof value === 'string' && value.trim() !== '')
export const isSwitch = rule('true or false', (value) => typeof value === 'boolean')
export const isFunction = rule('a function', (value) => typeof value === 'function')
export const isCount = numberThat('a whole number from 1', (value) => Number.isSafeInteger(value) && value >= 1)
/** No timer holds longer than that, in milliseconds: 24 days. */
export const LONGEST_MS = 2 ** 31 - 1
export const isTime = numberThat(
  'a number of milliseconds above 0, at most 2147483647 (24 days)',
  (value) => value > 0 && value <= LONGEST_MS,
)
export const isSignal = rule('an AbortSignal', (value) => has(value, ['addEventListener', 'throwIfAborted']))

/** The rule for a text that no message may show; one that is empty is none unless `mayBeEmpty`. */
export const isSecret =
  (mayBeEmpty = false): Rule =>
  (value, name) => {
    if (typeof value !== 'string' || (value.trim() === '' && !mayBeEmpty))
      refuse(`${name} must be a text${mayBeEmpty ? '' : ' that is not empty'}, not ${described(value)}`)
  }

const has = (value: unknown, methods: readonly string[]): boolean =>
  value !== null &&
  value !== undefined &&
  methods.every((method) => typeof (value as Readonly<Record<string, unknown>>)[method] === 'function')

/** The rule for what has some methods. */
export const having = (what: string, ...methods: readonly string[]): Rule =>
  rule(`${what} (with ${methods.join(', ')})`, (value) => has(value, methods))

/** Takes `null` for what is left out. */
export const orNull =
  (own: Rule): Rule =>
  (value, name) =>
    value === null || own(value, name)

/** The rule for a list. */
export const listOf =
  (what: string, own: Rule): Rule =>
  (value, name) => {
    if (!Array.isArray(value)) refuse(`${name} must be a list of ${what}, like [ … ], not ${described(value)}`)
    for (const [index, one] of (value as unknown[]).entries()) own(one, `${name}[${index}]`)
  }

/** The rule for what stands under names of the user's own; what is undefined is left out. */
export const each =
  (what: string, own: Rule, checkName: (key: string, name: string) => unknown = () => {}): Rule =>
  (value, name) => {
    if (!isRecord(value)) refuse(`${name} must be an object of ${what}, not ${described(value)}`)
    for (const [key, one] of Object.entries(value as object)) {
      checkName(key, name)
      if (one !== undefined) own(one, `${name}.${key}`)
    }
  }

/** The rule for an object with options of its own; `isWhole` when none of them may be left out. */
export const record =
  <T>(rules: Rules<T>, isWhole = false): Rule =>
  (value, name) => {
    const names = Object.keys(rules)
    if (holdsAny(value, names)) checkEach(value, rules, { prefix: `${name}.`, isWhole })
    else refuse(`${name} must be an object like { ${names.join(', ')} }, not ${described(value)}`)
  }

/** Names beside those of the options. */
export interface OptionNames<T> {
  /** Which option is meant by a name that Python's client has for it. */
  readonly elsewhere?: Readonly<Record<string, keyof T & string>> | undefined
  /** Passes over a name that is near none of the options. */
  readonly isLoose?: boolean | undefined
}

/** Checks the options of a call; a refusal begins with `takes`: `'flush takes options, like { timeoutMs: 5000 }'`. */
export function checkOptions<T>(takes: string, given: unknown, rules: Rules<T>, names: OptionNames<T> = {}): void {
  if (holdsAny(given, Object.keys(rules))) checkEach(given, rules, { ...names, prefix: '', isWhole: false })
  else refuse(`${takes}, not ${described(given)}`)
}

interface Checking<T> extends OptionNames<T> {
  readonly prefix: string
  readonly isWhole: boolean
}

function checkEach<T>(
  given: Readonly<Record<string, unknown>>,
  rules: Rules<T>,
  { prefix, isWhole, elsewhere = {}, isLoose = false }: Checking<T>,
): void {
  for (const name of Object.keys(given).filter((one) => !Object.hasOwn(rules, one))) {
    const known = toldOf(rules)
    const one = nearest(name, [...known, ...Object.keys(elsewhere)])
    const told = one === undefined ? `there are ${known.join(', ')}` : `did you mean ${prefix}${elsewhere[one] ?? one}?`
    if (one !== undefined || !isLoose) refuse(`There is no option ${prefix}${name}: ${told}`)
  }
  for (const [name, own] of Object.entries<Rule>(rules)) {
    const value = given[name]
    if (value !== undefined || isWhole) own(value, prefix + name)
  }
}

/** The rule for one of some words. */
export const oneOf =
  (words: readonly string[]): Rule =>
  (value, name) => {
    if (words.includes(value as string)) return
    const one = typeof value === 'string' ? nearest(value, words) : undefined
    refuse(`${name} must be one of ${words.join(', ')}, not ${shown(value)}${one ? `: did you mean ${one}?` : ''}`)
  }

/** The names that a message may tell. */
export const toldOf = <T>(rules: Rules<T>): string[] =>
  Object.entries<Rule>(rules).flatMap(([name, own]) => (own === untold ? [] : [name]))
