import { isLocal } from './artifacts/location.js'
import type { OpenArtifacts } from './artifacts/store.js'
import { givenUri } from './core/model-uri.js'
import type { Flavor } from './models/flavor.js'
import type { Backends } from './resolve/backends.js'
import { type HttpSettings, readSettings, type Settings } from './settings.js'
import { serverPlaces, withoutSecrets } from './spool/place.js'
import type { BufferOptions } from './tracking/metric-buffer.js'
import type { TextRules } from './tracking/values.js'
import type { Transport } from './transport/transport.js'
import { places } from './wire/artifacts.js'
import { checkClientOptions } from './wire/client-options.js'
import { knowingOurIds } from './wire/ids.js'
import { defaultLogger, type Logger } from './wire/logger.js'
import { openers, type Within } from './wire/openers.js'
import { flavorsWith, hasTransport, isPluggedIn, isServer, type Plugins, transportOf } from './wire/plugins.js'
import type { Remote, RemoteOptions } from './wire/remote.js'
import { serverSpool } from './wire/server-spool.js'
import { deliverAll, hiddenFrom, type Spool, type SpoolDelivery, type SpoolDeliveryOptions } from './wire/spool.js'
import { checkUri, isOfThisMachine } from './wire/uri.js'

export type { Logger } from './wire/logger.js'
export {
  type ArtifactStoreFactory,
  type PluginContext,
  registerArtifactStore,
  registerFlavor,
  registerTransport,
  type TransportFactory,
} from './wire/plugins.js'
export type { SpoolDelivery, SpoolDeliveryOptions } from './wire/spool.js'

/** How a client differs from what the environment says. */
export interface ClientOptions extends RemoteOptions, Plugins {
  /** A path or `file:` URI, `http(s)://…`; `MLFLOW_TRACKING_URI`, else `./mlruns`, by default. */
  readonly trackingUri?: string | undefined
  /** `MLFLOW_REGISTRY_URI`, else the tracking URI, by default. */
  readonly registryUri?: string | undefined
  /** Where models are kept; `CAIRN_CACHE_DIR`, else the platform's cache folder, by default. */
  readonly cacheDir?: string | undefined
  /** Where what is logged waits for a server; `CAIRN_SPOOL_DIR`, else the platform's state folder, by default. */
  readonly spoolDir?: string | undefined
  /** Where lines for people go; pino on standard error, from `CAIRN_LOG_LEVEL` on, by default. */
  readonly logger?: Logger | undefined
  /** The most that a request carries, how long a point waits for a store of this machine, and how many may wait in memory. */
  readonly buffer?: Pick<BufferOptions, 'limits' | 'intervalMs' | 'maxQueued'> | undefined
  /**
   * How long the end of a run, and that of a process with runs that are open, wait for a server, in milliseconds from 1,000
   * to 86,400,000; `CAIRN_END_TIMEOUT` (in seconds), else 10,000, by default. What has not arrived then stays on disk.
   */
  readonly endTimeoutMs?: number | undefined
  /**
   * Whether a server may name folders of this machine, for files to be read from and written to: `true` where both share a
   * disk. `CAIRN_ALLOW_LOCAL_SOURCES`, else only servers on a loopback address, by default; `false` refuses those too, as
   * for a tunnel to elsewhere. What a local store names is always taken.
   */
  readonly allowLocalSources?: boolean | undefined
}

/** The joined parts of one client. */
export interface Parts {
  readonly settings: Settings
  readonly backends: Backends
  /** Opens what the tracking server names; paths of this machine are refused unless the two share a disk. */
  readonly openNamedPlace: OpenArtifacts
  /** Whether it was said where runs go, or that is the default. */
  readonly chosen: boolean
  /** The way to the server at a tracking or registry URI, when it is one. */
  readonly serverAt: (uri: string) => (() => Promise<Remote>) | undefined
  readonly flavors: () => Promise<readonly Flavor[]>
  /** What is kept on disk on its way to the tracking server; undefined for a store of this machine. */
  readonly spool: Spool | undefined
  /** Delivers what waits on disk, for any server. */
  readonly deliverSpool: (options: SpoolDeliveryOptions) => Promise<SpoolDelivery[]>
  /** The ways that give up after seconds, for what can go on without its server. */
  readonly impatient: {
    readonly transport: () => Promise<Transport>
    readonly registry: () => Promise<Transport>
    readonly openNamedPlace: OpenArtifacts
  }
  /** The registry's address, without credentials, when it is not the server of the runs. */
  readonly registryAddress: string | undefined
  readonly logger: Logger
  readonly rules: TextRules
  readonly buffer: BufferOptions
  readonly endTimeoutMs: number
  /** One line on standard error. */
  readonly say: (line: string) => void
  readonly close: () => Promise<void>
}

const DEFAULT_TRACKING_URI = './mlruns'

/** Joins the parts of a client: environment, options, transports, stores, flavors, logger. Nothing is opened yet. */
export function wire(options: ClientOptions): Parts {
  checkClientOptions(options)
  const settings = readSettings()
  const isKnown = (scheme: string) => hasTransport(scheme, options)
  const given = options.trackingUri ?? settings.trackingUri
  const trackingUri = checkUri(given ?? DEFAULT_TRACKING_URI, isKnown)
  const registryUri = checkUri(options.registryUri ?? settings.registryUri ?? givenUri(trackingUri), isKnown)
  for (const uri of [trackingUri, registryUri]) transportOf(uri, options)
  const chosen = given !== undefined
  const logger = options.logger ?? defaultLogger(settings.logLevel)
  const warned = new Set<string>()
  const warnOnce = (message: string) => {
    if (!warned.has(message)) logger.warn(message)
    warned.add(message)
  }

  const renew = () => readSettings().http
  const allowLocalSources = options.allowLocalSources ?? settings.allowLocalSources
  const sharesDisk = (uri: string) => isLocal(uri) || (allowLocalSources ?? isOfThisMachine(uri)) === true
  const openAnyPlace: OpenArtifacts = (uri) => stores.any(trackingUri, 'artifacts')(uri)
  const client = { trackingUri, registryUri, chosen, settings, options, logger }
  const open = openers({ ...client, warnOnce, renew, openAnyPlace })
  const stores = places(open, options, sharesDisk)
  const spoolDir = options.spoolDir ?? settings.spoolDir
  /** What was logged to a workspace goes to that one, whatever the environment names by now. */
  const spoolOf = (uri: string, { workspace }: Within): Spool => {
    const within = (http: HttpSettings): HttpSettings => ({ ...http, workspace })
    return serverSpool(uri, {
      spoolDir,
      logger,
      warnOnce,
      registryUri,
      remote: options,
      settings: { ...settings, http: within(settings.http) },
      renew: () => within(renew()),
      isPluggedIn: isPluggedIn(uri, options),
      once: (at) => open.once(at, { workspace }),
      openNamedPlace: stores.named(uri, 'artifactsOnce', { workspace }),
      limits: options.buffer?.limits,
    })
  }
  const spool = isLocal(trackingUri) ? undefined : spoolOf(trackingUri, settings.http)

  const backend = (uri: string) => ({
    uri,
    local: isLocal(uri),
    sharesDisk: sharesDisk(uri),
    transport: async () => {
      const transport = await open.transport(uri)
      return spool ? knowingOurIds(transport, spool.serverRunId) : transport
    },
  })
  return {
    settings: { ...settings, cacheDir: options.cacheDir ?? settings.cacheDir, spoolDir },
    backends: { tracking: backend(trackingUri), registry: backend(registryUri), openAnyPlace },
    openNamedPlace: stores.named(trackingUri, 'artifacts'),
    chosen,
    serverAt: (uri) => (isServer(uri) ? () => open.remote(uri) : undefined),
    flavors: () => flavorsWith(options),
    spool,
    async deliverSpool(how) {
      const places = serverPlaces(spoolDir)
      const spools = places.map((place) => (spool?.dir === place.dir ? spool : spoolOf(place.uri, place)))
      return [...(await deliverAll(spools, how)), ...hiddenFrom(spoolDir)]
    },
    impatient: {
      transport: () => open.impatient(trackingUri),
      registry: () => open.impatient(registryUri),
      openNamedPlace: stores.named(trackingUri, 'impatientArtifacts'),
    },
    registryAddress: registryUri === trackingUri ? undefined : withoutSecrets(registryUri),
    logger,
    rules: { truncate: settings.truncateLongValues, warn: warnOnce },
    buffer: options.buffer ?? {},
    endTimeoutMs: options.endTimeoutMs ?? settings.endTimeoutMs,
    say: (line) => void process.stderr.write(`${line}\n`),
    close: async () => {
      await spool?.close()
      await open.close()
    },
  }
}
