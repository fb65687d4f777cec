import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { InvalidParameterError } from '../errors.js'
import { registry } from '../registry/registry.js'
import type { ClientOptions } from '../wire.js'
import { serverApp } from './app.js'
import { assetRoutes } from './assets.js'
import { openBackend } from './backend.js'
import { type BodyLimits, defaultLimits } from './body.js'
import { downloadRoutes } from './downloads.js'
import { type ListenOptions, listen } from './listen.js'
import { lookAhead } from './look-ahead.js'
import { pageRoutes } from './page-routes.js'
import type { SearchThread } from './search-thread.js'

/** What is served, where and to whom. */
export interface ServerOptions
  extends ListenOptions,
    Pick<ClientOptions, 'auth' | 'headers' | 'dispatcher' | 'logger'> {
  /** The store that is shown and written: a folder, or the address of another server. Default: as for a client. */
  readonly trackingUri?: string | undefined
  /** Where models are registered; the tracking URI by default. */
  readonly registryUri?: string | undefined
  /**
   * `Host` headers to answer beside the server's own addresses, exactly, with or without a port: the name it has behind a
   * proxy, for example. No patterns.
   */
  readonly allowedHosts?: readonly string[] | undefined
  /**
   * What callers have to have: a text of at least 16 letters and digits. Default: none on loopback, elsewhere one that is
   * made up. It is in `url`, and goes as a bearer (`MLFLOW_TRACKING_TOKEN`) with requests of MLflow's clients.
   */
  readonly token?: string | undefined
  readonly limits?: Partial<BodyLimits> | undefined
}

/** A server that listens. */
export interface RunningServer {
  /** Where to open the page, with the token if there is one. */
  readonly url: string
  /** The address for `MLFLOW_TRACKING_URI`, without it. */
  readonly trackingUri: string
  readonly host: string
  readonly port: number
  readonly token: string | undefined
  /** Stops listening, lets requests finish for up to two seconds, and lets go of the store. */
  close(): Promise<void>
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>
}

const GRACE_MS = 2_000
const LOOK_MS = 20
/** The MLflow whose API this is. */
const VERSION = '3.17.0'
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/i

/** `startServer`, with the thread that searches if there is one; it is closed with the server. */
export async function serve(options: ServerOptions, thread: SearchThread | undefined): Promise<RunningServer> {
  const { host = '127.0.0.1', allowedHosts = [], auth, headers, dispatcher, logger, trackingUri, registryUri } = options
  const token = tokenFor(host, options.token)
  for (const name of allowedHosts) checkHost(name)
  const limits = { ...defaultLimits, ...options.limits }
  const backend = await openBackend({ auth, headers, dispatcher, logger, trackingUri, registryUri }, thread)
  const verbs = registry({
    transport: async () => backend.models,
    tracking: async () => backend.inner,
    user: () => backend.user,
  })
  let port = options.port ?? 0
  const own = hostNames(host, allowedHosts)
  const app = serverApp({
    transport: backend.shown,
    artifacts: backend.artifacts,
    storeType: backend.local ? 'FileStore' : 'RestStore',
    version: VERSION,
    hosts: () => own(port),
    token,
    limits,
    more: [
      downloadRoutes({ transport: backend.inner, openArtifacts: backend.openArtifacts }),
      pageRoutes({ transport: backend.shown, growing: backend.local, registry: verbs, title: backend.title, limits }),
      assetRoutes(),
    ],
  })
  const listening = await listen((request, bindings) => app.fetch(request, bindings), options).catch(async (error) => {
    await backend.close()
    throw error
  })
  port = listening.port
  const address = `http://${visible(host)}:${port}`
  async function close(): Promise<void> {
    await listening.close(GRACE_MS)
    await backend.close()
  }
  // Not before the caller has the address it waits for.
  if (backend.wantsLook) setTimeout(() => void lookAhead(backend.inner), LOOK_MS).unref()
  const url = token === undefined ? `${address}/` : `${address}/?token=${token}`
  return { url, trackingUri: address, host, port, token, close, [Symbol.asyncDispose]: close }
}

function tokenFor(host: string, given: string | undefined): string | undefined {
  if (given !== undefined && !/^[A-Za-z0-9_-]{16,256}$/.test(given))
    throw new InvalidParameterError('A token has 16 to 256 letters, digits, "-" and "_"')
  if (given !== undefined || LOOPBACK.test(host)) return given
  return randomBytes(24).toString('base64url')
}

function checkHost(name: string): void {
  if (/^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(name)) return
  throw new InvalidParameterError(
    `${JSON.stringify(name)} is no host: a name or an address, with or without a port; patterns are not taken, for they let in names that only look alike`,
  )
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
const visible = (host: string): string => (host === '0.0.0.0' || host === '::' ? ownAddress() : bracketed(host))

const addresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((cards) => (cards ?? []).map(({ address }) => address.replace(/%.*$/, '')))

const ownAddress = (): string =>
  Object.values(networkInterfaces())
    .flatMap((cards) => cards ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'

/** The names under which a server is spoken to: addresses of this machine, which no foreign name can be, and those allowed. */
function hostNames(host: string, allowed: readonly string[]): (port: number) => readonly string[] {
  const everywhere = host === '0.0.0.0' || host === '::'
  const own = [...(everywhere ? addresses() : [host]), '127.0.0.1', '::1'].map(bracketed)
  const names = [...own, 'localhost'].map((name) => name.toLowerCase())
  const more = allowed.map((name) => name.toLowerCase())
  let known: { port: number; all: string[] } | undefined
  return (port) => {
    if (known?.port === port) return known.all
    const ported = more.filter((name) => !/:\d+$/.test(name)).map((name) => `${name}:${port}`)
    const all = [...names.map((name) => `${name}:${port}`), ...(port === 80 ? names : []), ...more, ...ported]
    known = { port, all }
    return all
  }
}
