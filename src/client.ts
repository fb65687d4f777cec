import { checkDelivery, checkedStart } from './client/arguments.js'
import { copying } from './client/copy.js'
import { type ClientEvents, listening } from './client/events.js'
import { modelWork } from './client/models.js'
import { startingOf } from './client/start.js'
import { checkedClient } from './client/verb-options.js'
import type { Experiment, FileInfo } from './core/entities.js'
import { givenUri } from './core/model-uri.js'
import type { Check } from './doctor.js'
import { InvalidParameterError } from './errors.js'
import { systemUser } from './host/user.js'
import type { CacheInfo, Pruned, PruneOptions } from './models/cache.js'
import type { LoadedModel, LoadModelOptions } from './models/load.js'
import type { ModelOptions } from './models/package.js'
import { type Registry, registry } from './registry/registry.js'
import { sayingTheWayOut } from './registry/way-out.js'
import type { ArtifactTarget, DownloadOptions } from './resolve/artifacts.js'
import { beginBeforeExit } from './run/exit.js'
import { flushMs } from './run/flush-options.js'
import type { Run } from './run/handle.js'
import type { StartRunOptions } from './run/start.js'
import type { SyncOptions, SyncResult } from './sync/sync.js'
import { type CallOptions, type Experiments, experiments } from './tracking/experiments.js'
import { type Runs, runs } from './tracking/runs.js'
import { type ClientOptions, type Parts, type SpoolDelivery, type SpoolDeliveryOptions, wire } from './wire.js'

export type { ClientEvents } from './client/events.js'

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

function clientOf(parts: Parts, partsAt: (uri: string) => Parts): Client {
  const { settings, backends, rules } = parts
  const tracking = backends.tracking.transport
  const warn = (message: string) => parts.logger.warn(message)
  const away = (said: string) => parts.spool?.outage.down(said)
  const user = () => settings.user ?? systemUser()

  const experimentVerbs = experiments(tracking)
  const runVerbs = runs({
    transport: tracking,
    experiments: experimentVerbs,
    defaultExperimentIds: () => [starting.inUse.id ?? []].flat(),
    rules,
  })
  const ownRegistry = registry({ transport: backends.registry.transport, tracking, user })
  const registryVerbs = backends.registry.local ? ownRegistry : sayingTheWayOut(ownRegistry)
  const models = modelWork(parts, { user, warn, away })
  const events = listening(warn)
  const starting = startingOf(parts, {
    experiments: experimentVerbs,
    runs: runVerbs,
    models: models.ways,
    watch: (runId) => ({
      ...events.of(runId),
      onDamaged: (stretches) =>
        warn(`What was kept on disk for run ${runId} was damaged in ${stretches} places; what stood there is lost`),
    }),
    warn,
    away,
  })

  const client: Client = {
    ...experimentVerbs,
    ...runVerbs,
    ...registryVerbs,
    ...models.verbs,
    getTrackingUri: () => givenUri(backends.tracking.uri),
    getRegistryUri: () => givenUri(backends.registry.uri),
    setExperiment: starting.inUse.set,
    async startRun(options = {}, ...more: unknown[]) {
      if (typeof options === 'function' || more.some((one) => one !== undefined))
        throw new InvalidParameterError(
          "A client's startRun takes options alone and resolves to a run that you end(); to run a function in it, call startRun of the module: cairn.startRun(options, fn)",
        )
      const asked = checkedStart(options, rules)
      return beginBeforeExit(() => starting.start(asked))
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
        cache: async () => (await models.cache()).info(),
        cacheDir: settings.cacheDir,
        spoolDir: settings.spoolDir,
        now: Date.now,
        signal,
      })
    },
    sync: copying(parts, partsAt),
    on: events.on,
    async flush(options = {}) {
      flushMs(options)
      await Promise.all([...starting.open].map((run) => run.flush(options)))
    },
    async deliverSpool(options = {}) {
      checkDelivery(options)
      return parts.deliverSpool(options)
    },
    async close() {
      await Promise.all([...starting.open].map((run) => run.finish('FINISHED')))
      await parts.close()
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return checkedClient(client)
}
