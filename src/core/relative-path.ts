import { UnsafePathError } from '../errors.js'

const show = (text: string): string => JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text)

function fault(path: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x1f\x7f]/.test(path)) return 'it contains a control character'
  if (path.includes('\\')) return 'it contains a backslash; separate segments with "/"'
  if (path.startsWith('/')) return 'it is absolute'
  if (/^[a-z]:|^[a-z][a-z0-9+.-]*:\/|^file:/i.test(path)) return 'it begins with a drive or a URL scheme'
  for (const segment of path.split('/')) {
    if (segment === '') return 'it has an empty segment'
    // Some servers cut ";…" off a segment before they resolve it.
    if (/^\.\.?(?:;|$)/.test(segment)) return `it has the segment ${show(segment)}`
  }
  return undefined
}

/** Decodes every escape that is whole; a lone `%` stays as it is, since `100%.txt` is a good name. */
const decode = (text: string): string =>
  text.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))

/**
 * Checks a path that must stay inside a folder: relative, `/` between segments, none of them `.` or `..`, no control
 * character, and nothing of that kind behind percent escapes either. Answers it unchanged; throws `UnsafePathError`
 * naming `what` and the rule.
 */
export function checkRelativePath(path: string, what: string): string {
  if (typeof path !== 'string' || path === '') throw new UnsafePathError(`${what} must be a relative path, not empty`)
  if (path.length > 4096) throw new UnsafePathError(`${what} has ${path.length} characters; at most 4096 are taken`)
  for (let text = path, round = 0; ; round++) {
    const wrong = fault(text)
    if (wrong)
      throw new UnsafePathError(`${what} ${show(path)} is not safe${round > 0 ? ' once decoded' : ''}: ${wrong}`)
    const plain = decode(text)
    if (plain === text) return path
    text = plain
  }
}
