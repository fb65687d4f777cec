import { UnsafePathError } from '../errors.js'

const DECODE_ROUNDS = 8
const SEGMENT_BYTES = 255
const PATH_LENGTH = 4096

const show = (path: string): string => JSON.stringify(path.length > 120 ? `${path.slice(0, 117)}...` : path)
/** Characters that no path and no URI of ours may have. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
export const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

function decodeOnce(text: string): string {
  // A lone % is data; only what is an escape is taken as one, as MLflow's unquote does.
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
  if (path.includes('\\')) return 'it contains a backslash; segments are separated by "/"'
  if (path.includes('#')) return 'it contains "#", which MLflow servers refuse in every path; rename the file'
  if (path.startsWith('/')) return 'it is absolute; give it relative to the artifact root'
  if (/^[a-z]:/i.test(path)) return `it starts with the drive ${JSON.stringify(path.slice(0, 2))}`
  if (/^file:/i.test(path)) return 'it is a file: URI, not a path'
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') return `it has ${segment === '' ? 'an empty' : 'a "."'} segment`
    if ((segment.split(';')[0] ?? '').trim() === '..')
      return `its segment ${show(segment)} leads out of the artifact root`
  }
  return undefined
}

/**
 * The one rule for artifact paths, of users and of servers: relative, `/` between segments, no `..`, backslash, `#`, drive
 * or control character, however often it is percent-encoded. Answers the path without a trailing `/`; `''` is the root.
 * Throws `UnsafePathError` naming the part that breaks the rule.
 */
export function checkArtifactPath(path: string): string {
  if (typeof path !== 'string') throw new UnsafePathError(`An artifact path must be a text, not ${typeof path}`)
  if (path.length > PATH_LENGTH)
    throw new UnsafePathError(`The artifact path ${show(path)} has over ${PATH_LENGTH} characters`)
  const clean = path.endsWith('/') && path.length > 1 ? path.slice(0, -1) : path
  if (clean === '') return ''
  const refuse = (reason: string): never => {
    throw new UnsafePathError(`The artifact path ${show(path)} is refused: ${reason}`)
  }
  let text = clean
  for (let round = 0; ; round++) {
    const reason = fault(text)
    if (reason) refuse(round === 0 ? reason : `decoded, ${reason}`)
    const decoded = decodeOnce(text)
    if (decoded === text) break
    if (round === DECODE_ROUNDS) refuse(`it is percent-encoded more than ${DECODE_ROUNDS} times over`)
    text = decoded
  }
  for (const segment of clean.split('/'))
    if (Buffer.byteLength(segment) > SEGMENT_BYTES)
      refuse(`its segment ${show(segment)} has over ${SEGMENT_BYTES} bytes, more than a file name may have`)
  return clean
}

/** Checks a path that is about to become a file here: on Windows its device names and trailing dots and spaces, too. */
export function checkLocalPath(path: string, platform: string = process.platform): string {
  const clean = checkArtifactPath(path)
  if (platform !== 'win32') return clean
  for (const segment of clean.split('/')) {
    if (WINDOWS_DEVICE.test(segment))
      throw new UnsafePathError(`${show(path)} is refused: ${show(segment)} is a device on Windows`)
    if (/[. ]$/.test(segment) || /[<>:"|?*]/.test(segment))
      throw new UnsafePathError(`${show(path)} is refused: ${show(segment)} is not a file name on Windows`)
  }
  return clean
}

/** Two artifact paths as one. */
export const joinPath = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/')
