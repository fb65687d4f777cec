import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { heed } from '../core/heed.js'
import { type CairnError, NetworkError, TimeoutError } from '../errors.js'
import { type Auth, type AuthRequest, basicOf, checkedHeaders, checkedValue } from './auth.js'
import { type Body, drain, letGo, outgoing, readStream, readText } from './body.js'
import { type Connections, openConnections, type TlsOptions } from './dispatcher.js'
import { failure, isBroken } from './failure.js'
import { keyring } from './keyring.js'
import { type ProxyOptions, proxyFor, proxyKeys } from './proxy.js'
import { hopOf, MOST_HOPS } from './redirect.js'
import { type AnswerHeaders, header, isHtmlType, type RawAnswer, refusal } from './refusal.js'
import { redactor } from './secrets.js'
import { timed } from './timed.js'
import { checkPath, isLoopback, parseAddress } from './url.js'

export type { Dispatcher } from 'undici'
export type { Auth, AuthFunction, AuthRequest } from './auth.js'
export type { TlsOptions } from './dispatcher.js'
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
  /** Where the credentials come from, in words; undefined when there are none. */
  readonly keysFrom: () => string | undefined
  /** Sends a request and reads its answer whole. */
  text(request: HttpRequest): Promise<HttpAnswer>
  /** Sends a request and hands on the body as it comes; it has to be read or cancelled. */
  stream(request: HttpRequest): Promise<HttpDownload>
  /** Lets go of the connections; requests in flight finish. */
  close(): Promise<void>
}

interface Answer {
  readonly statusCode: number
  readonly headers: AnswerHeaders
  readonly body: Body
}

const JSON_HEADERS = { accept: 'application/json', 'accept-encoding': 'gzip, deflate' }

/** Opens the way to one server. Nothing is connected, and undici is not loaded, before the first request. */
export function sender(options: SenderOptions): Send {
  const { timeoutMs = 120_000, maxAnswerBytes = 24 << 20 } = options
  // A limit on the whole call that is as short must not hide that nothing was sent.
  const connectTimeoutMs = Math.min(options.connectTimeoutMs ?? 10_000, timeoutMs / 2)
  const address = parseAddress(options.url)
  const base = address.origin + address.path
  const keys = keyring({ ...options, auth: options.auth ?? address.credentials })
  const isAddressed = options.auth === undefined && address.credentials !== undefined
  function keysFrom(): string | undefined {
    if (typeof options.auth === 'function') return 'what the auth function gives'
    return isAddressed ? 'the user and password in the address of the server' : options.keysFrom?.()
  }
  const own: Record<string, string> = {
    'user-agent': 'cairn-ml',
    ...checkedHeaders(options.headers ?? {}, 'the headers option'),
    ...(options.workspace ? { 'x-mlflow-workspace': checkedValue(options.workspace, 'The workspace') } : {}),
  }
  const secrets = redactor()
  for (const [name, value] of Object.entries(own))
    if (name !== 'user-agent' && name !== 'x-mlflow-workspace') secrets.add(value)
  if (address.credentials) secrets.add(basicOf(address.credentials.username, address.credentials.password))
  for (const secret of proxyKeys(options.proxy ?? {})) secrets.add(secret)
  let connections: Promise<Connections> | undefined
  let answered = false
  tellOfDangers()

  function tellOfDangers(): void {
    const hidden = options.auth !== undefined || address.credentials !== undefined
    if (hidden && base.startsWith('http:') && !isLoopback(address.hostname))
      options.warn?.(`Credentials go to ${base} unencrypted; use https://`)
    if (options.tls?.insecure && base.startsWith('https:'))
      options.warn?.(`The certificate of ${base} is not checked (MLFLOW_TRACKING_INSECURE_TLS)`)
  }

  const addressOf = ({ origin }: HttpRequest) => (origin === undefined ? address : parseAddress(origin))

  /** Whether a place is sent the credentials of this server. */
  const isTrusted = ({ hostname, origin }: ReturnType<typeof addressOf>) =>
    hostname === address.hostname && !(base.startsWith('https:') && origin.startsWith('http:'))

  async function via(origin: string, isTrusted: boolean): Promise<Dispatcher> {
    if (options.dispatcher) return options.dispatcher
    const { tls, proxy, background, connections: most = 10 } = options
    connections ??= openConnections({
      ...{ tls, proxy, background, connectTimeoutMs, connections: most },
      silenceMs: timeoutMs,
    })
    const opening = connections
    // A failure is not remembered.
    opening.catch(() => {
      if (connections === opening) connections = undefined
    })
    return (await opening).to(origin, isTrusted)
  }

  /** The credentials for a request; a function that gives none is no outage of the server, and is not waited for without end. */
  async function proofFor(request: HttpRequest, asked: AuthRequest, signal: AbortSignal | undefined) {
    const given = keys.current.headers(asked)
    if (!(given instanceof Promise)) return given
    const ms = Math.min(request.timeoutMs ?? timeoutMs, timeoutMs)
    const limit = timed(signal, ms, base, options.background)
    try {
      return await heed(limit.signal, given)
    } catch (error) {
      // The caller's own signal may hold a limit, too.
      if (!(error instanceof TimeoutError) || error === request.signal?.reason) throw error
      throw new TimeoutError(`The auth function gave no headers within ${ms} ms`, { url: base, notSent: true })
    } finally {
      limit.clear()
    }
  }

  async function once(request: HttpRequest, signal: AbortSignal | undefined, isBare = false): Promise<Answer> {
    const target = addressOf(request)
    const path = target.path + request.path
    checkPath(path)
    const trusted = !isBare && isTrusted(target)
    const { body, length } = await outgoing(request.body)
    const headers: Record<string, string> = {
      ...(trusted ? own : { 'user-agent': own['user-agent'] as string }),
      ...request.headers,
      ...(length === undefined ? {} : { 'content-length': String(length) }),
    }
    if (trusted) {
      const { method, body: sent } = request
      const asked = { method, url: target.origin + path, headers, body: sent }
      const proof = await proofFor(request, asked, signal)
      for (const value of Object.values(proof)) secrets.add(value)
      Object.assign(headers, proof)
    }
    const carrier = await via(target.origin, trusted)
    signal?.throwIfAborted()
    const sending = { origin: target.origin, path, method: request.method, headers, body, signal: signal ?? null }
    // undici heeds a signal only once it has a connection for the request.
    const asking = carrier.request(sending) as Promise<Answer>
    asking.then(
      (late) => signal?.aborted && letGo(late.body),
      () => undefined,
    )
    const got = await heed(signal, asking)
    if (got.statusCode < 300 && body instanceof Readable && !body.readableEnded) {
      letGo(got.body)
      throw new NetworkError(`${placeOf(request)} answered ${got.statusCode} before all was sent, and cannot have it`, {
        url: placeOf(request),
      })
    }
    return got
  }

  /** A kept connection that breaks under an idempotent request, and a 401 where new credentials can be had, are met once more. */
  async function answer(request: HttpRequest, signal: AbortSignal | undefined): Promise<Answer> {
    const used = keys.current
    let got: Answer
    try {
      got = await once(request, signal)
    } catch (error) {
      const stale = answered && isBroken(error) && (request.idempotent || failure(error, '').notSent)
      if (!stale || signal?.aborted) throw error
      got = await once(request, signal)
    }
    answered = true
    if (!(await keys.isOther(used, got.statusCode))) return got
    await drain(got.body)
    return once(request, signal)
  }

  /** The answer to a download, wherever it is to be had. */
  async function followed(
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<{ got: Answer; at: HttpRequest; isBare: boolean }> {
    let at = request
    let isBare = false
    let got = await answer(request, signal)
    for (let hops = 0; request.mayRedirect && hops < MOST_HOPS; hops++) {
      const hop = hopOf(got.statusCode, header(got.headers, 'location'), placeOf(at), address.hostname)
      if (!hop) break
      const next = { ...request, ...hop }
      const isElsewhere = hop.origin !== address.origin
      const found = await once(next, signal, isElsewhere).catch((error: unknown) => {
        throw told(error, next)
      })
      const isPage =
        found.statusCode < 300 &&
        isHtmlType(header(found.headers, 'content-type')) &&
        !/\.([xsm]?html?|xht)$/i.test(request.path)
      await drain((isPage ? found : got).body)
      // Where a file was asked for, a page is one that wants a login.
      if (isPage) break
      got = found
      at = next
      isBare = isElsewhere
    }
    return { got, at, isBare }
  }

  /** The host of the proxy that a request goes through. */
  const proxyOf = (request: HttpRequest) => {
    const proxy = options.dispatcher ? undefined : proxyFor(addressOf(request).origin, options.proxy ?? {})
    return proxy && new URL(proxy).host
  }

  const placeOf = (request: HttpRequest) => {
    const target = addressOf(request)
    return target.origin + target.path + request.path.replace(/\?.*$/, '')
  }

  /** What a request failed with, as one of ours that names where it went. */
  const told = (error: unknown, at: HttpRequest): CairnError => failure(error, placeOf(at), proxyOf(at))

  /** What a call ended with: its limit, or the caller's signal, comes before what they led to. */
  const ended = (error: unknown, signal: AbortSignal, at: HttpRequest): unknown =>
    signal.aborted && !(error instanceof TimeoutError && error.notSent) ? signal.reason : told(error, at)

  async function refused(got: Answer, at: HttpRequest, isBare = false): Promise<CairnError> {
    const url = placeOf(at)
    const encoding = header(got.headers, 'content-encoding')
    const text = await readText(got.body, { encoding, limit: 1 << 20, url }).catch(() => '')
    const { statusCode: status, headers } = got
    const shown = !isBare && isTrusted(addressOf(at)) ? keysFrom() : null
    return refusal({ status, headers, text, url, proxy: proxyOf(at), shown, hide: secrets.hide }, Date.now())
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
      return { status, headers, text: body, url, proxy: proxyOf(request), hide: secrets.hide }
    } catch (error) {
      throw ended(error, limit.signal, request)
    } finally {
      limit.clear()
    }
  }

  async function stream(request: HttpRequest): Promise<HttpDownload> {
    const url = placeOf(request)
    const limit = timed(request.signal, request.timeoutMs ?? timeoutMs, url, options.background)
    const explain = (error: unknown, at: HttpRequest) => ended(error, limit.signal, at)
    try {
      const headers = { 'accept-encoding': 'identity', ...request.headers }
      const { got, at, isBare } = await followed({ ...request, headers }, limit.signal)
      if (got.statusCode >= 300) throw await refused(got, at, isBare)
      const encoding = header(got.headers, 'content-encoding')
      const explained = (error: unknown) => explain(error, at)
      const body = readStream(got.body, { encoding, url: placeOf(at), explain: explained })
      // From here on only silence is limited; the caller's signal holds to the end.
      limit.open()
      got.body.once('close', limit.clear)
      return { body }
    } catch (error) {
      limit.clear()
      throw explain(error, request)
    }
  }

  async function close(): Promise<void> {
    const made = connections
    connections = undefined
    // What could not be opened, a call has told of.
    await (await made?.catch(() => undefined))?.close()
  }

  return { base, keysFrom, text, stream, close }
}
