import { checkSource, isLocal, localPath, schemeOf } from './artifacts/location.js'
import { artifactOpener } from './artifacts/open.js'
import type { ArtifactStore, OpenArtifacts } from './artifacts/store.js'
import { InvalidParameterError, TimeoutError } from './errors.js'
import type { Flavor } from './models/flavor.js'
import type { Backends } from './resolve/backends.js'
import { readSettings, type Settings } from './settings.js'
import type { Courier } from './spool/courier.js'
import { PATIENT_MS, serverIds } from './spool/ids.js'
import { outageOf } from './spool/outage.js'
import { serverPlace, serverPlaces, withoutSecrets } from './spool/place.js'
import { roomOf } from './spool/room.js'
import type { BufferOptions } from './tracking/metric-buffer.js'
import type { TextRules } from './tracking/values.js'
import type { Transport } from './transport/transport.js'
import { ownHands } from './wire/hands.js'
import { knowingOurIds } from './wire/ids.js'
import { defaultLogger, type Logger } from './wire/logger.js'
import { openRemote, type Remote, type RemoteOptions } from './wire/remote.js'
import { deliverAll, openSpool, type Spool, type SpoolDelivery, type SpoolDeliveryOptions } from './wire/spool.js'
import { checkUri, isOfThisMachine } from './wire/uri.js'
import { watchedHands } from './wire/watched-hands.js'
import { workerFile } from './wire/worker-file.js'
import { workerHands } from './wire/worker-hands.js'

export type { Logger } from './wire/logger.js'
export type { RemoteOptions } from './wire/remote.js'
export type { SpoolDelivery, SpoolDeliveryOptions } from './wire/spool.js'

/** What the maker of a transport or an artifact store is given. */
export interface PluginContext {
  readonly settings: Settings
  /** The client's own tracking URI; the absolute path of a local store. */
  readonly trackingUri: string
  readonly registryUri: string
  readonly logger: Logger
  /** Opens the transport of another URI, for transports around transports. */
  readonly openTransport: (uri: string) => Promise<Transport>
  readonly openArtifacts: OpenArtifacts
  /** The way to an MLflow server, with all that the client knows of it; one for each address. */
  readonly openRemote: (uri: string) => Promise<Remote>
}

/** Makes the transport that serves a tracking or registry URI. */
export type TransportFactory = (uri: string, context: PluginContext) => Transport | Promise<Transport>
/** Makes the store that serves an artifact URI. */
export type ArtifactStoreFactory = (uri: string, context: PluginContext) => ArtifactStore | Promise<ArtifactStore>

/** How a client differs from what the environment says. */
export interface ClientOptions extends RemoteOptions {
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
  /** Sizes and times of the metric buffer. */
  readonly buffer?: Pick<BufferOptions, 'limits' | 'intervalMs' | 'maxQueued'> | undefined
  /** More transports, artifact stores and flavors, for this client alone; each goes before a built-in one. */
  readonly transports?: Readonly<Record<string, TransportFactory>> | undefined
  readonly artifactStores?: Readonly<Record<string, ArtifactStoreFactory>> | undefined
  readonly flavors?: readonly Flavor[] | undefined
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
  /** Opens what the tracking server names. */
  readonly openArtifacts: OpenArtifacts
  /** Whether somebody said where runs go, or it is the default. */
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
    readonly openArtifacts: OpenArtifacts
  }
  /** The registry's address, without credentials, when it is not the server of the runs. */
  readonly registryAddress: string | undefined
  readonly logger: Logger
  readonly rules: TextRules
  readonly buffer: BufferOptions
  /** One line on standard error. */
  readonly say: (line: string) => void
  readonly close: () => Promise<void>
}

const DEFAULT_TRACKING_URI = './mlruns'
const closed = () => new TimeoutError('The client was closed before this was through')

/** Schemes of tracking and registry URIs; what is registered later stands in the same table. */
const remote: TransportFactory = async (uri, context) => (await context.openRemote(uri)).transport
const transports = new Map<string, TransportFactory>([
  ['file', openFileStore],
  ['http', remote],
  ['https', remote],
  ['databricks', remote],
])

/** Schemes of artifact URIs; what is registered later stands in the same table. */
const served: ArtifactStoreFactory = async (uri, { trackingUri, openRemote }) => {
  if (isLocal(trackingUri))
    throw new InvalidParameterError(
      `${uri} lies behind an MLflow server, but the tracking URI is ${trackingUri}; set it to the server's address`,
    )
  return (await openRemote(trackingUri)).artifacts(uri)
}
const artifactStores = new Map<string, ArtifactStoreFactory>([
  ['file', async (uri) => (await import('./artifacts/file.js')).fileArtifacts(uri)],
  ['mlflow-artifacts', served],
  ['http', served],
  ['https', served],
])

/** Flavors in the order in which they are asked; what is registered later goes first. */
const flavors: (() => Promise<Flavor>)[] = [
  async () => (await import('./models/flavors/onnx.js')).onnx(),
  async () => (await import('./models/flavors/tfjs.js')).tfjs(),
  async () => (await import('./models/flavors/node.js')).node(),
]

function checkScheme(scheme: string): string {
  if (/^[a-z][a-z0-9+.-]+$/.test(scheme)) return scheme
  throw new InvalidParameterError(
    `${JSON.stringify(scheme)} is not a URI scheme: lower-case letters, digits, "+", "." and "-", without ":"`,
  )
}

function callable<T>(what: string, given: T): T {
  if (typeof given === 'function') return given
  throw new InvalidParameterError(`${what} is a function, not ${given === null ? 'null' : typeof given}`)
}

/** Makes tracking and registry URIs of a scheme known; one that is known already is replaced. */
export function registerTransport(scheme: string, factory: TransportFactory): void {
  transports.set(checkScheme(scheme), callable('The factory of a transport', factory))
}

/** Makes artifact URIs of a scheme known; one that is known already is replaced. */
export function registerArtifactStore(scheme: string, factory: ArtifactStoreFactory): void {
  artifactStores.set(checkScheme(scheme), callable('The factory of an artifact store', factory))
}

/** Makes a flavor known; it goes before those known so far, also before one of the same name. */
export function registerFlavor(flavor: Flavor): void {
  if (typeof flavor?.name !== 'string' || flavor.name === '')
    throw new InvalidParameterError('A flavor has a name, accepts, save and load')
  for (const part of ['accepts', 'save', 'load'] as const)
    callable(`${part} of the flavor ${JSON.stringify(flavor.name)}`, flavor[part])
  flavors.unshift(async () => flavor)
}

async function openFileStore(uri: string, context: PluginContext): Promise<Transport> {
  const { settings, logger, openArtifacts, trackingUri, registryUri, openTransport } = context
  const isApart = uri === registryUri && uri !== trackingUri
  const { fileTransport } = await import('./transport/file/file.js')
  return fileTransport({
    root: localPath(uri),
    warn: (message) => logger.warn(message),
    // A registry apart asks for runs and logged models where they are.
    tracking: isApart ? () => openTransport(trackingUri) : undefined,
    truncate: settings.truncateLongValues,
    listArtifacts: async (artifactUri, path) => {
      const { listChecked } = await import('./artifacts/copy.js')
      const entries = await listChecked(await openArtifacts(artifactUri), path ?? '')
      return entries.map((entry) => ({ path: entry.path, is_dir: entry.isDir, file_size: entry.size }))
    },
  })
}

const MAIN_THREAD = 'what is logged is delivered from the main thread, and waits on disk while its event loop is busy'
const isBuilt = !`${import.meta.url}`.endsWith('.ts')
let isThreadMissed = false

/** Said once: that points come late has a reason, and one of the reasons can be helped. */
function tellOfThread(logger: Logger, isOwn: boolean): void {
  if (isThreadMissed) return
  isThreadMissed = true
  if (isOwn)
    logger.info(`A transport, dispatcher or auth function of your own cannot go to another thread: ${MAIN_THREAD}`)
  else if (isBuilt)
    logger.warn(
      `spool-worker.js of cairn-ml is not beside the code that was bundled: ${MAIN_THREAD}; leave cairn-ml out of the bundle (external), or copy the file next to it`,
    )
}

/** Python's client keeps its runs in a database by default since MLflow 3.7: someone may look for them, or for ours, in vain. */
async function tellOfDatabase(warn: (message: string) => void): Promise<void> {
  const { factsBehind } = await import('./disk/files.js')
  if (await factsBehind('mlflow.db').catch(() => undefined))
    warn(
      'Runs go to ./mlruns, the default, and not into the mlflow.db beside it, which is where those of Python go; to share that one, start mlflow server --backend-store-uri sqlite:///mlflow.db and set MLFLOW_TRACKING_URI to its address',
    )
}

/** Joins the parts of a client: environment, options, transports, stores, flavors, logger. Nothing is opened yet. */
export function wire(options: ClientOptions): Parts {
  const settings = readSettings()
  const isPluggedIn = (scheme: string) => transports.has(scheme) || options.transports?.[scheme] !== undefined
  const trackingUri = checkUri(options.trackingUri ?? settings.trackingUri ?? DEFAULT_TRACKING_URI, isPluggedIn)
  const registryUri = checkUri(options.registryUri ?? settings.registryUri ?? trackingUri, isPluggedIn)
  for (const uri of [trackingUri, registryUri]) factoryOf(uri)
  const chosen = (options.trackingUri ?? settings.trackingUri) !== undefined
  const logger = options.logger ?? defaultLogger(settings.logLevel)
  const opened = new Map<string, Promise<Transport>>()
  const warned = new Set<string>()
  const warnOnce = (message: string) => {
    if (!warned.has(message)) logger.warn(message)
    warned.add(message)
  }

  const renew = () => readSettings().http
  const remotes = new Map<string, Promise<Remote>>()
  async function open(uri: string): Promise<Remote> {
    // What carries the spool is loaded with it, while files can be opened: a module that could not be is never loaded later.
    const opening = openRemote(uri, settings.http, { ...options, warn: warnOnce, renew })
    const [remote] = await Promise.all([opening, import('./wire/carrier.js')])
    return remote
  }
  const remoteAt = (uri: string): Promise<Remote> => {
    const known = remotes.get(uri) ?? open(uri)
    remotes.set(uri, known)
    known.catch(() => remotes.delete(uri))
    return known
  }
  const context: PluginContext = {
    ...{ settings, trackingUri, registryUri, logger, openTransport, openArtifacts },
    openRemote: remoteAt,
  }

  function factoryOf(uri: string): TransportFactory {
    const scheme = schemeOf(uri)
    const factory = options.transports?.[scheme] ?? transports.get(scheme)
    if (factory) return factory
    const schemes = [...transports.keys(), ...Object.keys(options.transports ?? {})].join(', ')
    throw new InvalidParameterError(`There is no transport for ${scheme}: URIs; known are ${schemes}`)
  }

  function openTransport(uri: string): Promise<Transport> {
    const known = opened.get(uri)
    if (known) return known
    const transport = Promise.resolve(factoryOf(uri)(uri, context))
    opened.set(uri, transport)
    // A failure is not remembered: the next call may find the disk writable, the server up.
    transport.catch(() => opened.delete(uri))
    if (!chosen && uri === trackingUri) void tellOfDatabase(warnOnce)
    return transport
  }

  /** The opener of artifacts behind a server. */
  function artifactsAt(server: string, way: 'artifacts' | 'impatientArtifacts' | 'artifactsOnce'): OpenArtifacts {
    const openRemote = async (uri: string): Promise<Remote> => {
      const found = await remoteAt(uri)
      return { ...found, artifacts: found[way] }
    }
    const at = { ...context, trackingUri: server, openRemote }
    return (uri) => {
      const own = Object.entries({ ...Object.fromEntries(artifactStores), ...options.artifactStores })
      return artifactOpener(Object.fromEntries(own.map(([scheme, make]) => [scheme, (of) => make(of, at)])))(uri)
    }
  }
  function openArtifacts(uri: string): ArtifactStore | Promise<ArtifactStore> {
    return artifactsAt(trackingUri, 'artifacts')(uri)
  }

  const allowLocalSources = options.allowLocalSources ?? settings.allowLocalSources
  const sharesDisk = (uri: string) => isLocal(uri) || (allowLocalSources ?? isOfThisMachine(uri)) === true
  /** As `artifactsAt`, for places that the server itself names, to read and to write alike. */
  const namedAt = (server: string, way: Parameters<typeof artifactsAt>[1]): OpenArtifacts => {
    const openPlace = artifactsAt(server, way)
    return (uri) => openPlace(checkSource(uri, sharesDisk(server)))
  }

  /** Whether a backend is not an MLflow server as we speak to it. */
  const isOwn = (uri: string) =>
    !/^(https?|databricks):/i.test(uri) ||
    (options.transports?.[schemeOf(uri)] ?? transports.get(schemeOf(uri))) !== remote
  const ownTransport = isOwn(trackingUri)
  const impatientAt = async (uri: string) => (isOwn(uri) ? openTransport(uri) : (await remoteAt(uri)).impatient)
  /** One try for each call; one that may have been made before is looked for, also where a user's own transport does not. */
  const onceAt = async (uri: string): Promise<Transport> => {
    if (!isOwn(uri)) return (await remoteAt(uri)).once
    const { withRetry } = await import('./transport/retry.js')
    return withRetry(await openTransport(uri), { rules: { attempts: 1 } })
  }
  const spoolDir = options.spoolDir ?? settings.spoolDir
  const spoolOf = (uri: string): Spool => {
    let carrying: Promise<Courier> | undefined
    const closing = new AbortController()
    const newCourier = async (): Promise<Courier> => {
      const { carrier } = await import('./wire/carrier.js')
      return carrier({
        transport: await onceAt(uri),
        openArtifacts: namedAt(uri, 'artifactsOnce'),
        serverRunId: serverIds(place, PATIENT_MS).of,
        registryAt: (address) => onceAt(withoutSecrets(registryUri) === address ? registryUri : address),
        user: settings.user,
        closing: closing.signal,
      })
    }
    const place = serverPlace(spoolDir, uri, settings.spoolMaxBytes)
    const carried = () => {
      carrying ??= newCourier().catch((error: unknown) => {
        carrying = undefined
        throw error
      })
      return carrying
    }
    const warn = (message: string) => logger.warn(message)
    const outage = outageOf(place.uri, logger)
    const own = ownHands({ place, courier: carried, warn, outage, connections: settings.http.connections })
    // What is a user's own cannot go to another thread.
    const isOwn = ownTransport || options.dispatcher !== undefined || typeof options.auth === 'function'
    const file = workerFile(() => new URL('./spool-worker.js', import.meta.url))
    const { auth, headers, timeoutMs } = options
    const about = { place, room: roomOf(place).memory }
    const start = { ...about, outage: outage.nth, uri, http: settings.http, remote: { auth, headers, timeoutMs } }
    const here = isOwn && file ? watchedHands(file, own, { start: { ...about, lookout: true }, warn }) : own
    const deliver: typeof own.deliver = (job) => {
      tellOfThread(logger, isOwn)
      return here.deliver(job)
    }
    const hands =
      isOwn || !file
        ? { ...here, deliver }
        : workerHands(file, { place, courier: carried, warn, outage, start, renew, fallback: own })
    return openSpool({ place, hands, courier: carried, warn, outage, onClose: () => closing.abort(closed()) })
  }
  const spool = isLocal(trackingUri) ? undefined : spoolOf(trackingUri)

  const backend = (uri: string) => ({
    uri,
    local: isLocal(uri),
    sharesDisk: sharesDisk(uri),
    transport: async () => {
      const transport = await openTransport(uri)
      return spool ? knowingOurIds(transport, spool.serverRunId) : transport
    },
  })
  return {
    settings: {
      ...settings,
      cacheDir: options.cacheDir ?? settings.cacheDir,
      spoolDir: options.spoolDir ?? settings.spoolDir,
    },
    backends: {
      tracking: backend(trackingUri),
      registry: backend(registryUri),
      openArtifacts,
    },
    openArtifacts: namedAt(trackingUri, 'artifacts'),
    chosen,
    serverAt: (uri) => (/^(https?|databricks):/i.test(uri) ? () => remoteAt(uri) : undefined),
    flavors: async () => [...(options.flavors ?? []), ...(await Promise.all(flavors.map((load) => load())))],
    spool,
    deliverSpool: (how) =>
      deliverAll(
        serverPlaces(spoolDir).map(({ uri }) => (spool?.uri === uri ? spool : spoolOf(uri))),
        how,
      ),
    impatient: {
      transport: () => impatientAt(trackingUri),
      registry: () => impatientAt(registryUri),
      openArtifacts: namedAt(trackingUri, 'impatientArtifacts'),
    },
    registryAddress: registryUri === trackingUri ? undefined : withoutSecrets(registryUri),
    logger,
    rules: { truncate: settings.truncateLongValues, warn: warnOnce },
    buffer: options.buffer ?? {},
    say: (line) => void process.stderr.write(`${line}\n`),
    close: async () => {
      await spool?.close()
      // What carries the spool opened a way to the server by itself.
      const ways = [...remotes.values()].map(async (way) => (await way).transport)
      const all = await Promise.allSettled([...opened.values(), ...ways])
      await Promise.all(all.map((made) => made.status === 'fulfilled' && made.value.close()))
    },
  }
}
