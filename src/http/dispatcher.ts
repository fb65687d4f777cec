import { isIP, type Socket } from 'node:net'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { buildConnector, Dispatcher } from 'undici'
import { ProxyFailure } from './failure.js'
import { type ProxyOptions, proxyFor } from './proxy.js'

/** How a server's certificate is judged and what we show of our own. Texts are PEM. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, in place of the built-in ones. */
  readonly ca?: string | undefined
  /** Our certificate and its key, in one text. */
  readonly clientCert?: string | undefined
  /** Takes any certificate. */
  readonly insecure?: boolean | undefined
}

export interface ConnectionOptions {
  readonly tls?: TlsOptions | undefined
  readonly proxy?: ProxyOptions | undefined
  /** Longest time until a connection stands, in milliseconds. */
  readonly connectTimeoutMs: number
  /** Longest silence before headers and within a body, in milliseconds. */
  readonly silenceMs: number
  /** Connections kept open to one server. */
  readonly connections: number
  /** Whether requests on their way may be left alone by a process that has nothing else to do. */
  readonly background?: boolean | undefined
}

/** The connections of one sender, kept alive until they are closed. */
export interface Connections {
  /** What carries requests to an origin, directly or through its proxy; our certificate is shown to a trusted one only. `InvalidParameterError` for a proxy of another kind. */
  to(origin: string, isTrusted: boolean): Dispatcher
  /** Requests in flight finish. */
  close(): Promise<void>
}

type Connector = buildConnector.connector

/** Loads undici ahead of the first request; a thread in which that failed will never have it. */
export const loadUndici = async (): Promise<void> => void (await import('undici'))

/** Keeps connections to each origin, made at the first request to it. */
export async function openConnections(options: ConnectionOptions): Promise<Connections> {
  const [{ Agent, Pool, ProxyAgent, buildConnector, errors }, { createSecureContext }] = await Promise.all([
    import('undici'),
    import('node:tls'),
  ])
  const { tls, proxy = {}, connectTimeoutMs, silenceMs, connections } = options
  const shown = tlsSettings(tls, createSecureContext)
  const unshown = tls?.clientCert ? tlsSettings({ ...tls, clientCert: undefined }, createSecureContext) : shown
  const common = { headersTimeout: silenceMs, bodyTimeout: silenceMs, connections }
  const made = new Map<string, Dispatcher>()

  const loosen = options.background ? letGo : () => {}
  const stand = (socket: Socket | null): void => {
    loosen(socket)
    if (!socket) return
    keepReason(socket)
    endWhenRead(socket)
  }

  function direct(settings: TlsSettings): Dispatcher {
    // undici's own timers are late by up to a second.
    const connect = buildConnector({ ...settings, timeout: 0, allowH2: false })
    return new Agent({
      ...common,
      connect(to, connected) {
        const begun: unknown = connect(to, (...how) => {
          clearTimeout(timer)
          stand(how[1])
          connected(...how)
        })
        const timer = setTimeout(
          () =>
            (begun as Socket).destroy(new errors.ConnectTimeoutError(`no connection within ${connectTimeoutMs} ms`)),
          connectTimeoutMs,
        )
        loosen(begun)
        loosen(timer)
      },
    })
  }

  /** A pool of connections to a proxy or by way of it. */
  const pool = (origin: string | URL, given: object) => {
    const { connect } = given as { connect: Connector }
    // undici names a proxy to itself also by its address, which TLS does not allow.
    const loosely: Connector = (to, connected) =>
      connect(isIP(to.servername?.replace(/^\[|\]$/g, '') ?? '') ? { ...to, servername: '' } : to, (...how) => {
        stand(how[1])
        connected(...how)
      })
    return new Pool(origin, { ...common, ...given, connect: loosely })
  }

  /** The pool that asks a proxy for tunnels, of which undici knows neither a limit in time nor whose failure is whose. */
  function tunnels(proxy: URL, given: object): Dispatcher {
    const made = pool(proxy, { ...given, headersTimeout: connectTimeoutMs })
    const connect = made.connect.bind(made) as (to: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData>
    return Object.assign(made, {
      connect: (to: Dispatcher.ConnectOptions) =>
        connect(to).catch((error: unknown) => {
          throw new ProxyFailure(error)
        }),
    })
  }

  const through = (uri: string, settings: TlsSettings): Dispatcher =>
    new ProxyAgent({
      ...common,
      uri,
      requestTls: { ...settings, timeout: connectTimeoutMs },
      proxyTls: { ...(tls?.ca ? { ca: tls.ca } : {}), timeout: connectTimeoutMs },
      // A plain proxy need not let CONNECT through to port 80: http goes as an absolute request, https as a tunnel.
      proxyTunnel: false,
      factory: pool,
      clientFactory: tunnels,
    })

  return {
    to(origin, isTrusted) {
      const uri = proxyFor(origin, proxy) ?? ''
      const settings = isTrusted ? shown : unshown
      const key = `${settings === shown} ${uri}`
      const known = made.get(key) ?? (uri === '' ? direct(settings) : through(uri, settings))
      made.set(key, known)
      return known
    },
    async close() {
      await Promise.all([...made.values()].map((one) => one.close()))
    },
  }
}

/** A server says in TLS why it ends a connection, and then ends it: undici would tell of the end alone. */
function keepReason(socket: Socket): void {
  socket.on('error', (error) => socket.destroy(Object.assign(error, { bytesRead: socket.bytesRead })))
}

/**
 * undici 7 asserts in a socket's `end`, `error` and `close` that no slow reader holds its parser, past all who could catch
 * it (nodejs/undici#5360, mended in 8): the end of a connection waits for that reader, a break is told as one.
 */
function endWhenRead(socket: Socket): void {
  const emit = socket.emit.bind(socket) as (name: string | symbol, ...rest: unknown[]) => boolean
  socket.emit = (name: string | symbol, ...rest: unknown[]): boolean => {
    try {
      return emit(name, ...rest)
    } catch (error) {
      const held = (error as NodeJS.ErrnoException).code === 'ERR_ASSERTION'
      if (held && name === 'end') {
        whenRead(socket, () => socket.destroyed || socket.emit('end'))
        return true
      }
      if (!held || (name !== 'error' && name !== 'close')) throw error
      emit('error', Object.assign(new Error('closed'), { code: 'ECONNABORTED', bytesRead: socket.bytesRead }))
      return name === 'error' || emit(name, ...rest)
    }
  }
}

/** Calls once when the reader of a socket goes on, which undici then reads. */
function whenRead(socket: Socket, go: () => void): void {
  // Else Node closes it, read or not.
  socket.allowHalfOpen = true
  const { read } = socket
  socket.read = (size) => {
    socket.read = read
    queueMicrotask(go)
    return read.call(socket, size)
  }
}

/** A socket or timer that never holds the process; undici would hold a socket again with each request. */
function letGo(given: unknown): void {
  const held = given as { ref?: () => unknown; unref?: () => unknown } | undefined
  if (typeof held?.unref !== 'function') return
  held.unref()
  held.ref = () => held
}

interface TlsSettings {
  readonly secureContext?: SecureContext
  readonly rejectUnauthorized?: boolean
}

/** Certificates are read once, not for each connection. */
function tlsSettings(
  { ca, clientCert, insecure }: TlsOptions = {},
  context: (options: SecureContextOptions) => SecureContext,
): TlsSettings {
  const own = { ...(ca ? { ca } : {}), ...(clientCert ? { cert: clientCert, key: clientCert } : {}) }
  return {
    ...(ca || clientCert ? { secureContext: context(own) } : {}),
    ...(insecure ? { rejectUnauthorized: false } : {}),
  }
}
