import { type Cursor, quoted } from './cursor.js'
import { datasetFields, type Entity, type Rule, type Rules } from './fields.js'
import type { Token } from './tokens.js'

/** What stands on the left of a clause or in a sort key, its word and its alias resolved. */
export interface Name {
  readonly entity: Entity
  readonly key: string
  readonly at: number
}

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

const list = (words: readonly string[]): string => words.join(', ')

/** What a name may be compared with, or undefined where the target does not know it. */
export function ruleOf(rules: Rules, { entity, key }: Name): Rule | undefined {
  if (entity === 'attribute') return own(rules.fields, key)
  if (entity === 'dataset') return own(datasetFields, key)
  return rules.keyed[entity]
}

const isKeyQuote = ({ kind }: Token): boolean => kind === 'backtick' || kind === 'double' || kind === 'single'

/** The word before the dot, if any, and the key after it, quotes taken off. */
function parts(cursor: Cursor): { word: string | undefined; key: string; at: number; end: number } {
  const first = cursor.take()
  const { at } = first
  let { end } = first
  let { text } = first
  if (first.kind === 'backtick' || first.kind === 'double') {
    const next = cursor.peek()
    if (next.kind !== 'word' || next.at !== end || !next.text.startsWith('.'))
      return { word: undefined, key: text, at, end }
    cursor.take()
    text += next.text
    end = next.end
  } else if (first.kind !== 'word') {
    const wanted = cursor.rules.keyed.metric ? 'metrics.auc' : 'tags.team'
    cursor.fail(
      at,
      `expected a name such as ${wanted} or ${Object.keys(cursor.rules.fields)[0]}, found ${quoted(first)}`,
    )
  }
  const dot = text.indexOf('.')
  if (dot < 0) return { word: undefined, key: text, at, end }
  const key = text.slice(dot + 1)
  const next = cursor.peek()
  if (key !== '' || next.at !== end || !isKeyQuote(next)) return { word: text.slice(0, dot), key, at, end }
  cursor.take()
  return { word: text.slice(0, dot), key: next.text, at, end: next.end }
}

const ENDS = new Set(['operator', 'open', 'close', 'comma', 'end'])

/** A key that needs quotes and has none goes on without a blank between: `metrics.val-loss`, `params.a."b"`. */
function refuseRest(cursor: Cursor, word: string | undefined, end: number): void {
  const next = cursor.peek()
  const { kind, text } = next
  const glued = next.at === end && !ENDS.has(kind) && text !== ';'
  if (!glued && !(kind === 'stray' && /[-/:]/.test(text))) return
  if (kind === 'unclosed') cursor.fail(next.at, `the quote ${text[0]} is never closed`)
  cursor.fail(
    next.at,
    `a key with anything but letters, digits, "_" and "." goes whole into backticks: ${word ?? 'tags'}.\`my-key\``,
  )
}

/** Reads a name and resolves it; throws where the word before the dot is none of the target's, or the key is empty. */
export function readName(cursor: Cursor): Name {
  const { rules } = cursor
  const { word, key, at, end } = parts(cursor)
  const entity = word === undefined ? 'attribute' : own(rules.words, word)
  if (!entity)
    cursor.fail(
      at,
      word === ''
        ? `a word must stand before the dot; ${rules.noun} know ${list(Object.keys(rules.words))}`
        : `${rules.noun} are not searched by "${word?.slice(0, 60)}."; before the dot may stand ${list(Object.keys(rules.words))}`,
    )
  refuseRest(cursor, word, end)
  if (key === '') cursor.fail(at, 'the key is empty')
  return { entity, key: entity === 'attribute' ? (own(rules.aliases, key) ?? key) : key, at }
}

/** Throws that `name` is none of the `known` fields; `entities` are those that could have been meant instead. */
export function failUnknown(cursor: Cursor, name: Name, known: readonly string[], entities: readonly Entity[]): never {
  const { noun } = cursor.rules
  const words = entities
    .filter((entity) => entity !== 'attribute' && entity !== 'dataset')
    .map((entity) => `${entity}s.…`)
  const instead = name.entity === 'attribute' && words.length > 0 ? `; or put a word in front: ${list(words)}` : ''
  const owner = name.entity === 'dataset' ? 'datasets' : noun
  cursor.fail(name.at, `there is no field "${name.key.slice(0, 60)}": ${owner} have ${list(known)}${instead}`)
}
