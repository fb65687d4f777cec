import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { heed } from '../core/heed.js'
import { MOST_STALE } from '../core/retry.js'
import { NetworkError, TimeoutError } from '../errors.js'
import { type AuthRequest, basicOf, checkedHeaders, checkedValue } from './auth.js'
import { type Body, drain, letGo, outgoing } from './body.js'
import { type Connections, openConnections } from './dispatcher.js'
import { failure, isBroken, StaleConnection } from './failure.js'
import { keyring } from './keyring.js'
import type { Places } from './places.js'
import { proxyKeys } from './proxy.js'
import type { AnswerHeaders } from './refusal.js'
import { redactor } from './secrets.js'
import type { HttpRequest, SenderOptions } from './send.js'
import { timed } from './timed.js'
import { checkPath } from './url.js'

/** What came of a request, whatever its status; the body has to be read or let go. */
export interface Answer {
  readonly statusCode: number
  readonly headers: AnswerHeaders
  readonly body: Body
}

/** Requests put on the wire as from one sender: with its headers, its credentials and its connections. */
export interface Exchange {
  /**
   * A 401 where new credentials can be had is met once more; a kept connection that breaks under an idempotent request is
   * replaced, a few times.
   */
  answer(request: HttpRequest, signal: AbortSignal): Promise<Answer>
  /** One try; one that `isBare` shows nothing of ours. */
  once(request: HttpRequest, signal: AbortSignal, isBare?: boolean): Promise<Answer>
  /** Takes what was shown to a server out of its words. */
  hide(text: string): string
  close(): Promise<void>
}

/** Sends requests with what all of them carry, which is checked here; nothing is connected before the first one. */
export function exchange(
  options: SenderOptions & { readonly timeoutMs: number },
  { home, addressOf, isTrusted, placeOf }: Places,
): Exchange {
  const { timeoutMs, background } = options
  const keys = keyring({ ...options, auth: options.auth ?? home.credentials })
  const own: Record<string, string> = {
    'user-agent': 'cairn-ml',
    ...checkedHeaders(options.headers ?? {}, 'the headers option'),
    ...(options.workspace ? { 'x-mlflow-workspace': checkedValue(options.workspace, 'The workspace') } : {}),
  }
  const secrets = redactor()
  for (const [name, value] of Object.entries(own))
    if (name !== 'user-agent' && name !== 'x-mlflow-workspace') secrets.add(value)
  if (home.credentials) secrets.add(basicOf(home.credentials.username, home.credentials.password))
  for (const secret of proxyKeys(options.proxy ?? {})) secrets.add(secret)
  let connections: Promise<Connections> | undefined
  let answered = false

  async function via(origin: string, isTrusted: boolean): Promise<Dispatcher> {
    if (options.dispatcher) return options.dispatcher
    const { tls, proxy, connections: most = 10 } = options
    connections ??= openConnections({
      tls,
      proxy,
      background,
      connections: most,
      // A limit on the whole call that is as short must not hide that nothing was sent.
      connectTimeoutMs: Math.min(options.connectTimeoutMs ?? 10_000, timeoutMs / 2),
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
  async function proofFor(request: HttpRequest, asked: AuthRequest, signal: AbortSignal) {
    const given = keys.current.headers(asked)
    if (!(given instanceof Promise)) return given
    const ms = Math.min(request.timeoutMs ?? timeoutMs, timeoutMs)
    const url = home.origin + home.path
    const limit = timed(signal, ms, url, background)
    try {
      return await heed(limit.signal, given)
    } catch (error) {
      // The caller's own signal may hold a limit, too.
      if (!(error instanceof TimeoutError) || error === request.signal?.reason) throw error
      throw new TimeoutError(`The auth function gave no headers within ${ms} ms`, { url, notSent: true })
    } finally {
      limit.clear()
    }
  }

  async function once(request: HttpRequest, signal: AbortSignal, isBare = false): Promise<Answer> {
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
    signal.throwIfAborted()
    const sending = { origin: target.origin, path, method: request.method, headers, body, signal }
    // undici heeds a signal only once it has a connection for the request.
    const asking = carrier.request(sending) as Promise<Answer>
    asking.then(
      (late) => signal.aborted && letGo(late.body),
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

  /** Connections that were kept and are closed by now are found out one by one; what may not go out twice tells of the first. */
  async function unstale(request: HttpRequest, signal: AbortSignal): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await once(request, signal)
      } catch (error) {
        if (!answered || !isBroken(error) || tries > MOST_STALE || signal.aborted) throw error
        if (!request.idempotent && !failure(error, '').notSent) throw new StaleConnection(error)
      }
    }
  }

  return {
    once,
    async answer(request, signal) {
      const used = keys.current
      const got = await unstale(request, signal)
      answered = true
      if (!(await keys.isOther(used, got.statusCode))) return got
      await drain(got.body)
      return once(request, signal)
    },
    hide: secrets.hide,
    async close() {
      const made = connections
      connections = undefined
      // What could not be opened, a call has told of.
      await (await made?.catch(() => undefined))?.close()
    },
  }
}
