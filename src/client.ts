import { EventEmitter } from 'node:events'
import { dirname, join } from 'node:path'
import { checkDelivery, checkedStart, checkListening, checkSync } from './client/arguments.js'
import { checkedClient } from './client/verb-options.js'
import type { Experiment, FileInfo } from './core/entities.js'
import { guarded } from './core/guarded.js'
import { givenUri } from './core/model-uri.js'
import type { Check } from './doctor.js'
import { type CairnError, InvalidParameterError } from './errors.js'
import { systemUser } from './host/user.js'
import type { CacheInfo, ModelCache, Pruned, PruneOptions } from './models/cache.js'
import type { CarryDeps } from './models/carried.js'
import type { LoadDeps, LoadedModel, LoadModelOptions } from './models/load.js'
import type { ModelOptions, PackageDeps } from './models/package.js'
import { type Registry, registry } from './registry/registry.js'
import { sayingTheWayOut } from './registry/way-out.js'
import type { ArtifactTarget, DownloadOptions } from './resolve/artifacts.js'
import { beginRun } from './run/begin.js'
import { beginBeforeExit, endAtExit, forgetAtExit } from './run/exit.js'
import { experimentInUse } from './run/experiment.js'
import { flushMs } from './run/flush-options.js'
import { logModelOf } from './run/model.js'
import { directOutlet } from './run/outlet.js'
import { type LiveRun, openRun, type Run } from './run/run.js'
import { contextTags, type StartRunOptions } from './run/start.js'
import { runUrl, whereToLook } from './run/where.js'
import type { DeliveryEvents } from './spool/deliverer.js'
import type { SyncOptions, SyncResult } from './sync/sync.js'
import { type CallOptions, type Experiments, experiments } from './tracking/experiments.js'
import type { BufferOptions } from './tracking/metric-buffer.js'
import { type Runs, runs } from './tracking/runs.js'
import { type ClientOptions, type Parts, type SpoolDelivery, type SpoolDeliveryOptions, wire } from './wire.js'

/** What a client tells its listeners. */
export interface ClientEvents {
  /** A request was not taken and is tried again after `delayMs`. */
  retry: { readonly runId: string; readonly error: CairnError; readonly delayMs: number }
  /** Points, parameters or tags were turned down for good. */
  refused: { readonly runId: string; readonly error: CairnError; readonly count: number }
  /** The server does not take what is logged: it waits on disk. */
  spooled: { readonly runId: string; readonly error: CairnError }
  /** The backend takes what is logged again after an outage. */
  recovered: { readonly runId: string }
}

/** An independent client: all verbs over one tracking and one registry backend, and nothing of it is active or global. */
export interface Client extends Experiments, Runs, Registry, AsyncDisposable {
  /** Where runs go: the URI, or the absolute path of a local store. */
  getTrackingUri(): string
  /** Where names and versions of models are kept. */
  getRegistryUri(): string
  /**
   * Sets the experiment that runs go to from now on; one that is given by name is made when it is absent. A deleted one is
   * an `InvalidParameterError` that says how to bring it back.
   */
  setExperiment(experiment: string | { readonly experimentId: string }, options?: CallOptions): Promise<Experiment>
  /**
   * Starts a run and resolves to its handle; it is not made active. A worker thread learns of neither a signal nor the main
   * thread's exit: end runs in the thread that started them, or log from the main thread.
   */
  startRun(options?: StartRunOptions): Promise<Run>
  /**
   * Writes a model into a folder that is new or empty, as `logModel` does, without a run, whole or not at all; resolves to
   * the folder's path. `AlreadyExistsError` when the folder holds anything.
   */
  saveModel(model: unknown, dir: string, options?: ModelOptions): Promise<string>
  /**
   * Loads a model: `models:/name/3`, `models:/name/Production`, `models:/name/latest`, `models:/name@alias`,
   * `models:/m-<id>`, `runs:/<id>/<path>`, a folder or a bundle. A stage is looked up anew each time, the files of a version
   * are fetched once and checked. Throws `NotFoundError`, `IntegrityError`, `UnsupportedFlavorError`, `MissingPeerError`.
   */
  loadModel(uri: string, options?: LoadModelOptions): Promise<LoadedModel>
  /** Packs a model into one file (`.tgz`) to carry where no registry can be reached; resolves to the file's path. */
  packModel(uri: string, file: string, options?: CallOptions): Promise<string>
  /** What lies directly below a path of a run, sorted; a file or an absent path lists nothing. */
  listArtifacts(runId: string, path?: string, options?: CallOptions): Promise<FileInfo[]>
  /**
   * Brings artifacts to this machine and resolves to the path of what was asked for. `dstPath` is a fresh temporary folder by
   * default. Throws `NotFoundError`, `IntegrityError` when a file is not as long as listed, `UnsafePathError`.
   */
  downloadArtifacts(target: ArtifactTarget, options?: DownloadOptions): Promise<string>
  /**
   * Looks at all that has to be well: address, server, version, authentication, proxy, clock, artifacts, registry, cache,
   * spool. Each answer is `{ name, status, detail, fix? }`; what is not well is an answer, not an error. Rejects with the
   * reason of `signal` alone.
   */
  doctor(options?: CallOptions): Promise<Check[]>
  /**
   * Copies a store (a path or an address) into another: experiments by name, runs with their metric histories, times and
   * artifacts, logged models, registered models. A second copy adds nothing and one that was cut goes on. A file is sent
   * when its copy is lacking, has another size, or the file changed since it was last copied: a local store tells the time
   * of each change; from a server all files of a run are sent again when its status, end time, parameters or metrics have
   * changed since, those of a logged model when it was updated. What fails is in the result; throws `NetworkError` and the
   * like when a store is out of reach, `NotFoundError` when there is no source, `UnavailableError` while another process of
   * this machine copies to the same target.
   */
  sync(source: string, options?: SyncOptions): Promise<SyncResult>
  /** What the model cache holds: `{ dir, bytes, entries }`. */
  cacheInfo(): Promise<CacheInfo>
  /** Removes models from the cache: down to `maxBytes`, or those unused for `olderThanMs`. */
  pruneCache(options?: PruneOptions): Promise<Pruned>
  /** Calls `listener` at each event; the answer takes it off again. One that throws or rejects is warned of once, and stops nothing. */
  on<E extends keyof ClientEvents>(event: E, listener: (detail: ClientEvents[E]) => void): () => void
  /** Resolves when all that the open runs logged has arrived; rejects with what was refused. */
  flush(options?: { readonly timeoutMs?: number | undefined }): Promise<void>
  /**
   * Delivers what processes that are gone have left in the spool, each run to the server it was logged to, with the
   * environment's credentials; what a living process delivers is left to it. A server that takes nothing is given up, and
   * the rest stays: see `complete` of each run.
   */
  deliverSpool(options?: SpoolDeliveryOptions): Promise<SpoolDelivery[]>
  /** Ends the runs that are open and lets go of connections. */
  close(): Promise<void>
}

/**
 * Makes a client; nothing is opened before the first verb. Throws `InvalidParameterError` for a URI that has no transport, and
 * for an option that is not known or has a value that it cannot have.
 */
export function createClient(options: ClientOptions = {}): Client {
  return clientOf(wire(options), (uri) => wire({ ...options, trackingUri: uri, registryUri: uri }))
}

/** Runs that go on in this process, whichever client has them. */
const goingOn = new Set<LiveRun>()

function clientOf(parts: Parts, partsAt: (uri: string) => Parts): Client {
  const { settings, backends, rules } = parts
  const tracking = backends.tracking.transport
  const events = new EventEmitter()
  const open = new Set<LiveRun>()
  const mayBeOffline = parts.spool !== undefined && settings.offline === 'fallback'

  const experimentVerbs = experiments(tracking)
  const runVerbs = runs({
    transport: tracking,
    experiments: experimentVerbs,
    defaultExperimentIds: () => [inUse.id ?? []].flat(),
    rules,
  })
  const { impatient } = parts
  const startTransport = mayBeOffline ? impatient.transport : tracking
  const starting = mayBeOffline ? experiments(startTransport) : experimentVerbs
  const startVerbs = mayBeOffline
    ? runs({ transport: startTransport, experiments: starting, defaultExperimentIds: () => [], rules })
    : runVerbs
  const user = () => settings.user ?? systemUser()
  const ownRegistry = registry({ transport: backends.registry.transport, tracking, user })
  const registryVerbs = backends.registry.local ? ownRegistry : sayingTheWayOut(ownRegistry)

  const warn = (message: string) => parts.logger.warn(message)
  const away = (said: string) => parts.spool?.outage.down(said)
  const inUse = experimentInUse({ starting, mayBeOffline, settings, away })

  /** The way of a logged model to a backend, and of its version to the registry. */
  const carrying = (
    transport: CarryDeps['transport'],
    registryTransport: CarryDeps['transport'],
    openArtifacts: CarryDeps['openArtifacts'],
  ): CarryDeps => ({
    transport,
    openArtifacts,
    registerModel: async (request) => {
      const { registerLogged } = await import('./registry/logged.js')
      return registerLogged({ transport: registryTransport, tracking: transport, user }, request)
    },
  })
  const modelWays = {
    packaging: packageDeps,
    backend: carrying(tracking, backends.registry.transport, parts.openArtifacts),
    contextTags: () => contextTags({ ...settings, rules }),
    impatient: carrying(impatient.transport, impatient.registry, impatient.openArtifacts),
    registry: parts.registryAddress,
    away,
  }

  let madeCache: Promise<ModelCache> | undefined
  const cache = (): Promise<ModelCache> => {
    madeCache ??= import('./models/cache.js').then(({ modelCache }) => modelCache({ dir: settings.cacheDir, warn }))
    return madeCache
  }

  /** A model's environment is that of the script which logs it. */
  async function packageDeps(): Promise<PackageDeps> {
    const script = process.argv[1]
    return { flavors: await parts.flavors(), projectDir: script === undefined ? undefined : dirname(script), warn }
  }

  async function loadDeps(): Promise<LoadDeps> {
    const { resolveModel } = await import('./resolve/model.js')
    return {
      resolve: (uri, options) => resolveModel(backends, uri, options),
      openArtifacts: backends.openArtifacts,
      cache: await cache(),
      scope: [backends.tracking.uri, backends.registry.uri],
      flavors: await parts.flavors(),
      warn,
    }
  }

  const watch = (runId: string): DeliveryEvents => ({
    onRetry: (error, delayMs) => void events.emit('retry', { runId, error, delayMs }),
    onRefused: (error, count) => void events.emit('refused', { runId, error, count }),
    onSpooled: (error) => void events.emit('spooled', { runId, error }),
    onRecovered: () => void events.emit('recovered', { runId }),
    onDamaged: (stretches) =>
      warn(`What was kept on disk for run ${runId} was damaged in ${stretches} places; what stood there is lost`),
  })

  async function start(asked: StartRunOptions): Promise<Run> {
    const begun = await beginRun(
      {
        experiments: starting,
        runs: startVerbs,
        server: backends.tracking.local ? undefined : startTransport,
        rules,
        chosen: inUse.chosen,
        current: inUse.current,
        isOpen: (runId) => [...goingOn].some((run) => run.runId === runId),
        knownExperiment: inUse.known,
        user: settings.user,
        runContext: settings.runContext,
        mayBeOffline,
        backend: { transport: tracking, openArtifacts: parts.openArtifacts },
        impatient,
        spool: parts.spool?.open,
        elders: async (runId, signal) => parts.spool?.elders(runId, signal) ?? [],
        direct: async (runId) => directOutlet(await tracking(), runId),
        serverRunId: (runId) => (parts.spool ? parts.spool.serverRunId(runId) : runId),
        watch,
        warn,
        away,
      },
      asked,
    )
    const { data, owned, outlet, spooled, store, transport, isOnline } = begun
    const run: LiveRun = openRun(data, {
      ...{ transport, outlet, store, rules, owned, activeModelId: settings.activeModelId },
      endTimeoutMs: parts.endTimeoutMs,
      buffer: {
        ...parts.buffer,
        ...bufferWatch(watch(data.info.runId)),
        onFull: ({ message }) => warn(`Run ${data.info.runId}: ${message}`),
      },
      say: parts.say,
      url: isOnline ? runUrl(data, backends.tracking.uri, settings.http.workspace) : undefined,
      whereToLook:
        settings.suppressUrl || !isOnline
          ? undefined
          : whereToLook(data, backends.tracking.uri, settings.http.workspace),
      logModel: (model, how) => logModelOf(modelWays, { run, spooled }, model, how),
      toDisk: spooled?.leave,
      onEnded: () => {
        open.delete(run)
        goingOn.delete(run)
        forgetAtExit(run)
      },
    })
    open.add(run)
    goingOn.add(run)
    endAtExit(run)
    try {
      run.logParams(asked.params ?? {})
    } catch (error) {
      // One that is resumed while its server is away may have another value; nobody has a handle to end it with.
      await run.finish('FAILED')
      throw error
    }
    return run
  }

  const client: Client = {
    ...experimentVerbs,
    ...runVerbs,
    ...registryVerbs,
    getTrackingUri: () => givenUri(backends.tracking.uri),
    getRegistryUri: () => givenUri(backends.registry.uri),
    setExperiment: inUse.set,
    async startRun(options = {}, ...more: unknown[]) {
      if (typeof options === 'function' || more.some((one) => one !== undefined))
        throw new InvalidParameterError(
          "A client's startRun takes options alone and resolves to a run that you end(); to run a function in it, call startRun of the module: cairn.startRun(options, fn)",
        )
      const asked = checkedStart(options, rules)
      return beginBeforeExit(() => start(asked))
    },
    async saveModel(model, dir, options = {}) {
      const { saveModel } = await import('./models/package.js')
      return saveModel(await packageDeps(), model, dir, options)
    },
    async loadModel(uri, options = {}) {
      const { loadModel } = await import('./models/load.js')
      return loadModel(await loadDeps(), uri, options)
    },
    async packModel(uri, file, options = {}) {
      const { packModel } = await import('./models/bundle.js')
      return packModel(await loadDeps(), uri, file, options)
    },
    async listArtifacts(runId, path, options) {
      const { listArtifacts } = await import('./resolve/artifacts.js')
      return listArtifacts(backends, { runId }, path, options)
    },
    async downloadArtifacts(target, options) {
      const { downloadArtifacts } = await import('./resolve/artifacts.js')
      return downloadArtifacts(backends, target, options)
    },
    async doctor({ signal } = {}) {
      const { doctor } = await import('./doctor.js')
      const { tracking: runs, registry } = backends
      const sendAt = (uri: string) => {
        const open = parts.serverAt(uri)
        return open && (async () => (await open()).send)
      }
      return doctor({
        trackingUri: runs.uri,
        registryUri: registry.uri,
        chosen: parts.chosen,
        transport: tracking,
        send: sendAt(runs.uri),
        sharesDisk: runs.sharesDisk,
        registry: sendAt(registry.uri),
        proxies: settings.http,
        cache: async () => (await cache()).info(),
        cacheDir: settings.cacheDir,
        spoolDir: settings.spoolDir,
        now: Date.now,
        signal,
      })
    },
    async sync(source, options = {}) {
      checkSync(source, options)
      const { to = givenUri(backends.tracking.uri), ...rules } = options
      const [{ sync }, { alone }] = await Promise.all([import('./sync/sync.js'), import('./sync/alone.js')])
      const stores = [partsAt(source), partsAt(to)] as const
      const side = async ({ backends: { tracking: store }, openArtifacts }: Parts) => ({
        uri: store.uri,
        local: store.local,
        sharesDisk: store.sharesDisk,
        transport: await store.transport(),
        openArtifacts,
      })
      try {
        const copy = async () => sync(await side(stores[0]), await side(stores[1]), rules)
        const target = stores[1].backends.tracking.uri
        return rules.dryRun ? await copy() : await alone(join(settings.spoolDir, 'sync'), target, copy)
      } finally {
        await Promise.all(stores.map((store) => store.close()))
      }
    },
    cacheInfo: async () => (await cache()).info(),
    pruneCache: async (options) => (await cache()).prune(options),
    on(event, listener) {
      checkListening(event, listener)
      const heard = guarded(listener, (error) => {
        const why = (error as Error | undefined)?.message ?? String(error)
        warn(`A listener of ${JSON.stringify(event)} failed (${why}); it is called again, and told of no more`)
      })
      events.on(event, heard)
      return () => void events.off(event, heard)
    },
    async flush(options = {}) {
      flushMs(options)
      await Promise.all([...open].map((run) => run.flush(options)))
    },
    async deliverSpool(options = {}) {
      checkDelivery(options)
      return parts.deliverSpool(options)
    },
    async close() {
      await Promise.all([...open].map((run) => run.finish('FINISHED')))
      await parts.close()
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return checkedClient(client)
}

const bufferWatch = ({ onRetry, onRefused, onRecovered }: DeliveryEvents): BufferOptions => ({
  ...(onRetry && { onRetry }),
  ...(onRefused && { onRefused }),
  ...(onRecovered && { onRecovered }),
})
