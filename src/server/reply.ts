import { CairnError } from '../errors.js'
import { toJson } from '../transport/json.js'

/** Headers that keep a browser from taking an answer for a page of its own. */
const GUARD = { 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN', 'cache-control': 'no-store' }

function text(body: string, type: string, status: number): Response {
  const headers = { ...GUARD, 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }
  return new Response(body, { status, headers })
}

export const json = (value: unknown, status = 200): Response => text(toJson(value), 'application/json', status)

export const plain = (body: string, status = 200): Response => text(body, 'text/plain; charset=utf-8', status)

export const notFound = (): Response =>
  text(
    '<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n',
    'text/html; charset=utf-8',
    404,
  )

export const methodNotAllowed = (): Response => plain('Method Not Allowed', 405)

/** How an answer whose bytes come bit by bit ends: as it says, or with the connection broken behind what there is. */
type Ending = 'whole' | 'cut'
const streams = new WeakMap<Response, Ending>()

/** Marks an answer whose bytes come bit by bit. */
export function streamed(response: Response, ending: Ending = 'whole'): Response {
  streams.set(response, ending)
  return response
}

export const endingOf = (response: Response): Ending | undefined => streams.get(response)

/** The bytes of a file somebody logged: never shown as a page, whatever is in them and however it is called. */
export const attachment = (
  name: string,
  body: ReadableStream<Uint8Array> | null,
  { status = 200, headers = {} }: { readonly status?: number; readonly headers?: Record<string, string> } = {},
): Response =>
  streamed(
    new Response(body, {
      status,
      headers: {
        ...GUARD,
        'content-type': 'application/octet-stream',
        'content-security-policy': "sandbox; default-src 'none'",
        'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, escaped)}`,
        'accept-ranges': 'bytes',
        ...headers,
      },
    }),
  )

const escaped = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`

const STATUS: Readonly<Record<string, number>> = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  UNAUTHENTICATED: 401,
  CUSTOMER_UNAUTHORIZED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_DOES_NOT_EXIST: 404,
  NOT_FOUND: 404,
  ENDPOINT_NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  RESOURCE_CONFLICT: 409,
  REQUEST_LIMIT_EXCEEDED: 429,
  RESOURCE_EXHAUSTED: 429,
  NOT_IMPLEMENTED: 501,
  TEMPORARILY_UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
}

/** A failure as MLflow's servers answer it: `error_code`, message and the status that goes with it. */
export function failed(error: unknown): Response {
  if (error instanceof TooLarge) return json({ error_code: 'INVALID_PARAMETER_VALUE', message: error.message }, 413)
  if (error instanceof TooSlow) return json({ error_code: 'DEADLINE_EXCEEDED', message: error.message }, 408)
  if (!(error instanceof CairnError))
    return json({ error_code: 'INTERNAL_ERROR', message: 'Internal server error' }, 500)
  return json({ error_code: error.code, message: error.message }, STATUS[error.code] ?? 500)
}

/** A request that is larger than what is taken. */
export class TooLarge extends Error {
  constructor(most: number) {
    super(`The request has more than ${most} bytes`)
  }
}

/** A request whose body does not come. */
export class TooSlow extends Error {
  constructor(ms: number) {
    super(`The body of the request did not come within ${ms} ms`)
  }
}
