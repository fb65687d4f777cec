import { join, resolve } from 'node:path'
import { sweepStaging } from '../../disk/stage-dir.js'
import { listDirs } from '../../disk/walk.js'
import { exists, makeDir } from '../../disk/write.js'
import { InvalidParameterError } from '../../errors.js'
import type { Input, Operation, Output, WireFile } from '../protocol.js'
import type { CallOptions, Transport } from '../transport.js'
import { artifacts } from './artifacts.js'
import { datasets, linkModelNow } from './datasets.js'
import { createDefaultExperiment, experiments } from './experiments.js'
import type { Handlers } from './handlers.js'
import { fileUri, type Store, TRASH } from './layout.js'
import { logBatchNow, logging } from './log-batch.js'
import { loggedModels } from './logged-models.js'
import { memo } from './memo.js'
import { metrics } from './metrics.js'
import { once } from './readable.js'
import { registry } from './registry.js'
import { deleteTagNow, runs } from './runs.js'
import { runSearch } from './search-runs.js'

/** Where a local store lies and how it behaves. */
export interface FileTransportOptions {
  /** The `mlruns` folder; made, with the experiment "Default", at the first call when it is missing. */
  readonly root: string
  /** URI under which artifacts of new experiments go; the root's own by default. */
  readonly artifactRoot?: string | undefined
  /** Cuts values over MLflow's limits, as MLflow does (the default), or refuses them. */
  readonly truncate?: boolean | undefined
  /** Epoch milliseconds; the system's clock by default. */
  readonly now?: (() => number) | undefined
  /** Where the runs and logged models are that this store's registry is about; in the store itself by default. */
  readonly tracking?: (() => Promise<Pick<Transport, 'call'>>) | undefined
  /** Told, once for each, what a search leaves out because it cannot be read; nobody is by default. */
  readonly warn?: ((message: string) => void) | undefined
  /** Lists an artifact URI that is not on this machine's disk; without it such runs cannot be listed. */
  readonly listArtifacts?: ((uri: string, path: string | undefined) => Promise<readonly WireFile[]>) | undefined
}

/** A root that is new, or that a kill left empty, gets what MLflow begins with; any other is left as it is. */
function prepare(store: Store): void {
  sweepStaging(store.root)
  if (exists(store.root) && listDirs(store.root, { links: true }).some((name) => !name.endsWith(TRASH))) return
  makeDir(store.root)
  createDefaultExperiment(store)
  makeDir(join(store.root, TRASH))
}

/** A backend on this machine's disk, which can also log without a promise between the call and its outcome. */
export interface FileTransport extends Transport {
  /** Writes a batch before it returns, or throws why not. */
  logBatchNow(input: Input<'logBatch'>): void
  /** Removes a tag before it returns; throws `NotFoundError` when it is not there. */
  deleteTagNow(input: Input<'deleteTag'>): void
  /** Notes a logged model as what went into a run, unless it is not there or came out of it, before it returns. */
  linkModelNow(input: { readonly run_id: string; readonly model_id: string }): void
  /** Passes on what somebody else who reads this store left out, unless it was told already. */
  warn(message: string): void
}

/**
 * MLflow's own `mlruns` layout on this machine's disk as a backend, readable and writable by Python MLflow too. All writes
 * of a call are done when the call returns; nothing is cached that others could change unnoticed.
 */
export function fileTransport(options: FileTransportOptions): FileTransport {
  if (!options.root || options.root.includes('\0'))
    throw new InvalidParameterError('The root of a local store must be the path of a folder')
  const root = resolve(options.root)
  const store: Store = {
    root,
    artifactRoot: (options.artifactRoot ?? fileUri(root)).replace(/\/+$/, ''),
    truncate: options.truncate ?? true,
    now: options.now ?? Date.now,
    memo: memo(),
    openRuns: new Map(),
    searches: { awaited: 0 },
    warn: once((message) => options.warn?.(message)),
    tracking: options.tracking,
    listElsewhere: options.listArtifacts,
  }
  const handlers = {
    ...experiments(store),
    ...runs(store),
    ...logging(store),
    ...metrics(store),
    ...datasets(store),
    ...artifacts(store),
    ...runSearch(store),
    ...loggedModels(store),
    ...registry(store),
  } satisfies Handlers
  let ready = false
  const begin = (): Store => {
    if (!ready) prepare(store)
    ready = true
    return store
  }
  return {
    async call<O extends Operation>(operation: O, input: Input<O>, options?: CallOptions): Promise<Output<O>> {
      options?.signal?.throwIfAborted()
      begin()
      const handler: (input: Input<O>, options?: CallOptions) => Promise<Output<O>> = (handlers as Handlers)[operation]
      return handler(input, options)
    },
    logBatchNow: (input) => logBatchNow(begin(), input),
    deleteTagNow: (input) => deleteTagNow(begin(), input),
    linkModelNow: (input) => linkModelNow(begin(), input),
    warn: store.warn,
    async close() {
      store.openRuns.clear()
    },
  }
}
