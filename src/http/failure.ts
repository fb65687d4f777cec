import { STALE } from '../core/retry.js'
import {
  CairnError,
  type CairnErrorOptions,
  IntegrityError,
  NetworkError,
  ProtocolError,
  reworded,
  TimeoutError,
} from '../errors.js'
import { certificateFailure } from './certificate-failure.js'
import { OTHER_WAY } from './proxy.js'

/** Codes of failures after which nothing has left this process. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'EPROTO',
  'UND_ERR_CONNECT_TIMEOUT',
])

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET'])

/** What went wrong between us and a proxy, before there was a way to the server. */
export class ProxyFailure extends Error {
  constructor(cause: unknown) {
    super('no way through the proxy', { cause })
  }
}

/** A kept connection that broke as we used it, with something on it that may not go out twice. */
export class StaleConnection extends Error {
  constructor(cause: unknown) {
    super('a kept connection was closed', { cause })
  }
}

interface Underneath {
  readonly code: string
  readonly message: string
  readonly bytesWritten?: number | undefined
  /** What came on the connection, without what is TLS's own. */
  readonly bytesRead?: number | undefined
}

function underneath(error: unknown): Underneath {
  const { code, message, socket, bytesRead, errors } = (error ?? {}) as {
    code?: unknown
    message?: unknown
    socket?: { bytesWritten?: number; bytesRead?: number }
    bytesRead?: number
    errors?: unknown[]
  }
  if (typeof code !== 'string' && Array.isArray(errors) && errors.length > 0) return underneath(errors[0])
  return {
    code: typeof code === 'string' ? code : '',
    message: typeof message === 'string' ? message : '',
    bytesWritten: socket?.bytesWritten,
    bytesRead: socket?.bytesRead ?? bytesRead,
  }
}

/** Whether a connection broke, as a kept one does that the server closed in the moment we used it. */
export const isBroken = (error: unknown): boolean => BROKEN.has(underneath(error).code)

const isParserError = (error: unknown): boolean => (error as Error | undefined)?.name === 'HTTPParserError'

const stale = (error: CairnError): CairnError => reworded(error, error.message, { code: STALE })

/**
 * A failure of the network as one of ours: it says where the request went, what happened and what to check, and
 * whether anything can have been sent (`notSent`). `proxy` is the host of the one that stands between.
 */
export function failure(error: unknown, url: string, proxy?: string): CairnError {
  if (error instanceof CairnError) return error
  if (error instanceof StaleConnection) return stale(failure(error.cause, url, proxy))
  const atProxy = error instanceof ProxyFailure
  const { code, message, bytesWritten, bytesRead } = underneath(atProxy ? error.cause : error)
  const options: CairnErrorOptions = { cause: error, url }
  const unsent: CairnErrorOptions = { ...options, notSent: true }

  if (atProxy && code === 'UND_ERR_HEADERS_TIMEOUT')
    return new TimeoutError(
      `The proxy ${proxy} on the way to ${url} took CONNECT and did not answer within its time limit: ${OTHER_WAY}`,
      unsent,
    )
  if ((error as Error | undefined)?.name === 'NotReadableError')
    return new IntegrityError(`A file changed or went away while it was sent to ${url}`, options)
  const untrusted = certificateFailure(code, message, url, atProxy ? proxy : undefined)
  if (atProxy && untrusted) return new NetworkError(untrusted, { ...unsent, retryable: false })
  // What cannot be reached is then the proxy: what is behind it, it tells of by itself.
  if (atProxy || (proxy !== undefined && NOT_SENT.has(code) && code !== 'EPROTO'))
    return new NetworkError(
      `The proxy ${proxy} on the way to ${url} cannot be reached (${code || message}): ${OTHER_WAY}`,
      unsent,
    )
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return new TimeoutError(
      `No connection to ${url} within its time limit; is the server up, is a firewall between?`,
      unsent,
    )
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' || code === 'ETIMEDOUT')
    return new TimeoutError(`${url} went silent for longer than the time limit`, options)
  if (code === 'ECONNREFUSED')
    return new NetworkError(`Nothing listens at ${url}: start the server, or check host and port`, unsent)
  if (code === 'ENOTFOUND')
    return new NetworkError(`The host name in ${url} does not resolve: check its spelling, DNS or VPN`, unsent)
  if (untrusted) return new NetworkError(untrusted, { ...unsent, retryable: false })
  // Of an answer in chunks, after which the connection would not have been kept anyway.
  if (isParserError(error) && /Invalid EOF state/i.test(message))
    return new NetworkError(`The connection to ${url} broke before its answer was whole`, { url })
  if (isParserError(error))
    return new ProtocolError(
      `What answers at ${proxy === undefined ? url : `the proxy ${proxy} on the way to ${url}`} does not speak HTTP: ${proxy === undefined ? 'check host and port, and whether the address begins with https://' : OTHER_WAY}`,
      // Not its own cause, which holds what came and may echo what was sent.
      { url, retryable: true },
    )
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new ProtocolError(`${url} answered with more headers than an answer has (${code}): check host and port`, {
      url,
      retryable: true,
    })
  // undici's words for an answer that goes on with 100 or 101.
  const unasked = code === 'UND_ERR_SOCKET' ? /^bad (response|upgrade)$/.exec(message)?.[1] : undefined
  if (unasked)
    return new ProtocolError(
      `${url} answered ${unasked === 'upgrade' ? '101 Switching Protocols' : '100 Continue'}, which was not asked for: check host and port, and what stands between`,
      { ...options, retryable: true },
    )
  const proxyStatus = /^Proxy response \((\d+)\)/.exec(message)?.[1] ?? /\((407)\)$/.exec(message)?.[1]
  if (proxyStatus)
    return new NetworkError(
      `The proxy on the way to ${url} answered ${proxyStatus}: check ${proxyStatus === '407' ? 'the user and password in ' : ''}HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY`,
      { ...unsent, retryable: proxyStatus !== '407' && proxyStatus !== '403' },
    )
  if (NOT_SENT.has(code) || bytesWritten === 0)
    return new NetworkError(`${url} cannot be reached (${code || message})`, unsent)
  if (BROKEN.has(code) && bytesRead === 0 && url.startsWith('https:'))
    return new NetworkError(
      `${url} ended the connection without an answer (${code}): it may be down, or want a certificate of ours, or not take the one it was shown (MLFLOW_TRACKING_CLIENT_CERT_PATH)`,
      options,
    )
  if (BROKEN.has(code) && bytesRead === 0 && proxy === undefined)
    return new NetworkError(
      `${url} ended the connection without an answer (${code}): it may be down or starting, or it may speak TLS; then the address begins with https://`,
      options,
    )
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || BROKEN.has(code))
    return new NetworkError(`The connection to ${url} broke before its answer was whole (${code})`, options)
  if (FAULT.test(code))
    return new NetworkError(
      `The request to ${url} could not be made: ${String(error)}${message.startsWith('Dynamic require of') ? BUNDLED : ''}`,
      { ...options, retryable: false },
    )
  return new NetworkError(`The request to ${url} failed (${code})`, options)
}

/** Codes of what is wrong with the program, whatever the network does; other failures have one of the system or undici. */
const FAULT =
  /^$|^ERR_(?:INVALID_ARG|MODULE|REQUIRE)_|^MODULE_NOT_FOUND$|^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/
const BUNDLED =
  '; the bundle has no require: leave cairn-ml or undici external, or begin it with a require made by createRequire (esbuild: --banner:js, as the README shows)'
