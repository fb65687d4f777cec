import type { Dispatcher } from 'undici'
import { InvalidParameterError } from '../errors.js'
import { printable } from './url.js'

/** How a server's certificate is judged and what we show of our own. Texts are PEM. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, in place of the built-in ones. */
  readonly ca?: string | undefined
  /** Our certificate and its key, in one text. */
  readonly clientCert?: string | undefined
  /** Takes any certificate. */
  readonly insecure?: boolean | undefined
}

/** Which proxy stands in front of which servers, by the meaning of the variables of the same names. */
export interface ProxyOptions {
  readonly httpProxy?: string | undefined
  readonly httpsProxy?: string | undefined
  /** Hosts that are reached directly: names, `.suffixes`, `host:port`, `*`. */
  readonly noProxy?: string | undefined
}

export interface ConnectionOptions {
  /** Whether the server is spoken to over https: then `httpProxy` does not count, as elsewhere. */
  readonly secure: boolean
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

/** Loads undici and makes the connections that requests go over; they are kept alive until it is closed. */
export async function makeDispatcher(options: ConnectionOptions): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent, buildConnector } = await import('undici')
  const { tls, proxy, connectTimeoutMs, silenceMs, connections } = options
  const proxied = options.secure ? proxy?.httpsProxy : proxy?.httpProxy
  const settings = tlsSettings(tls)
  const common = {
    connect: { ...settings, timeout: connectTimeoutMs },
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connections,
  }
  if (!proxy || !proxied) {
    if (!options.background) return new Agent(common)
    const connect = buildConnector({ ...common.connect, allowH2: false })
    return new Agent({
      ...common,
      connect: (to, connected) => void letGo(connect(to, (...how) => connected(...unheld(how)))),
    })
  }
  return new EnvHttpProxyAgent({
    ...common,
    requestTls: { ...settings, timeout: connectTimeoutMs },
    proxyTls: { ...(tls?.ca ? { ca: tls.ca } : {}), timeout: connectTimeoutMs },
    // A plain proxy need not let CONNECT through to port 80: http goes as an absolute request, https as a tunnel.
    proxyTunnel: false,
    // Empty text, since undici would look into the environment for what is absent.
    httpProxy: proxyUri(proxy.httpProxy),
    httpsProxy: proxyUri(proxy.httpsProxy),
    noProxy: proxy.noProxy ?? '',
  })
}

/** A socket that never holds the process; undici would hold it again with each request. */
function letGo(socket: unknown): void {
  const held = socket as { ref?: () => unknown; unref?: () => unknown } | undefined
  if (typeof held?.unref !== 'function') return
  held.unref()
  held.ref = () => held
}

function unheld<T extends readonly unknown[]>(how: T): T {
  letGo(how[1])
  return how
}

function tlsSettings(tls: TlsOptions | undefined): Record<string, unknown> {
  return {
    ...(tls?.ca ? { ca: tls.ca } : {}),
    ...(tls?.clientCert ? { cert: tls.clientCert, key: tls.clientCert } : {}),
    ...(tls?.insecure ? { rejectUnauthorized: false } : {}),
  }
}

function proxyUri(text: string | undefined): string {
  if (!text) return ''
  const uri = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (/^https?:/i.test(uri) && URL.canParse(uri)) return uri
  throw new InvalidParameterError(
    `Cairn speaks to http and https proxies, not to ${printable(uri)}; for SOCKS put an HTTP proxy in front of it, or name the server in NO_PROXY`,
  )
}
