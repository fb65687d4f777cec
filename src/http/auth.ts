import { described, holdsAny, isRecord, isSecret } from '../core/options.js'
import { InvalidParameterError, UnauthenticatedError } from '../errors.js'

/** A request as a function of the user's sees it. */
export interface AuthRequest {
  readonly method: string
  /** The whole address, query included, without credentials. */
  readonly url: string
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** As it goes over the wire; absent when there is none. A file stays a Blob. */
  readonly body: string | Uint8Array | Blob | undefined
}

/** Gives the headers that carry the credentials; called for every request, and again once after a 401. */
export type AuthFunction = (
  request: AuthRequest,
) =>
  | Readonly<Record<string, string>>
  | Headers
  | ReadonlyMap<string, string>
  | Promise<Readonly<Record<string, string>> | Headers | ReadonlyMap<string, string>>

/** The credentials of requests: user and password, a bearer token, or a function of the user's. */
export type Auth = { readonly username: string; readonly password: string } | { readonly token: string } | AuthFunction

type HeaderRecord = Readonly<Record<string, string>>

/** The headers for one request. `renewed` says that the last answer was a 401. */
export type Credentials = {
  readonly headers: (request: AuthRequest) => HeaderRecord | Promise<HeaderRecord>
  /** Whether asking again may give other headers. */
  readonly renewable: boolean
}

const FORMS = 'auth must be { username, password }, { token } or a function that gives headers'
const FIELDS = { username: isSecret(true), password: isSecret(true), token: isSecret() }

/** Turns any form of authentication into headers; a value that no header can carry is refused without showing it. */
export function credentials(auth: Auth | undefined): Credentials {
  if (auth === undefined) return { headers: () => ({}), renewable: false }
  if (typeof auth === 'function') return { headers: (request) => asked(auth, request), renewable: true }
  const headers = { authorization: authorization(auth) }
  return { headers: () => headers, renewable: false }
}

/** `Headers`, of whichever fetch, or a `Map`. */
const isLookup = (given: unknown): given is Iterable<[string, string]> =>
  typeof given === 'object' && given !== null && Symbol.iterator in given && 'get' in given

async function asked(auth: AuthFunction, request: AuthRequest): Promise<HeaderRecord> {
  let given: unknown
  try {
    given = await auth(request)
  } catch (error) {
    // Not its words, which may hold what it was about to give.
    const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
    const kind = [name, code].filter((word) => typeof word === 'string').join(', ')
    throw new UnauthenticatedError(`The auth function failed${kind && ` (${kind})`}; its own error is the cause`, {
      cause: error,
      notSent: true,
    })
  }
  // These have no keys of their own.
  const headers = isLookup(given) ? Object.fromEntries(given) : given
  if (!isRecord(headers)) throw new InvalidParameterError('The auth function has to return a record of headers')
  // One that signs may give back all that it saw.
  const added = Object.entries(headers).filter(([name, value]) => request.headers[name.toLowerCase()] !== String(value))
  return checkedHeaders(Object.fromEntries(added) as HeaderRecord, 'the auth function')
}

function authorization(auth: Exclude<Auth, AuthFunction>): string {
  if (!holdsAny(auth, Object.keys(FIELDS))) throw new InvalidParameterError(`${FORMS}, not ${described(auth)}`)
  // What else is there is none of ours: the tokens of other libraries tell when they end, say.
  const field = (name: keyof typeof FIELDS): string | undefined => {
    const value = (auth as Partial<Record<string, string | null>>)[name] ?? undefined
    if (value !== undefined) FIELDS[name](value, `auth.${name}`)
    return value
  }
  const [username, password, token] = [field('username'), field('password'), field('token')]
  if (token !== undefined && username === undefined && password === undefined) return bearer(token)
  if (token === undefined && username !== undefined && password !== undefined) return basic(username, password)
  const given = Object.entries({ username, password, token }).filter(([, value]) => value !== undefined)
  throw new InvalidParameterError(
    `${FORMS}; this one has ${given.map(([name]) => name).join(', ') || 'none of them'}. A variable may have been empty`,
  )
}

const bearer = (token: string) => `Bearer ${checkedValue(token, 'The token')}`

function basic(username: string, password: string): string {
  if (username.includes(':')) throw new InvalidParameterError('A user name cannot hold a colon (Basic authentication)')
  return basicOf(username, password)
}

/** User and password as they go over the wire. */
export const basicOf = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`

/** What a request says of its own body and connection, which undici would refuse or take at its word. */
const OURS = new Set(['content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Headers with names in lower case and values that a header can carry; refuses the others by name, never by value. */
export function checkedHeaders(headers: HeaderRecord, from: string): HeaderRecord {
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name))
      throw new InvalidParameterError(`${JSON.stringify(name)} from ${from} is not the name of a header`)
    if (OURS.has(name.toLowerCase()))
      throw new InvalidParameterError(`The header ${name} from ${from} cannot be given: each request sets its own`)
    // A habit from fetch: each request says what its body is, and this is passed over.
    if (name.toLowerCase() === 'content-type') continue
    checked[name.toLowerCase()] = checkedValue(value, `The header ${name} from ${from}`)
  }
  return checked
}

/** White space around a value is dropped: a token read from a file ends with a line break. */
export function checkedValue(value: string, what: string): string {
  if (typeof value !== 'string')
    throw new InvalidParameterError(`${what} has to be text, not ${value === null ? 'null' : typeof value}`)
  const trimmed = value.trim()
  const bad = [...trimmed].findIndex((character) => !/^[\t\x20-\x7e\x80-\xff]$/.test(character))
  if (bad < 0) return trimmed
  const point = trimmed.codePointAt(bad)?.toString(16).toUpperCase().padStart(4, '0')
  throw new InvalidParameterError(`${what} holds a character that no header can carry (U+${point} at ${bad + 1})`)
}
