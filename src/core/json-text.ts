const DEEPEST = 1_000
/** Shorter texts cannot do harm. */
const SHORT = 4_096

/** Whether a JSON text nests deeper than any that MLflow writes: reading one costs a hundred times its size in memory. */
export function isTooDeep(text: string): boolean {
  if (text.length < SHORT) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) at = endOfString(text, at)
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > DEEPEST) return true
    } else if (code === 0x5d || code === 0x7d) depth--
  }
  return false
}

/** Whether a text begins as a JSON object and ends before that does. */
export function isCutShort(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) at = endOfString(text, at)
    else if (code === 0x5b || code === 0x7b) depth++
    else if ((code === 0x5d || code === 0x7d) && --depth === 0) return false
  }
  return true
}

/** Where the string that begins at `from` ends: the place of its closing quote, or the end of all. */
export function endOfString(text: string, from: number): number {
  for (let at = from; ; ) {
    at = text.indexOf('"', at + 1)
    if (at < 0) return text.length
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return at
  }
}
