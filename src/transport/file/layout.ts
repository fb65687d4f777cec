import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkExperimentId, checkModelId, checkRunId } from '../../core/names.js'
import { LOCKS, STAGING } from '../../disk/stage-dir.js'
import { isRealDir, listDirs } from '../../disk/walk.js'
import { type FileState, stateOf } from '../../disk/write.js'
import { NotFoundError } from '../../errors.js'
import type { WireFile, WireRunInfo } from '../protocol.js'
import type { Transport } from '../transport.js'
import type { Memo } from './memo.js'

/** A run that is being logged to. */
export interface OpenRun {
  readonly dir: string
  /** Of its `meta.yaml`; undefined while that is too young to tell changes. */
  readonly state: FileState | undefined
  readonly info: WireRunInfo
  /** Metric key → its file, once its key and its last line have been found good. */
  readonly metricFiles: Map<string, string>
}

/** What every handler of the file transport is given. */
export interface Store {
  /** The `mlruns` folder, absolute. */
  readonly root: string
  /** Where artifacts of new experiments go, as a URI without a slash at its end; the root's own unless told otherwise. */
  readonly artifactRoot: string
  /** Whether values over MLflow's limits are cut (MLflow's default) or refused. */
  readonly truncate: boolean
  /** Epoch milliseconds. */
  readonly now: () => number
  /** What was read from small files, kept until somebody changes them. */
  readonly memo: Memo
  /** Runs that batches were logged to, as last seen; checked on each use. */
  readonly openRuns: Map<string, OpenRun>
  /** How many searches over runs are under way that somebody waits for. */
  readonly searches: { awaited: number }
  /** Told once of each thing that a listing leaves out because it cannot be read. */
  readonly warn: (message: string) => void
  /** Where the runs and logged models are that the registry is about; in this store itself when left out. */
  readonly tracking?: (() => Promise<Pick<Transport, 'call'>>) | undefined
  /** Lists what lies at an artifact URI that is not on this machine's disk; paths relative to it. */
  readonly listElsewhere?: ((uri: string, path: string | undefined) => Promise<readonly WireFile[]>) | undefined
}

export const META = 'meta.yaml'
export const TRASH = '.trash'
/** The registry's folder in the root, and the logged models' folder in an experiment. */
export const MODELS = 'models'
/** Folders of an experiment that are no runs. */
const RESERVED = new Set(['tags', 'datasets', 'traces', MODELS])

/** A local path as MLflow writes it into `meta.yaml`: a `file:` URI, percent-encoded. */
export const fileUri = (path: string): string => pathToFileURL(path).href

/** A lock file of the store; what it guards is in its name. */
export const lockFile = (store: Store, name: string): string => join(store.root, STAGING, LOCKS, `${name}.lock`)

/** Where an active experiment lies. */
export const experimentDir = (store: Store, id: string): string => join(store.root, id)
/** Where a deleted experiment lies. */
export const trashedDir = (store: Store, id: string): string => join(store.root, TRASH, id)

const isDir = (path: string): boolean => stateOf(path)?.isDirectory === true

/** The folder of an experiment, active before deleted; undefined when there is none. The id is checked. */
export function findExperimentDir(
  store: Store,
  id: string,
  view: 'active' | 'deleted' | 'all' = 'all',
): string | undefined {
  checkExperimentId(id)
  if (id === MODELS) return undefined
  const places = [
    ...(view === 'deleted' ? [] : [experimentDir(store, id)]),
    ...(view === 'active' ? [] : [trashedDir(store, id)]),
  ]
  return places.find(isDir)
}

/** The folders of all experiments (links to folders included): ids as named on disk, active before deleted. */
export function listExperimentDirs(
  store: Store,
  view: 'active' | 'deleted' | 'all' = 'all',
): { id: string; dir: string }[] {
  const list = (parent: string) => listDirs(parent, { links: true }).map((id) => ({ id, dir: join(parent, id) }))
  const active = () => list(store.root).filter(({ id }) => !id.endsWith(TRASH) && id !== MODELS)
  return [...(view === 'deleted' ? [] : active()), ...(view === 'active' ? [] : list(join(store.root, TRASH)))]
}

/** The ids of an experiment's runs, as its folder names them; what they hold is not looked at. */
export const listRunIds = (store: Store, experiment: string): string[] =>
  store.memo.dirs(experiment).filter((name) => !RESERVED.has(name))

/** The folder of a run; throws `NotFoundError` when there is none. The id is checked. */
export function runDir(store: Store, id: string): string {
  checkRunId(id)
  const found = RESERVED.has(id)
    ? undefined
    : listExperimentDirs(store)
        .map(({ dir }) => join(dir, id))
        .find(isRunDir)
  if (found === undefined) throw new NotFoundError(`There is no run ${id} in ${store.root}`)
  return found
}

// A meta.yaml alone makes no run: one planted among artifacts, or behind a link, must not be taken for it.
const isRunDir = (dir: string): boolean =>
  isRealDir(dir) && isDir(join(dir, 'metrics')) && isDir(join(dir, 'params')) && isDir(join(dir, 'artifacts'))

/** The folder of a logged model of an active experiment; undefined when there is none. The id is checked. */
export function findModelDir(store: Store, id: string): string | undefined {
  checkModelId(id)
  return listExperimentDirs(store, 'active')
    .map(({ dir }) => join(dir, MODELS, id))
    .find((dir) => stateOf(join(dir, META)) !== undefined)
}

/** The folder of the model registry. */
export const registryDir = (store: Store): string => join(store.root, MODELS)
