import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { matches, type Subject } from '../../core/filter/matches.js'
import { parseFilter } from '../../core/filter/parse.js'
import { checkExperimentName, checkKey, DEFAULT_EXPERIMENT, LIMITS, lengthOf } from '../../core/names.js'
import { parseOrderBy, sortBy } from '../../core/order.js'
import { page, pageSize } from '../../core/page.js'
import { valueIn } from '../../core/pairs.js'
import { withLock } from '../../disk/lock.js'
import { createDir } from '../../disk/stage-dir.js'
import { exists, move, writeAtomic } from '../../disk/write.js'
import { AlreadyExistsError, InvalidParameterError, NotFoundError } from '../../errors.js'
import type { Input, WireExperiment } from '../protocol.js'
import { writeMeta } from './codec.js'
import { readExperiment } from './experiment-meta.js'
import type { HandlersOf } from './handlers.js'
import {
  experimentDir,
  findExperimentDir,
  listExperimentDirs,
  lockFile,
  META,
  type Store,
  TRASH,
  trashedDir,
} from './layout.js'
import { appendToUri, changeMetaFile } from './meta-file.js'
import { listRunsIn, setLifecycle } from './run-meta.js'
import { deleteTag, fitValue, type KeyValue, setTag } from './values.js'

/** Makes the experiment every store begins with; nothing happens when it is there. */
export const createDefaultExperiment = (store: Store): boolean =>
  fillExperiment(store, DEFAULT_EXPERIMENT, { name: 'Default', location: undefined, tags: [] })

interface NewExperiment {
  readonly name: string
  readonly location: string | undefined
  readonly tags: readonly KeyValue[]
}

function fillExperiment(store: Store, id: string, { name, location, tags }: NewExperiment): boolean {
  const now = store.now()
  return createDir(store.root, experimentDir(store, id), (dir) => {
    for (const { key, value } of tags) setTag(dir, join(dir, 'tags'), key, value)
    const meta = {
      artifact_location: location ?? appendToUri(store.artifactRoot, id),
      creation_time: now,
      experiment_id: id,
      last_update_time: now,
      lifecycle_stage: 'active',
      name,
    }
    writeAtomic(join(dir, META), writeMeta(meta))
  })
}

/** 18 decimal digits without a leading zero, as MLflow's own ids are. */
const newId = (): string => String(10n ** 17n + (randomBytes(8).readBigUInt64BE() % (9n * 10n ** 17n)))

function checkLocation(location: string | undefined): string | undefined {
  if (location === undefined || location === '') return undefined
  const refuse = (why: string): never => {
    throw new InvalidParameterError(`The artifact_location ${JSON.stringify(location.slice(0, 200))} ${why}`)
  }
  if (lengthOf(location) > LIMITS.artifactLocation) refuse(`is longer than ${LIMITS.artifactLocation} characters`)
  if (/[#;\0]/.test(location)) refuse('contains "#", ";" or NUL, which readers take apart in different ways')
  if (location.split(/[/\\?]/).includes('..')) refuse('contains a ".." segment')
  return /^[a-z][a-z0-9+.-]+:/i.test(location) ? location : resolve(location)
}

function fitTag(store: Store, { key, value }: KeyValue): KeyValue {
  checkKey('tag', key)
  return { key, value: fitValue(store.truncate, 'experiment tag', key, value, LIMITS.experimentTagValue) }
}

/** All experiments that can be read; broken ones are left out. */
function readable(store: Store, view: 'active' | 'deleted' | 'all'): WireExperiment[] {
  const found: WireExperiment[] = []
  for (const { dir } of listExperimentDirs(store)) {
    const experiment = readExperiment(store, dir, 'skip')
    if (experiment && (view === 'all' || view === experiment.lifecycle_stage)) found.push(experiment)
  }
  return found
}

function byName(store: Store, name: string): WireExperiment | undefined {
  const same = readable(store, 'all').filter((experiment) => experiment.name === name)
  return same.find(({ lifecycle_stage: stage }) => stage === 'active') ?? same[0]
}

function checkFree(store: Store, name: string): void {
  const taken = byName(store, name)
  if (!taken) return
  throw new AlreadyExistsError(
    taken.lifecycle_stage === 'deleted'
      ? `An experiment ${JSON.stringify(name)} exists, deleted (id ${taken.experiment_id}); restore it, take another name, or remove it for good from ${TRASH}`
      : `An experiment ${JSON.stringify(name)} exists already (id ${taken.experiment_id})`,
  )
}

const naming = <T>(store: Store, work: () => T): T => withLock(lockFile(store, 'experiments'), work)

function found(store: Store, id: string): { dir: string; experiment: WireExperiment } {
  const dir = findExperimentDir(store, id)
  const experiment = dir && readExperiment(store, dir, 'throw')
  if (!dir || !experiment) throw new NotFoundError(`There is no experiment with id ${id} in ${store.root}`)
  return { dir, experiment }
}

function active(store: Store, id: string, purpose: string): string {
  const { dir, experiment } = found(store, id)
  if (experiment.lifecycle_stage !== 'active')
    throw new InvalidParameterError(`The experiment ${id} is deleted; restore it to ${purpose}`)
  return dir
}

function subject(experiment: WireExperiment): Subject {
  const attributes: Record<string, string | number | undefined> = {
    name: experiment.name,
    experiment_id: experiment.experiment_id,
    creation_time: experiment.creation_time,
    last_update_time: experiment.last_update_time,
  }
  return {
    attribute: (key) => attributes[key],
    metric: () => undefined,
    param: () => undefined,
    tag: (key) => valueIn(experiment.tags, key),
    datasets: () => [],
  }
}

const VIEWS = { ACTIVE_ONLY: 'active', DELETED_ONLY: 'deleted', ALL: 'all' } as const

function search(store: Store, input: Input<'searchExperiments'>) {
  const fits = matches(parseFilter(input.filter, 'experiments'))
  const order = parseOrderBy(input.order_by, 'experiments')
  const size = pageSize('experiments', input.max_results)
  const all = readable(store, VIEWS[input.view_type ?? 'ACTIVE_ONLY']).filter((experiment) => fits(subject(experiment)))
  const { items, ...rest } = page(sortBy(all, subject, order), size, input.page_token)
  return { experiments: items, ...rest }
}

function remove(store: Store, id: string): void {
  if (id === DEFAULT_EXPERIMENT) throw new InvalidParameterError('The default experiment (id 0) cannot be deleted')
  const dir = findExperimentDir(store, id, 'active')
  if (!dir || !readExperiment(store, dir, 'throw'))
    throw new NotFoundError(`There is no active experiment with id ${id} in ${store.root}`)
  const now = store.now()
  for (const run of listRunsIn(store, dir))
    if (run.info.lifecycle_stage === 'active') setLifecycle(store, run.dir, 'deleted', now)
  changeMetaFile(dir, { lifecycle_stage: 'deleted', last_update_time: now })
  move(dir, trashedDir(store, id))
}

function restore(store: Store, id: string): void {
  const target = experimentDir(store, id)
  const trashed = findExperimentDir(store, id, 'deleted')
  if (trashed && exists(target)) throw new AlreadyExistsError(`An active experiment with id ${id} stands in the way`)
  if (trashed) move(trashed, target)
  // One that a kill left half-way, back in its place but still marked deleted, is brought to its end here.
  const experiment = trashed || exists(target) ? readExperiment(store, target, 'throw') : undefined
  if (experiment?.lifecycle_stage !== 'deleted')
    throw new NotFoundError(`There is no deleted experiment with id ${id} in ${store.root}`)
  for (const run of listRunsIn(store, target)) setLifecycle(store, run.dir, 'active', undefined)
  changeMetaFile(target, { lifecycle_stage: 'active', last_update_time: store.now() })
}

type ExperimentOperation =
  | 'createExperiment'
  | 'getExperiment'
  | 'getExperimentByName'
  | 'searchExperiments'
  | 'updateExperiment'
  | 'deleteExperiment'
  | 'restoreExperiment'
  | 'setExperimentTag'
  | 'deleteExperimentTag'

/** The operations on experiments. */
export const experiments = (store: Store): HandlersOf<ExperimentOperation> => ({
  async createExperiment(input) {
    const name = checkExperimentName(input.name)
    const location = checkLocation(input.artifact_location)
    const tags = (input.tags ?? []).map(({ key, value = '' }) => fitTag(store, { key, value }))
    const id = newId()
    return naming(store, () => {
      checkFree(store, name)
      fillExperiment(store, id, { name, location, tags })
      return { experiment_id: id }
    })
  },
  async getExperiment(input) {
    return { experiment: found(store, input.experiment_id).experiment }
  },
  async getExperimentByName(input) {
    const experiment = byName(store, checkExperimentName(input.experiment_name))
    if (!experiment)
      throw new NotFoundError(`There is no experiment named ${JSON.stringify(input.experiment_name)} in ${store.root}`)
    return { experiment }
  },
  async searchExperiments(input) {
    return search(store, input)
  },
  async updateExperiment(input) {
    const name = checkExperimentName(input.new_name)
    return naming(store, () => {
      const dir = active(store, input.experiment_id, 'rename it')
      checkFree(store, name)
      changeMetaFile(dir, { name, last_update_time: store.now() })
      return {}
    })
  },
  async deleteExperiment(input) {
    naming(store, () => remove(store, input.experiment_id))
    return {}
  },
  async restoreExperiment(input) {
    naming(store, () => restore(store, input.experiment_id))
    return {}
  },
  async setExperimentTag(input) {
    const { key, value } = fitTag(store, input)
    const dir = active(store, input.experiment_id, 'set its tags')
    setTag(dir, join(dir, 'tags'), key, value)
    return {}
  },
  async deleteExperimentTag(input) {
    const dir = active(store, input.experiment_id, 'remove its tags')
    if (!deleteTag(join(dir, 'tags'), input.key))
      throw new NotFoundError(`The experiment ${input.experiment_id} has no tag ${JSON.stringify(input.key)}`)
    return {}
  },
})
