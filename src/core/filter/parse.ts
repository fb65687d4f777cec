import { PROMPT_TAG } from '../prompt.js'
import { type Cursor, cursor, quoted } from './cursor.js'
import { datasetFields, type Entity, type FilterTarget, type Operator, type Rule, type Rules, rules } from './fields.js'
import { failUnknown, type Name, readName, ruleOf } from './name.js'

/** One comparison; a filter is a list of them, all of which must hold. */
export interface Clause {
  readonly entity: Entity
  /** The metric's, param's or tag's key, or the canonical name of the field. */
  readonly key: string
  readonly op: Operator
  /** Absent for `IS NULL` and `IS NOT NULL`, a list for `IN` and `NOT IN`. */
  readonly value?: string | number | readonly string[]
  /** Whether the clause holds where there is no such tag, against the rule. */
  readonly matchesAbsent?: true
}

const SYMBOLS: Readonly<Record<string, Operator>> = { '=': '=', '!=': '!=', '<': '<', '<=': '<=', '>': '>', '>=': '>=' }
const MEANT: Readonly<Record<string, string>> = { '==': '=', '<>': '!=', '=>': '>=', '=<': '<=', '!': '!=' }

const isWord = (from: Cursor, word: string, ahead = 0): boolean => {
  const token = from.peek(ahead)
  return token.kind === 'word' && token.text.toUpperCase() === word
}

function takeWord(from: Cursor, word: string): boolean {
  const found = isWord(from, word)
  if (found) from.take()
  return found
}

function readOperator(from: Cursor, allowed: string): Operator {
  const token = from.take()
  const word = token.kind === 'word' ? token.text.toUpperCase() : ''
  if (token.kind === 'operator' && Object.hasOwn(SYMBOLS, token.text)) return SYMBOLS[token.text]!
  if (word === 'LIKE' || word === 'ILIKE' || word === 'IN') return word
  if (word === 'NOT' && takeWord(from, 'IN')) return 'NOT IN'
  if (word === 'IS') {
    const not = takeWord(from, 'NOT')
    if (takeWord(from, 'NULL')) return not ? 'IS NOT NULL' : 'IS NULL'
    from.fail(from.peek().at, 'after IS comes NULL or NOT NULL')
  }
  const meant = token.kind === 'operator' && Object.hasOwn(MEANT, token.text) ? `; write ${MEANT[token.text]}` : ''
  const found = word === 'NOT' && isWord(from, 'LIKE') ? 'there is no NOT LIKE' : `found ${quoted(token)}`
  return from.fail(token.at, `expected one of ${allowed}, ${found}${meant}`)
}

function readNumber(from: Cursor, name: Name, rule: Rule): number {
  const token = from.take()
  if (token.kind === 'number') {
    const next = from.peek()
    if (next.kind === 'word' && next.at === token.end) from.fail(next.at, 'a number must be followed by a blank')
    return Number(token.text)
  }
  if (rule.quotedNumber && (token.kind === 'single' || token.kind === 'double') && /^-?[0-9]+$/.test(token.text))
    return Number(token.text)
  const what = name.entity === 'metric' ? 'a metric' : name.key
  return from.fail(token.at, `${what} is compared with a plain number such as 0.5, -3 or 1e-4, found ${quoted(token)}`)
}

function readText(from: Cursor, what: string): string {
  const token = from.take()
  if (token.kind === 'single' || token.kind === 'double') return token.text
  if (token.kind === 'unclosed') from.fail(token.at, `the quote ${token.text[0]} is never closed`)
  return from.fail(token.at, `${what} is a text in single or double quotes, found ${quoted(token)}`)
}

// MLflow reads lists as Python literals: there, and only there, a backslash frees a quote or a backslash.
const unescaped = (text: string): string => text.replace(/\\(['"\\])/g, '$1')

function readList(from: Cursor, op: Operator): readonly string[] {
  const open = from.take()
  if (open.kind !== 'open') from.fail(open.at, `after ${op} comes a list such as ('a', 'b'), found ${quoted(open)}`)
  const values: string[] = []
  do {
    if (values.length > 0 && from.peek().kind === 'close') break
    values.push(unescaped(readText(from, 'each item of a list')))
  } while (from.peek().kind === 'comma' && from.take())
  const close = from.take()
  if (close.kind !== 'close') from.fail(close.at, `a list goes on with "," or ends with ")", found ${quoted(close)}`)
  return values
}

function readValue(from: Cursor, name: Name, rule: Rule, op: Operator): Clause['value'] {
  if (op === 'IS NULL' || op === 'IS NOT NULL') return undefined
  if (op === 'IN' || op === 'NOT IN') return readList(from, op)
  if (rule.value === 'number') return readNumber(from, name, rule)
  return readText(from, `what ${name.entity === 'attribute' ? name.key : `a ${name.entity}`} is compared with`)
}

function absence({ absentTag }: Rules, { entity, key }: Name, op: Operator, value: Clause['value']): boolean {
  if (!absentTag || entity !== 'tag' || key !== absentTag.key) return false
  return (op === '=' && value === absentTag.equals) || (op === '!=' && value === absentTag.differs)
}

function readClause(from: Cursor): Clause {
  if (isWord(from, 'NOT') || from.peek().kind === 'open')
    from.fail(from.peek().at, 'comparisons are joined by AND alone: no parentheses around them, no NOT before them')
  const name = readName(from)
  const rule = ruleOf(from.rules, name)
  if (!rule) {
    const known = name.entity === 'dataset' ? datasetFields : from.rules.fields
    failUnknown(from, name, Object.keys(known), Object.keys(from.rules.keyed) as Entity[])
  }
  const allowed = rule.operators.join(', ')
  const { at } = from.peek()
  const op = readOperator(from, allowed)
  if (!rule.operators.includes(op)) {
    const what = name.entity === 'attribute' || name.entity === 'dataset' ? name.key : `a ${name.entity}`
    from.fail(at, `${op} does not fit ${what} of ${from.rules.noun}, which takes ${allowed}`)
  }
  const value = readValue(from, name, rule, op)
  return {
    entity: name.entity,
    key: name.key,
    op,
    ...(value === undefined ? {} : { value }),
    ...(absence(from.rules, name, op, value) ? { matchesAbsent: true as const } : {}),
  }
}

function another(from: Cursor): boolean {
  const token = from.take()
  if (token.kind === 'end') return false
  if (token.kind !== 'word' || token.text.toUpperCase() !== 'AND') {
    const or = token.text.toUpperCase() === 'OR' ? '; there is no OR, search twice instead' : ''
    from.fail(token.at, `expected AND or the end, found ${quoted(token)}${or}`)
  }
  if (from.peek().kind === 'end') from.fail(from.peek().at, 'a comparison must follow AND')
  return true
}

/**
 * A filter in MLflow's search dialect as the list of its clauses, in order; no filter and an empty one have none.
 * Throws `InvalidParameterError` showing where the text broke, the rule, and an example.
 */
export function parseFilter(text: string | undefined, target: FilterTarget): readonly Clause[] {
  if (text === undefined || text === '') return []
  const from: Cursor = cursor(text, rules[target], 'filter')
  if (from.peek().kind === 'end') from.fail(0, 'it is blank; leave it out to find all')
  const clauses: Clause[] = []
  do clauses.push(readClause(from))
  while (another(from))
  return clauses
}

/** The clauses of a registry search with prompts left out, unless the filter itself speaks of prompts. */
export function withoutPrompts(clauses: readonly Clause[]): readonly Clause[] {
  if (clauses.some((clause) => clause.entity === 'tag' && clause.key === PROMPT_TAG)) return clauses
  return [...clauses, { entity: 'tag', key: PROMPT_TAG, op: '!=', value: 'true', matchesAbsent: true }]
}
