import type { Dispatcher } from 'undici'
import { type CairnError, TimeoutError } from '../errors.js'
import type { Auth } from './auth.js'
import { readStream, readText } from './body.js'
import type { TlsOptions } from './dispatcher.js'
import { type Answer, exchange } from './exchange.js'
import { following } from './follow.js'
import { places } from './places.js'
import type { ProxyOptions } from './proxy.js'
import { header, type RawAnswer, refusal } from './refusal.js'
import { timed } from './timed.js'
import { isLoopback, parseAddress } from './url.js'

export type { Dispatcher } from 'undici'
export type { ProxyOptions } from './proxy.js'

/** How one server is spoken to. All that comes from the environment or from files comes in here as a value. */
export interface SenderOptions {
  /** The server's address, `http(s)://host:port/path`; credentials in it become a header. */
  readonly url: string
  /** Wins over credentials in `url`. */
  readonly auth?: Auth | undefined
  /** Gives `auth` as it is by now, where that may change; asked after a 401, which is met once more when it has changed. */
  readonly renew?: (() => Promise<Auth | undefined>) | undefined
  /** Where `auth` comes from, in words, where that is no function. */
  readonly keysFrom?: (() => string | undefined) | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** MLflow's workspace, sent as `X-MLFLOW-WORKSPACE`. */
  readonly workspace?: string | undefined
  readonly tls?: TlsOptions | undefined
  readonly proxy?: ProxyOptions | undefined
  /** Longest time for a whole API call, and longest silence within a transfer, in milliseconds; default 120,000. */
  readonly timeoutMs?: number | undefined
  /** Longest time until a connection stands, in milliseconds; default 10,000, at most half of `timeoutMs`. */
  readonly connectTimeoutMs?: number | undefined
  /** Connections kept open; default 10. */
  readonly connections?: number | undefined
  /** Largest answer of an API call in bytes, unpacked; default 24 MiB. */
  readonly maxAnswerBytes?: number | undefined
  /** Whether requests on their way may be left alone by a process that has nothing else to do; false by default. */
  readonly background?: boolean | undefined
  /** The user's own undici dispatcher, in place of ours; the user closes it. */
  readonly dispatcher?: Dispatcher | undefined
  /** Told what a user should know, once by each sender. */
  readonly warn?: ((message: string) => void) | undefined
}

/** One request, below the sender's address unless `origin` says otherwise. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Percent-encoded, begins with a slash, query included. */
  readonly path: string
  /** Another server's address in place of the sender's own; it gets no credentials unless it is the same host. */
  readonly origin?: string | undefined
  readonly body?: string | Uint8Array | Blob | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether doing it twice is the same as once: a kept connection that broke in our hands is then replaced unseen. */
  readonly idempotent?: boolean | undefined
  /** In place of the sender's limit on a whole call; `Infinity` leaves only the limit on silence. */
  readonly timeoutMs?: number | undefined
  /** Whether a download may be handed on to another https address, which gets no credentials; false by default. */
  readonly mayRedirect?: boolean | undefined
  /** In place of the sender's limit on an answer, where it is less. */
  readonly maxAnswerBytes?: number | undefined
}

/** A whole answer. */
export type HttpAnswer = RawAnswer

/** An answer whose body is still on its way. */
export interface HttpDownload {
  readonly body: ReadableStream<Uint8Array>
}

/** The way to one server: each request ends as an answer of 200 to 299, or as an error of ours. */
export interface Send {
  /** The server's address without credentials. */
  readonly base: string
  /** Longest time of a whole call, in milliseconds. */
  readonly timeoutMs: number
  /** Where the credentials come from, in words; undefined when there are none. */
  readonly keysFrom: () => string | undefined
  /** Sends a request and reads its answer whole. */
  text(request: HttpRequest): Promise<HttpAnswer>
  /** Sends a request and hands on the body as it comes; it has to be read or cancelled. */
  stream(request: HttpRequest): Promise<HttpDownload>
  /** Lets go of the connections; requests in flight finish. */
  close(): Promise<void>
}

const JSON_HEADERS = { accept: 'application/json', 'accept-encoding': 'gzip, deflate' }

/** Sends requests to one server. Nothing is connected, and undici is not loaded, before the first one. */
export function sender(options: SenderOptions): Send {
  const { timeoutMs = 120_000, maxAnswerBytes = 24 << 20 } = options
  const address = parseAddress(options.url)
  const base = address.origin + address.path
  const where = places(address, options)
  const { placeOf, proxyOf } = where
  const wire = exchange({ ...options, timeoutMs }, where)
  const { answer, hide } = wire
  const followed = following(wire, where)
  tellOfDangers()

  function tellOfDangers(): void {
    const hidden = options.auth !== undefined || address.credentials !== undefined
    if (hidden && base.startsWith('http:') && !isLoopback(address.hostname))
      options.warn?.(`Credentials go to ${base} unencrypted; use https://`)
    if (options.tls?.insecure && base.startsWith('https:'))
      options.warn?.(`The certificate of ${base} is not checked (MLFLOW_TRACKING_INSECURE_TLS)`)
  }

  function keysFrom(): string | undefined {
    if (typeof options.auth === 'function') return 'what the auth function gives'
    const isAddressed = options.auth === undefined && address.credentials !== undefined
    return isAddressed ? 'the user and password in the address of the server' : options.keysFrom?.()
  }

  /** What a call ended with: its limit, or the caller's signal, comes before what they led to. */
  const ended = (error: unknown, signal: AbortSignal, at: HttpRequest): unknown =>
    signal.aborted && !(error instanceof TimeoutError && error.notSent) ? signal.reason : where.told(error, at)

  async function refused(got: Answer, at: HttpRequest, isBare = false): Promise<CairnError> {
    const url = placeOf(at)
    const encoding = header(got.headers, 'content-encoding')
    const text = await readText(got.body, { encoding, limit: 1 << 20, url }).catch(() => '')
    const { statusCode: status, headers } = got
    const shown = !isBare && where.isTrusted(where.addressOf(at)) ? keysFrom() : null
    return refusal({ status, headers, text, url, proxy: proxyOf(at), shown, hide }, Date.now())
  }

  async function text(request: HttpRequest): Promise<HttpAnswer> {
    const url = placeOf(request)
    const limit = timed(request.signal, request.timeoutMs ?? timeoutMs, url, options.background)
    try {
      const got = await answer({ ...request, headers: { ...JSON_HEADERS, ...request.headers } }, limit.signal)
      if (got.statusCode >= 300) throw await refused(got, request)
      const encoding = header(got.headers, 'content-encoding')
      const body = await readText(got.body, {
        encoding,
        limit: Math.min(maxAnswerBytes, request.maxAnswerBytes ?? maxAnswerBytes),
        length: header(got.headers, 'content-length'),
        url,
      })
      const { statusCode: status, headers } = got
      return { status, headers, text: body, url, proxy: proxyOf(request), hide }
    } catch (error) {
      throw ended(error, limit.signal, request)
    } finally {
      limit.clear()
    }
  }

  async function stream(request: HttpRequest): Promise<HttpDownload> {
    const limit = timed(request.signal, request.timeoutMs ?? timeoutMs, placeOf(request), options.background)
    try {
      const headers = { 'accept-encoding': 'identity', ...request.headers }
      const { got, at, isBare } = await followed({ ...request, headers }, limit.signal)
      if (got.statusCode >= 300) throw await refused(got, at, isBare)
      const encoding = header(got.headers, 'content-encoding')
      const explain = (error: unknown) => ended(error, limit.signal, at)
      const body = readStream(got.body, { encoding, url: placeOf(at), explain })
      // From here on only silence is limited; the caller's signal holds to the end.
      limit.open()
      got.body.once('close', limit.clear)
      return { body }
    } catch (error) {
      limit.clear()
      throw ended(error, limit.signal, request)
    }
  }

  return { base, timeoutMs, keysFrom, text, stream, close: wire.close }
}
