import { InvalidParameterError } from '../errors.js'
import { type Cursor, cursor, quoted } from './filter/cursor.js'
import { type FilterTarget, type OrderKey, type Rules, rules } from './filter/fields.js'
import type { Subject } from './filter/matches.js'
import { failUnknown, readName } from './filter/name.js'

export type { OrderKey } from './filter/fields.js'

function readKey(text: string, allowed: Rules): OrderKey {
  const from: Cursor = cursor(text, allowed, 'order_by')
  if (from.peek().kind === 'end') from.fail(0, 'it is blank')
  const name = readName(from)
  const { entity } = name
  if (entity === 'dataset' || !allowed.orderEntities.includes(entity))
    from.fail(name.at, `${allowed.noun} are not sorted by a ${entity}, but by ${allowed.orderFields.join(', ')}`)
  if (entity === 'attribute' && !allowed.orderFields.includes(name.key))
    failUnknown(from, name, allowed.orderFields, allowed.orderEntities)
  const word = from.take()
  const direction = word.kind === 'word' ? word.text.toUpperCase() : ''
  if (word.kind !== 'end' && direction !== 'ASC' && direction !== 'DESC')
    from.fail(word.at, `expected ASC, DESC or the end, found ${quoted(word)}; each key is an entry of its own`)
  const rest = direction ? from.take() : word
  if (rest.kind !== 'end')
    from.fail(rest.at, `expected the end, found ${quoted(rest)}; each key is an entry of its own`)
  return { entity, key: name.key, ascending: direction !== 'DESC' }
}

function settled(keys: readonly OrderKey[], { defaultOrder, tieBreaks }: Rules): readonly OrderKey[] {
  const wanted = keys.length > 0 ? keys : defaultOrder
  const named = (key: OrderKey): boolean => wanted.some((w) => w.entity === key.entity && w.key === key.key)
  return [...wanted, ...tieBreaks.filter((key) => !named(key))]
}

/**
 * `order_by` terms (`metrics.auc DESC`) as keys, first key first, with the target's default where there are none and
 * MLflow's tie-breaks behind. Throws `InvalidParameterError` showing where a term broke.
 */
export function parseOrderBy(terms: readonly string[] | undefined, target: FilterTarget): readonly OrderKey[] {
  if (terms !== undefined && !Array.isArray(terms))
    throw new InvalidParameterError(`order_by must be a list of texts, for example ['${rules[target].orderExample}']`)
  return settled(
    (terms ?? []).map((term: string) => readKey(term, rules[target])),
    rules[target],
  )
}

const idOf = ({ entity, key, dataset }: OrderKey): string => JSON.stringify([entity, key, dataset])

/** Refuses what is sorted by one key twice: a file store passes over the second, a database stumbles. */
export function checkDistinct(keys: readonly OrderKey[]): void {
  const twice = keys.find((key, at) => keys.slice(0, at).some((one) => idOf(one) === idOf(key)))
  if (twice === undefined) return
  const name = twice.entity === 'attribute' ? twice.key : `${twice.entity}s.${twice.key}`
  throw new InvalidParameterError(`order_by names ${name} twice; leave the second one out, which changes nothing`)
}

/** A sort key of a logged-model search as MLflow's REST API has it. */
export interface LoggedModelOrder {
  readonly field_name: string
  readonly ascending?: boolean | undefined
  readonly dataset_name?: string | undefined
  readonly dataset_digest?: string | undefined
}

function loggedModelKey(term: LoggedModelOrder): OrderKey {
  const { orderFields, aliases } = rules.loggedModels
  const { field_name: field, ascending = true, dataset_name: name, dataset_digest: digest } = term ?? {}
  const example = "{ field_name: 'metrics.auc', ascending: false }"
  if (typeof field !== 'string' || typeof ascending !== 'boolean')
    throw new InvalidParameterError(`Each order_by of logged models is an object such as ${example}`)
  if (digest && !name) throw new InvalidParameterError(`order_by ${field}: dataset_digest needs dataset_name beside it`)
  const dot = field.indexOf('.')
  const key = dot < 0 ? field.trim() : field.slice(dot + 1).replace(/^`(.*)`$/s, '$1')
  const attribute = Object.hasOwn(aliases, key) ? aliases[key]! : key
  if (dot < 0 && orderFields.includes(attribute)) return { entity: 'attribute', key: attribute, ascending }
  if (dot < 0 || field.slice(0, dot) !== 'metrics' || key === '')
    throw new InvalidParameterError(
      `Logged models are not sorted by "${field.slice(0, 80)}", but by metrics.<key>, ${orderFields.join(', ')}; for example ${example}`,
    )
  return { entity: 'metric', key, ascending, ...(name ? { dataset: { name, ...(digest ? { digest } : {}) } } : {}) }
}

/** The same for logged models, whose terms are objects; throws `InvalidParameterError` naming the term and the fields there are. */
export function parseLoggedModelOrder(terms: readonly LoggedModelOrder[] | undefined): readonly OrderKey[] {
  return settled((terms ?? []).map(loggedModelKey), rules.loggedModels)
}

type Value = string | number | undefined

function read(subject: Subject, { entity, key, dataset }: OrderKey): Value {
  if (entity === 'metric') return dataset ? subject.metric(key, dataset) : subject.metric(key)
  if (entity === 'param') return subject.param(key)
  return entity === 'tag' ? subject.tag(key) : subject.attribute(key)
}

/** Moves surrogates above all else, which makes the order of UTF-16 units that of code points. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/** Python's order of strings: by code point. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** 0 for what has an order, 1 for NaN, 2 for what is missing: these stay last whatever the direction. */
const place = (value: Value): number => (value === undefined ? 2 : Number.isNaN(value) ? 1 : 0)

function compareValues(a: Value, b: Value, ascending: boolean): number {
  if (a === b) return 0
  const apart = place(a) - place(b)
  if (apart !== 0) return apart
  if (a === undefined || b === undefined || Number.isNaN(a)) return 0
  const sign = ascending ? 1 : -1
  if (typeof a === 'string') return typeof b === 'string' ? sign * compareText(a, b) : sign
  return typeof b === 'string' || a < b ? -sign : a > b ? sign : 0
}

/** An item with what some sort keys read of it. */
export interface SortRow<T> {
  readonly item: T
  readonly values: readonly Value[]
}

/** Reads the keys of an item, each once. */
export const sortRow = <T>(item: T, subject: Subject, keys: readonly OrderKey[]): SortRow<T> => ({
  item,
  values: keys.map((key) => read(subject, key)),
})

function compareRows(a: SortRow<unknown>, b: SortRow<unknown>, keys: readonly OrderKey[]): number {
  for (let i = 0; i < keys.length; i++) {
    const order = compareValues(a.values[i], b.values[i], keys[i]!.ascending)
    if (order !== 0) return order
  }
  return 0
}

/** The items sorted by the keys, stably, in a new array; each key of each item is read once. */
export function sortBy<T>(items: readonly T[], subjectOf: (item: T) => Subject, keys: readonly OrderKey[]): T[] {
  const rows = items.map((item) => sortRow(item, subjectOf(item), keys))
  return rows.sort((a, b) => compareRows(a, b, keys)).map(({ item }) => item)
}

/** The first `most` of the rows in their order, and none of the others: sorting all for a page costs many times that. */
function firstRows<T>(rows: readonly SortRow<T>[], keys: readonly OrderKey[], most: number): SortRow<T>[] {
  const sort = (some: SortRow<T>[]) => some.sort((a, b) => compareRows(a, b, keys))
  let best: SortRow<T>[] = []
  let last: SortRow<T> | undefined
  for (const row of rows) {
    // What is equal to the last comes behind it.
    if (last && compareRows(row, last, keys) >= 0) continue
    if (best.push(row) < 2 * most) continue
    best = sort(best).slice(0, most)
    last = best[most - 1]
  }
  return sort(best).slice(0, most)
}

/**
 * The first `most` (all by default) items of rows that hold the first keys' values, in the order of all keys, drawn one by
 * one: `counts` is asked, and the other keys are read, only of items drawn and of those that the first keys cannot tell
 * from them.
 */
export function* drawSorted<T>(
  rows: readonly SortRow<T>[],
  subjectOf: (item: T) => Subject,
  keys: readonly OrderKey[],
  counts: (item: T) => boolean,
  most: number = Number.POSITIVE_INFINITY,
): Generator<T> {
  const first = keys.slice(0, rows[0]?.values.length)
  const others = keys.slice(first.length)
  const sorted = [...rows].sort((a, b) => compareRows(a, b, first))
  let drawn = 0
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    while (end < sorted.length && compareRows(sorted[start]!, sorted[end]!, first) === 0) end++
    const equals = sorted.slice(start, end).map(({ item }) => item)
    const equalRows = equals.filter(counts).map((item) => sortRow(item, subjectOf(item), others))
    for (const { item } of firstRows(equalRows, others, most - drawn)) {
      yield item
      if (++drawn === most) return
    }
  }
}
