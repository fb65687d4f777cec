import { EventEmitter } from 'node:events'
import { dirname, join } from 'node:path'
import { isLocal } from './artifacts/location.js'
import type { Experiment, FileInfo, RunData } from './core/entities.js'
import type { Check } from './doctor.js'
import { type CairnError, InvalidParameterError, UnavailableError } from './errors.js'
import { systemUser } from './host/user.js'
import type { CacheInfo, ModelCache, Pruned, PruneOptions } from './models/cache.js'
import type { LoadDeps, LoadedModel, LoadModelOptions } from './models/load.js'
import type { ModelInfo, RegisterRequest } from './models/log.js'
import type { ModelOptions, PackageDeps } from './models/package.js'
import { type Registry, registry } from './registry/registry.js'
import type { ArtifactTarget, DownloadOptions } from './resolve/artifacts.js'
import { beginRun } from './run/begin.js'
import { endAtExit, forgetAtExit } from './run/exit.js'
import { isAway } from './run/offline.js'
import { directOutlet } from './run/outlet.js'
import { type LiveRun, openRun, type Run } from './run/run.js'
import type { StartRunOptions } from './run/start.js'
import type { Watch } from './spool/deliver.js'
import type { SyncOptions, SyncResult } from './sync/sync.js'
import {
  type CallOptions,
  type Experiments,
  ensureExperiment,
  experiments,
  requireActive,
} from './tracking/experiments.js'
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
  /** Starts a run and resolves to its handle; it is not made active. */
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
   * Looks at all that has to be well: address, server, version, authentication, proxy, clock, artifacts, cache, spool. Each
   * answer is `{ name, status, detail, fix? }`; what is not well is an answer, not an error.
   */
  doctor(): Promise<Check[]>
  /**
   * Copies a store (a path or an address) into another: experiments by name, runs with their metric histories, times and
   * artifacts, logged models, registered models. A second copy adds nothing and one that was cut goes on. What fails is in
   * the result; throws `NetworkError` and the like when a store is out of reach, `NotFoundError` when there is no source,
   * `UnavailableError` while another process of this machine copies to the same target.
   */
  sync(source: string, options?: SyncOptions): Promise<SyncResult>
  /** What the model cache holds: `{ dir, bytes, entries }`. */
  cacheInfo(): Promise<CacheInfo>
  /** Removes models from the cache: down to `maxBytes`, or those unused for `olderThanMs`. */
  pruneCache(options?: PruneOptions): Promise<Pruned>
  /** Calls `listener` at each event; the answer takes it off again. */
  on<E extends keyof ClientEvents>(event: E, listener: (detail: ClientEvents[E]) => void): () => void
  /** Resolves when all that the open runs logged has arrived; rejects with what was refused. */
  flush(options?: { readonly timeoutMs?: number }): Promise<void>
  /**
   * Delivers what processes that are gone have left in the spool, each run to the server it was logged to, with the
   * environment's credentials; what a living process delivers is left to it. A server that takes nothing is given up, and
   * the rest stays: see `complete` of each run.
   */
  deliverSpool(options?: SpoolDeliveryOptions): Promise<SpoolDelivery[]>
  /** Ends the runs that are open and lets go of connections. */
  close(): Promise<void>
}

/** Makes a client; nothing is opened before the first verb. Throws `InvalidParameterError` for a URI that has no transport. */
export function createClient(options: ClientOptions = {}): Client {
  return clientOf(wire(options), (uri) => wire({ ...options, trackingUri: uri, registryUri: uri }))
}

function clientOf(parts: Parts, partsAt: (uri: string) => Parts): Client {
  const { settings, backends, rules } = parts
  const tracking = backends.tracking.transport
  const events = new EventEmitter()
  const open = new Set<LiveRun>()
  let current: Experiment | undefined
  /** The name of an experiment that was set while its server was away. */
  let wanted: string | undefined
  const mayBeOffline = parts.spool !== undefined && settings.offline === 'fallback'

  const experimentVerbs = experiments(tracking)
  const runVerbs = runs({
    transport: tracking,
    experiments: experimentVerbs,
    defaultExperimentIds: () => (current ? [current.experimentId] : []),
    rules,
  })
  const starting = mayBeOffline ? experiments(parts.impatient) : experimentVerbs
  const startVerbs = mayBeOffline
    ? runs({ transport: parts.impatient, experiments: starting, defaultExperimentIds: () => [], rules })
    : runVerbs
  const registryVerbs = registry({
    transport: backends.registry.transport,
    tracking,
    user: () => settings.user ?? systemUser(),
  })

  /** The experiment that is set: by `setExperiment`, else by the environment, looked up once. */
  async function currentExperiment(verbs = experimentVerbs): Promise<Experiment | undefined> {
    const { experimentId, experimentName } = settings
    if (wanted !== undefined) current = await ensureExperiment(verbs, wanted)
    wanted = undefined
    if (current) return current
    if (experimentId !== undefined) current = requireActive(await verbs.getExperiment(experimentId))
    if (experimentName === undefined) return current
    if (current && current.name !== experimentName)
      throw new InvalidParameterError(
        `MLFLOW_EXPERIMENT_ID ${experimentId} is ${JSON.stringify(current.name)}, but MLFLOW_EXPERIMENT_NAME is ${JSON.stringify(experimentName)}; set one of them`,
      )
    current ??= await ensureExperiment(verbs, experimentName)
    return current
  }

  /** The experiment that is set, as far as it is known without its server. */
  function knownExperiment(): { readonly experimentId: string } | { readonly name: string } | undefined {
    const { experimentId, experimentName } = settings
    if (wanted !== undefined) return { name: wanted }
    if (current ?? experimentId) return { experimentId: current?.experimentId ?? experimentId! }
    return experimentName === undefined ? undefined : { name: experimentName }
  }

  async function register({ name, source, stage, alias, signal }: RegisterRequest): Promise<string> {
    const { version } = await registryVerbs.registerModel(source, name, { signal })
    if (stage !== undefined) await registryVerbs.transitionStage(name, version, stage, { signal })
    if (alias !== undefined) await registryVerbs.transitionStage(name, version, { alias }, { signal })
    return version
  }

  async function logModel(run: Run, model: unknown, options: Parameters<Run['logModel']>[1]): Promise<ModelInfo> {
    if (typeof options !== 'object' || options === null)
      throw new InvalidParameterError("logModel takes options with the model's name, like { name: 'model' }")
    const log = await import('./models/log.js')
    const deps = {
      ...(await packageDeps()),
      transport: tracking,
      openArtifacts: parts.openArtifacts,
      registerModel: register,
    }
    // The logged model takes over what the run knows of itself: its parameters have to be there first.
    const runId = parts.spool ? parts.spool.serverRunId(run.runId) : run.runId
    if (runId === undefined)
      throw new UnavailableError(
        `The run ${run.runId} has not reached its server yet, and a model needs it; keep the model with saveModel and log it later`,
      )
    await run.flush()
    const { info, data } = await runVerbs.getRun(runId, { signal: options.signal })
    return log.logModel(deps, { ...info, params: data.params }, model, options)
  }

  const warn = (message: string) => parts.logger.warn(message)
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
      openArtifacts: parts.openArtifacts,
      cache: await cache(),
      scope: [backends.tracking.uri, backends.registry.uri],
      flavors: await parts.flavors(),
      warn,
    }
  }

  const watch = (runId: string): Watch => ({
    onRetry: (error, delayMs) => void events.emit('retry', { runId, error, delayMs }),
    onRefused: (error, count) => void events.emit('refused', { runId, error, count }),
    onSpooled: (error) => void events.emit('spooled', { runId, error }),
    onRecovered: () => void events.emit('recovered', { runId }),
    onDamaged: (stretches) =>
      warn(`What was kept on disk for run ${runId} was damaged in ${stretches} places; what stood there is lost`),
  })

  const client: Client = {
    ...experimentVerbs,
    ...runVerbs,
    ...registryVerbs,
    getTrackingUri: () => backends.tracking.uri,
    getRegistryUri: () => backends.registry.uri,
    async setExperiment(experiment, options) {
      wanted = undefined
      if (typeof experiment !== 'string') {
        if (typeof experiment !== 'object' || experiment === null)
          throw new InvalidParameterError('setExperiment takes a name, or { experimentId }')
        current = requireActive(await experimentVerbs.getExperiment(experiment.experimentId, options))
        return current
      }
      try {
        current = await ensureExperiment(starting, experiment, options?.signal)
      } catch (error) {
        if (!mayBeOffline || !isAway(error)) throw error
        wanted = experiment
        parts.logger.warn(
          `The server is away; the experiment ${JSON.stringify(experiment)} is set when it is back: ${error.message}`,
        )
        return notYetThere(experiment)
      }
      return current
    },
    async startRun(options = {}) {
      const begun = await beginRun(
        {
          experiments: starting,
          runs: startVerbs,
          rules,
          current: () => currentExperiment(starting),
          knownExperiment,
          user: settings.user,
          runContext: settings.runContext,
          mayBeOffline,
          spool: parts.spool?.open,
          direct: async (runId) => directOutlet(await tracking(), runId),
          serverRunId: (runId) => (parts.spool ? parts.spool.serverRunId(runId) : runId),
          watch,
          warn,
        },
        options,
      )
      const { data, owned, outlet, away } = begun
      const { runId } = data.info
      const run: LiveRun = openRun(data, {
        transport: away ? away.transport : await tracking(),
        outlet,
        store: async () => away?.store ?? parts.openArtifacts(data.info.artifactUri ?? ''),
        rules,
        buffer: {
          ...parts.buffer,
          ...bufferWatch(watch(runId)),
        },
        say: parts.say,
        url: away ? undefined : runUrl(data, backends.tracking.uri),
        whereToLook: settings.suppressUrl || away ? undefined : whereToLook(data, backends.tracking.uri),
        logModel: (model, modelOptions) => logModel(run, model, modelOptions),
        owned,
        onEnded: () => {
          open.delete(run)
          forgetAtExit(run)
        },
      })
      open.add(run)
      endAtExit(run)
      run.logParams(options.params ?? {})
      return run
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
    async doctor() {
      const { doctor } = await import('./doctor.js')
      const { openServer } = parts
      return doctor({
        trackingUri: backends.tracking.uri,
        registryUri: backends.registry.uri,
        chosen: parts.chosen,
        transport: tracking,
        send: openServer && (async () => (await openServer()).send),
        proxy: /^http:/i.test(backends.tracking.uri) ? settings.http.httpProxy : settings.http.httpsProxy,
        cache: async () => (await cache()).info(),
        spoolDir: settings.spoolDir,
        now: Date.now,
      })
    },
    async sync(source, { to = backends.tracking.uri, ...rules } = {}) {
      const [{ sync }, { alone }] = await Promise.all([import('./sync/sync.js'), import('./sync/alone.js')])
      const stores = [partsAt(source), partsAt(to)] as const
      const side = async ({ backends: { tracking: store }, openArtifacts }: Parts) => ({
        uri: store.uri,
        local: store.local,
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
      events.on(event, listener)
      return () => void events.off(event, listener)
    },
    async flush(options) {
      await Promise.all([...open].map((run) => run.flush(options)))
    },
    deliverSpool: (options = {}) => parts.deliverSpool(options),
    async close() {
      await Promise.all([...open].map((run) => run.finish('FINISHED')))
      await parts.close()
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return client
}

/** An experiment that was named while its server was away. */
const notYetThere = (name: string): Experiment => ({
  experimentId: '',
  name,
  artifactLocation: undefined,
  lifecycleStage: 'active',
  creationTime: undefined,
  lastUpdateTime: undefined,
  tags: {},
})

const bufferWatch = ({ onRetry, onRefused, onRecovered }: Watch): BufferOptions => ({
  ...(onRetry && { onRetry }),
  ...(onRefused && { onRefused }),
  ...(onRecovered && { onRecovered }),
})

/** The page of a run on a server. */
function runUrl({ info }: RunData, trackingUri: string): string | undefined {
  if (!/^https?:/i.test(trackingUri)) return undefined
  const { origin, pathname } = new URL(trackingUri)
  return `${origin}${pathname.replace(/\/$/, '')}/#/experiments/${info.experimentId}/runs/${info.runId}`
}

/** One line for the end of a run; a child's is its parent's, and a scheme of the user's own is theirs to open. */
function whereToLook(data: RunData, trackingUri: string): string | undefined {
  const { runId, runName = runId } = data.info
  if (data.data.tags['mlflow.parentRunId'] !== undefined) return undefined
  const url = runUrl(data, trackingUri)
  if (url !== undefined) return `cairn: run ${runName}: ${url}`
  if (!isLocal(trackingUri)) return undefined
  return `cairn: run ${runName}: npx cairn-ml runs show ${runId} --tracking-uri ${trackingUri}`
}
