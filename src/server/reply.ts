import { CairnError } from '../errors.js'
import { toJson } from '../transport/json.js'

/** An answer, before it goes over a socket. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | ReadableStream<Uint8Array>
}

/** Headers that keep a browser from taking an answer for a page of its own. */
const GUARD = { 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN', 'cache-control': 'no-store' }

export const json = (value: unknown, status = 200): Reply => ({
  status,
  headers: { ...GUARD, 'content-type': 'application/json' },
  body: toJson(value),
})

export const plain = (text: string, status = 200): Reply => ({
  status,
  headers: { ...GUARD, 'content-type': 'text/plain; charset=utf-8' },
  body: text,
})

/** The bytes of a file somebody logged: never shown as a page. */
export const attachment = (name: string, body: ReadableStream<Uint8Array>): Reply => ({
  status: 200,
  headers: {
    ...GUARD,
    'content-type': 'application/octet-stream',
    'content-security-policy': "sandbox; default-src 'none'",
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, escaped)}`,
  },
  body,
})

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
export function failed(error: unknown): Reply {
  if (!(error instanceof CairnError))
    return json({ error_code: 'INTERNAL_ERROR', message: 'Internal server error' }, 500)
  return json({ error_code: error.code, message: error.message }, STATUS[error.code] ?? 500)
}
