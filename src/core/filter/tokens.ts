/** What a token is; `stray` and `unclosed` are what the dialect has no place for. */
export type TokenKind =
  | 'word'
  | 'number'
  | 'single'
  | 'double'
  | 'backtick'
  | 'operator'
  | 'open'
  | 'close'
  | 'comma'
  | 'stray'
  | 'unclosed'
  | 'end'

/** A piece of a filter: `text` as written, without the quotes for quoted kinds, from `at` up to `end`. */
export interface Token {
  readonly kind: TokenKind
  readonly text: string
  readonly at: number
  readonly end: number
}

// Sticky and free of nested repetition: each looks at every character once.
const SPACE = /\s+/y
const NUMBER = /-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?/y
const WORD = /[\p{L}\p{N}_.]+/uy
const OPERATOR = /[<>=!~]+/y

const QUOTES: Readonly<Record<string, TokenKind>> = { "'": 'single', '"': 'double', '`': 'backtick' }
const MARKS: Readonly<Record<string, TokenKind>> = { '(': 'open', ')': 'close', ',': 'comma' }

function runOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

/** Where the quote opened at `at` closes, or -1: doubled quotes and `\'` stay inside, as MLflow's SQL reader has it. */
function closing(text: string, at: number): number {
  const quote = text[at]
  let escaped = -1
  for (let i = at + 1; i < text.length; i++) {
    if (quote !== '`' && text[i] === '\\' && text[i + 1] === quote) escaped = ++i
    else if (text[i] === quote) {
      if (text[i + 1] !== quote) return i
      escaped = -1
      i++
    }
  }
  // 'C:\dir\' has no other end: its last backslash escapes nothing.
  return escaped
}

function tokenAt(text: string, at: number): Token {
  const char = text[at] ?? ''
  const quoted = QUOTES[char]
  if (quoted) {
    const close = closing(text, at)
    if (close < 0) return { kind: 'unclosed', text: text.slice(at), at, end: text.length }
    return { kind: quoted, text: text.slice(at + 1, close), at, end: close + 1 }
  }
  const mark = MARKS[char]
  if (mark) return { kind: mark, text: char, at, end: at + 1 }
  for (const [kind, pattern] of [
    ['number', NUMBER],
    ['word', WORD],
    ['operator', OPERATOR],
  ] as const) {
    const end = runOf(pattern, text, at)
    if (end > at) return { kind, text: text.slice(at, end), at, end }
  }
  const end = at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1)
  return { kind: 'stray', text: text.slice(at, end), at, end }
}

/** A filter or sort key cut into tokens, the last of kind `end`; takes any text, in linear time, and never throws. */
export function tokens(text: string): Token[] {
  const found: Token[] = []
  let at = runOf(SPACE, text, 0)
  while (at < text.length) {
    const token = tokenAt(text, at)
    found.push(token)
    at = runOf(SPACE, text, token.end)
  }
  found.push({ kind: 'end', text: '', at: text.length, end: text.length })
  return found
}
