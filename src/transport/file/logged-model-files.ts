import { join } from 'node:path'
import { checkModelId } from '../../core/names.js'
import { TAG } from '../../core/tags.js'
import { withLock } from '../../disk/lock.js'
import { stateOf } from '../../disk/write.js'
import { IntegrityError, NotFoundError } from '../../errors.js'
import type { WireLoggedModel } from '../protocol.js'
import { type Meta, numberField, textField } from './codec.js'
import { fileUri, listExperimentDirs, lockFile, MODELS, type Store } from './layout.js'
import { idsOf } from './meta-file.js'
import { metaOf } from './model-meta.js'
import { readModelMetrics } from './model-metrics.js'
import { ifReadable } from './readable.js'
import { readValue, readValues, setTag } from './values.js'

/** A logged model as it lies on disk. */
export interface LoggedModelOnDisk {
  readonly id: string
  readonly dir: string
  readonly meta: Meta
}

const STATUSES = [
  'LOGGED_MODEL_STATUS_UNSPECIFIED',
  'LOGGED_MODEL_PENDING',
  'LOGGED_MODEL_READY',
  'LOGGED_MODEL_UPLOAD_FAILED',
] as const
export type LoggedModelStatus = (typeof STATUSES)[number]

/** A status as `meta.yaml` has it: PENDING is 1, READY 2, UPLOAD_FAILED 3. */
export const statusNumber = (status: LoggedModelStatus): number => STATUSES.indexOf(status)
export const statusOf = (meta: Meta): LoggedModelStatus =>
  STATUSES[numberField(meta, 'status') ?? 0] ?? 'LOGGED_MODEL_STATUS_UNSPECIFIED'

/** Runs a change of one logged model while no other process makes one. */
export const changingModel = <T>(store: Store, id: string, work: () => T): T =>
  withLock(lockFile(store, `logged-model-${id}`), work)

const isDeleted = (meta: Meta): boolean => meta.lifecycle_stage === 'deleted'

/** What a model's folder holds; throws `IntegrityError` when `meta.yaml` is broken or names another model or experiment. */
function readModelFolder(store: Store, dir: string): LoggedModelOnDisk {
  const meta = metaOf(store, dir)
  const { own: id } = idsOf(dir)
  const experiment = idsOf(join(dir, '..')).parent
  if (textField(meta, 'model_id') !== id || textField(meta, 'experiment_id') !== experiment)
    throw new IntegrityError(
      `${join(dir, 'meta.yaml')} does not name the model ${id} of experiment ${experiment}, where it lies`,
    )
  return { id, dir, meta }
}

/** The folder of a logged model, with or without `meta.yaml`: one that lost it is broken, not absent. */
function modelDir(store: Store, id: string): string | undefined {
  checkModelId(id)
  return listExperimentDirs(store, 'active')
    .map(({ dir }) => join(dir, MODELS, id))
    .find((dir) => stateOf(dir)?.isDirectory)
}

/** A logged model by its id; throws `NotFoundError` when there is none, or when it is deleted and `deleted` is not asked for. */
export function readLoggedModel(store: Store, id: string, deleted = false): LoggedModelOnDisk {
  const dir = modelDir(store, id)
  const model = dir === undefined ? undefined : readModelFolder(store, dir)
  if (!model || (isDeleted(model.meta) && !deleted))
    throw new NotFoundError(`There is no logged model ${id} in ${store.root}`)
  return model
}

/** As `readModelFolder`, but undefined for a deleted one and for what cannot be read. */
export function modelFolderIfReadable(store: Store, dir: string): LoggedModelOnDisk | undefined {
  return ifReadable(store, () => {
    const model = readModelFolder(store, dir)
    return isDeleted(model.meta) ? undefined : model
  })
}

/** As `readLoggedModel`, but undefined for what is not there or cannot be read. */
export const loggedModelIfReadable = (store: Store, id: string): LoggedModelOnDisk | undefined =>
  ifReadable(store, () => readLoggedModel(store, id))

/** Where the files of a logged model lie, as a URI. */
export const locationOf = ({ dir, meta }: LoggedModelOnDisk): string =>
  textField(meta, 'artifact_location') || fileUri(join(dir, 'artifacts'))

export const paramsOf = (dir: string): string => join(dir, 'params')
export const modelTagsOf = (dir: string): string => join(dir, 'tags')

/** A logged model as MLflow's REST API shows it. */
export function wireLoggedModel(store: Store, model: LoggedModelOnDisk): WireLoggedModel {
  const { id, dir, meta } = model
  return {
    info: {
      model_id: id,
      experiment_id: textField(meta, 'experiment_id') ?? '',
      name: textField(meta, 'name') ?? '',
      creation_timestamp_ms: numberField(meta, 'creation_timestamp'),
      last_updated_timestamp_ms: numberField(meta, 'last_updated_timestamp'),
      artifact_uri: locationOf(model),
      status: statusOf(meta),
      status_message: textField(meta, 'status_message'),
      model_type: textField(meta, 'model_type'),
      source_run_id: textField(meta, 'source_run_id'),
      tags: readValues(modelTagsOf(dir)),
    },
    data: { params: readValues(paramsOf(dir)), metrics: readModelMetrics(store, dir, id) },
  }
}

/** The list that a tag holds as JSON; empty for what is none. */
export function listIn(text: string | undefined): unknown[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list) ? list : []
  } catch {
    return []
  }
}

/** Adds a version to those a logged model remembers, as MLflow's server does. */
export function rememberVersion(store: Store, id: string, name: string, version: number): void {
  const { dir } = readLoggedModel(store, id)
  changingModel(store, id, () => {
    const known = listIn(readValue(modelTagsOf(dir), TAG.versions))
    setTag(dir, modelTagsOf(dir), TAG.versions, JSON.stringify([...known, { name, version }]))
  })
}
