import { InvalidParameterError, UnsafePathError } from '../errors.js'
import { described } from './options.js'

const DECODE_ROUNDS = 8
const SEGMENT_BYTES = 255
const PATH_LENGTH = 4096

/** Characters that no path and no URI of ours may have. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
export const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** What is a device on Windows, whatever its ending, and no file or folder. */
export const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

const show = (text: string): string => JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text)

function decodeOnce(text: string): string {
  // A lone % is data, since `100%.txt` is a good name; only what is an escape is taken as one, as MLflow's unquote does.
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes)
    } catch {
      return escapes.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    }
  })
}

/** What is wrong with a path as it stands, or nothing. */
function fault(path: string): string | undefined {
  const control = CONTROL.exec(path)
  if (control)
    return `it contains the control character U+${control[0].charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`
  if (!path.isWellFormed()) return 'it has half an emoji (a lone surrogate), which no file name can keep'
  if (path.includes('\\')) return 'it contains a backslash; segments are separated by "/"'
  if (path.includes('#')) return 'it contains "#", which MLflow servers refuse in every path; rename the file'
  if (path.startsWith('/')) return 'it is absolute; give it relative to its folder'
  if (/^[a-z]:/i.test(path)) return `it starts with the drive ${JSON.stringify(path.slice(0, 2))}`
  if (/^file:/i.test(path)) return 'it is a file: URI, not a path'
  if (/^[a-z][a-z0-9+.-]*:\//i.test(path)) return 'it begins with a URL scheme'
  for (const segment of path.split('/')) {
    if (segment === '') return 'it has an empty segment'
    // Some servers cut ";…" off a segment before they resolve it.
    const read = (segment.split(';')[0] ?? '').trim()
    if (read === '.') return 'it has a "." segment'
    if (read === '..') return `its segment ${show(segment)} leads out of its folder`
  }
  return undefined
}

/**
 * The one rule for paths that must stay inside a folder, of users, models and servers: relative, `/` between segments, no
 * `.`, `..`, backslash, `#`, drive, scheme or control character, however often it is percent-encoded. Answers the path
 * unchanged; throws `UnsafePathError` naming `what` and the part that breaks the rule.
 */
export function checkRelativePath(path: string, what: string): string {
  if (typeof path !== 'string')
    throw new InvalidParameterError(`${what} must be a relative path, not ${described(path)}`)
  if (path === '') throw new UnsafePathError(`${what} must be a relative path, not empty`)
  const refuse = (reason: string): never => {
    throw new UnsafePathError(`${what} ${show(path)} is refused: ${reason}`)
  }
  if (path.length > PATH_LENGTH) refuse(`it has over ${PATH_LENGTH} characters`)
  let text = path
  for (let round = 0; ; round++) {
    const reason = fault(text)
    if (reason) refuse(round === 0 ? reason : `decoded, ${reason}`)
    const decoded = decodeOnce(text)
    if (decoded === text) break
    if (round === DECODE_ROUNDS) refuse(`it is percent-encoded more than ${DECODE_ROUNDS} times over`)
    text = decoded
  }
  for (const segment of path.split('/'))
    if (Buffer.byteLength(segment) > SEGMENT_BYTES)
      refuse(`its segment ${show(segment)} has over ${SEGMENT_BYTES} bytes, more than a file name may have`)
  return path
}
