import { InvalidParameterError } from '../../errors.js'
import type { Rules } from './fields.js'
import { type Token, tokens } from './tokens.js'

/** The longest filter or sort key read, in UTF-16 units. */
const longestFilter = 100_000

/** A reader over the tokens of one text. */
export interface Cursor {
  readonly rules: Rules
  /** The token to be read next, or the one `ahead` of it. */
  peek(ahead?: number): Token
  take(): Token
  /** Throws `InvalidParameterError` that shows the place, says what is wrong there, and gives an example that is right. */
  fail(at: number, problem: string): never
}

const WINDOW = 40
// One column each, so that the caret stays below its character.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

function shown(text: string, from: number, to: number): string {
  return Array.from(text.slice(from, to), (char) => (INVISIBLE.test(char) ? ' ' : char)).join('')
}

/** The text around `at` on one line, and a caret below the place. */
function pointing(text: string, at: number): string {
  const from = Math.max(0, at - WINDOW)
  const to = Math.min(text.length, at + WINDOW)
  const before = (from > 0 ? '…' : '') + shown(text, from, at)
  const after = shown(text, at, to) + (to < text.length ? '…' : '')
  return `  ${before}${after}\n  ${' '.repeat(Array.from(before).length)}^`
}

/** Opens a filter or a sort key for reading; what is no text, or too long a one, is refused here. */
export function cursor(text: unknown, rules: Rules, what: 'filter' | 'order_by'): Cursor {
  const example = what === 'filter' ? rules.example : rules.orderExample
  const title = `Invalid ${what} for ${rules.noun}`
  if (typeof text !== 'string')
    throw new InvalidParameterError(
      `${title}: it must be text, not ${text === null ? 'null' : typeof text}.\nFor example: ${example}`,
    )
  if (text.length > longestFilter)
    throw new InvalidParameterError(
      `${title}: it has ${text.length} characters, the most is ${longestFilter}.\nFor example: ${example}`,
    )
  const all = tokens(text)
  const last = all[all.length - 1]!
  let next = 0
  return {
    rules,
    peek: (ahead = 0) => all[next + ahead] ?? last,
    take: () => all[Math.min(next++, all.length - 1)]!,
    fail(at, problem) {
      const place = at >= text.length ? 'at the end' : `at column ${at + 1}`
      throw new InvalidParameterError(`${title}, ${place}: ${problem}.\n${pointing(text, at)}\nFor example: ${example}`)
    },
  }
}

/** How a message quotes a token. */
export function quoted(token: Token): string {
  if (token.kind === 'end') return 'the end'
  const text = token.text.length > WINDOW ? `${token.text.slice(0, WINDOW)}…` : token.text
  const quote = { single: "'", double: '"', backtick: '`' }[token.kind as string] ?? ''
  return quote ? `${quote}${text}${quote}` : `"${text}"`
}
