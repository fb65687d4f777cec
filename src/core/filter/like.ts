type Chars = string | readonly string[]

const SURROGATE = /[\ud800-\udfff]/
const ASCII_ONLY = /^[\0-\x7f]*$/

/** One character folded so that what differs by case only becomes equal; it stays one character. */
function fold(char: string): string {
  const upper = char.toUpperCase()
  const single = Array.from(upper).length === 1 ? upper : char
  const lower = single.toLowerCase()
  return Array.from(lower).length === 1 ? lower : single
}

/** The characters of a text as code points, as Python counts them. */
function characters(text: string, caseless: boolean): Chars {
  if (caseless) return ASCII_ONLY.test(text) ? text.toLowerCase() : Array.from(text, fold)
  return SURROGATE.test(text) ? Array.from(text) : text
}

interface Pattern {
  readonly chars: Chars
  /** Whether it ended with `%`, which is cut off: the rest of the text is then free, line breaks included. */
  readonly open: boolean
}

/**
 * Two pointers, and only the last `%` is ever tried again, so the work is at most pattern times text.
 * A wildcard cannot eat a line break; hence a `%` that meets one has no further try, nor has any earlier `%`.
 */
function fits(text: Chars, length: number, { chars, open }: Pattern): boolean {
  let at = 0
  let next = 0
  let star = -1
  let resume = 0
  while (at < length) {
    if (open && next === chars.length) return true
    const char = chars[next]
    if (char === '%') {
      star = next++
      resume = at
    } else if (char !== undefined && (char === '_' ? text[at] !== '\n' : char === text[at])) {
      at++
      next++
    } else if (star >= 0 && text[resume] !== '\n') {
      next = star + 1
      at = ++resume
    } else return false
  }
  return next === chars.length
}

/**
 * SQL's LIKE as MLflow's file store evaluates it, case apart if `caseless`: `%` any run, `_` one character, neither a
 * line break, no escape, the whole text; only a `%` at the very end takes line breaks too, and one line break at the
 * end of the text may be left over.
 */
export function like(pattern: string, caseless: boolean): (text: string) => boolean {
  let end = pattern.length
  while (end > 0 && pattern[end - 1] === '%') end--
  const wanted: Pattern = { chars: characters(pattern.slice(0, end), caseless), open: end < pattern.length }
  return (value) => {
    const text = characters(value, caseless)
    if (fits(text, text.length, wanted)) return true
    return !wanted.open && text[text.length - 1] === '\n' && fits(text, text.length - 1, wanted)
  }
}
