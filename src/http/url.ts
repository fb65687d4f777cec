import { percentDecoded } from '../core/percent.js'
import { InvalidParameterError, UnsafePathError } from '../errors.js'

/** A server's address, taken apart: credentials apart from what may be printed. */
export interface Address {
  /** Scheme, host and port. */
  readonly origin: string
  readonly hostname: string
  /** The path in front of every request, without a slash at its end. */
  readonly path: string
  /** What stood before the `@`, decoded. */
  readonly credentials?: { readonly username: string; readonly password: string }
}

const HTTP = /^https?:\/\//i
const decoded = (text: string): string => percentDecoded(text) ?? text

/** Reads an `http(s)://` address; `InvalidParameterError` (which never repeats its credentials) when it is none. */
export function parseAddress(text: string): Address {
  const url = HTTP.test(text.trim()) && URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  if (!url) throw new InvalidParameterError(`Not an http(s) address: ${printable(text)}; it reads https://host:port`)
  // A slash, ? or #, or one slash too few, in what comes before the host: what is read as the host may be a password.
  if ((!url.username && url.pathname.includes('@')) || (url.search + url.hash).includes('@'))
    throw new InvalidParameterError(
      'An @ stands in the path of the address: /, ?, #, @, : and % in its user and password are written %2F, %3F, %23, %40, %3A and %25',
    )
  if (url.search || url.hash)
    throw new InvalidParameterError(
      `The address of a server has neither ? nor #: write ${url.origin}${url.pathname.replace(/\/+$/, '')}, without what follows the ${url.search ? '?' : '#'}`,
    )
  return {
    origin: url.origin,
    hostname: url.hostname,
    path: url.pathname.replace(/\/+$/, ''),
    ...(url.username || url.password
      ? { credentials: { username: decoded(url.username), password: decoded(url.password) } }
      : {}),
  }
}

/** An address fit for a message: no credentials, however they are written, no query, no fragment. */
export const printable = (url: string): string =>
  url.replace(/^\s*([a-z][a-z0-9+.-]*:\/*)?.*@/is, '$1').replace(/[?#].*$/s, '')

/** Refuses a path that a URL reader would turn into another one: dot segments, backslashes, control characters. */
export function checkPath(path: string): void {
  const [place = ''] = path.split('?', 1)
  const bad = (why: string) => new UnsafePathError(`Not a safe request path: ${JSON.stringify(place)} ${why}`)
  for (const character of path)
    if (character <= ' ' || character === '\\' || character === '#' || character > '~')
      throw bad(`holds ${JSON.stringify(character)}, which is not percent-encoded`)
  for (const segment of place.split('/'))
    if (/^(\.|%2e){1,2}$/i.test(segment)) throw bad('has a segment of dots, which would climb out of it')
}

/** One segment of a path, percent-encoded; `.` and `..` are refused, as no encoding protects them. */
export function encodeSegment(segment: string): string {
  if (segment === '' || segment === '.' || segment === '..')
    throw new UnsafePathError(`${JSON.stringify(segment)} cannot be a segment of a path`)
  try {
    return encodeURIComponent(segment)
  } catch {
    throw new UnsafePathError(`${JSON.stringify(segment)} is not whole Unicode text`)
  }
}

/** Whether an address can only be reached from this machine. */
export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' ||
  hostname.endsWith('.localhost') ||
  hostname === '[::1]' ||
  /^127\.\d+\.\d+\.\d+$/.test(hostname)
