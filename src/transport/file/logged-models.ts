import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { checkKey, checkLoggedModelName } from '../../core/names.js'
import { createDir } from '../../disk/stage-dir.js'
import { makeDir, writeAtomic } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import type { Input } from '../protocol.js'
import { listAt } from './artifacts.js'
import { writeMeta } from './codec.js'
import { readExperiment } from './experiment-meta.js'
import type { HandlersOf } from './handlers.js'
import { findExperimentDir, META, MODELS, type Store } from './layout.js'
import {
  changingModel,
  locationOf,
  modelTagsOf,
  paramsOf,
  readLoggedModel,
  statusNumber,
  wireLoggedModel,
} from './logged-model-files.js'
import { loggedModelSearch } from './logged-model-search.js'
import { appendToUri, changeMetaFile } from './meta-file.js'
import { runName } from './run-names.js'
import { deleteTag, fitParam, fitTag, type KeyValue, keyFile, setTag, writeParam } from './values.js'

type Pairs = readonly { readonly key: string; readonly value?: string | undefined }[]

const fitParams = (store: Store, params: Pairs = []): KeyValue[] =>
  params.map(({ key, value = '' }) => {
    checkKey('param', key)
    return { key, value: fitParam(store.truncate, key, value) }
  })

const fitTags = (store: Store, tags: Pairs = []): KeyValue[] =>
  tags.map(({ key, value = '' }) => {
    checkKey('tag', key)
    return { key, value: fitTag(store.truncate, key, value) }
  })

/** The folder and the artifact location of an experiment that takes new models. */
function homeOf(store: Store, id: string): { dir: string; location: string } {
  const dir = findExperimentDir(store, id)
  const experiment = dir && readExperiment(store, dir, 'throw')
  if (!dir || !experiment) throw new NotFoundError(`There is no experiment with id ${id} in ${store.root}`)
  if (experiment.lifecycle_stage !== 'active')
    throw new InvalidParameterError(`The experiment ${id} is deleted; restore it to log models to it`)
  return { dir, location: experiment.artifact_location ?? appendToUri(store.artifactRoot, id) }
}

function writeParams(home: string, id: string, params: readonly KeyValue[]): void {
  for (const { key, value } of params) writeParam(home, paramsOf(home), key, value, `the logged model ${id}`)
}

function create(store: Store, input: Input<'createLoggedModel'>): string {
  const { experiment_id: experiment, name, model_type: type, source_run_id: run } = input
  const named = name === undefined ? runName() : checkLoggedModelName(name)
  const params = fitParams(store, input.params)
  const tags = fitTags(store, input.tags)
  const { dir, location } = homeOf(store, experiment)
  const id = `m-${randomUUID().replaceAll('-', '')}`
  const now = store.now()
  const meta = {
    artifact_location: appendToUri(location, MODELS, id, 'artifacts'),
    creation_timestamp: now,
    experiment_id: experiment,
    last_updated_timestamp: now,
    lifecycle_stage: 'active',
    model_id: id,
    model_type: type ?? null,
    name: named,
    source_run_id: run ?? null,
    status: statusNumber('LOGGED_MODEL_PENDING'),
    status_message: null,
  }
  createDir(store.root, join(dir, MODELS, id), (staged) => {
    writeAtomic(join(staged, META), writeMeta(meta))
    for (const folder of ['metrics', 'params']) makeDir(join(staged, folder))
    writeParams(staged, id, params)
    for (const { key, value } of tags) setTag(staged, modelTagsOf(staged), key, value)
  })
  return id
}

type Operations =
  | 'createLoggedModel'
  | 'getLoggedModel'
  | 'finalizeLoggedModel'
  | 'deleteLoggedModel'
  | 'searchLoggedModels'
  | 'setLoggedModelTags'
  | 'deleteLoggedModelTag'
  | 'logLoggedModelParams'
  | 'listLoggedModelArtifacts'

/** Logged models on disk, as MLflow 3 keeps them beside the runs of an experiment. */
export function loggedModels(store: Store): HandlersOf<Operations> {
  const shown = (id: string, deleted?: boolean) => ({
    model: wireLoggedModel(store, readLoggedModel(store, id, deleted)),
  })
  const change = (id: string, fields: Readonly<Record<string, unknown>>): void =>
    changingModel(store, id, () =>
      changeMetaFile(readLoggedModel(store, id).dir, { ...fields, last_updated_timestamp: store.now() }),
    )

  return {
    ...loggedModelSearch(store),
    async createLoggedModel(input) {
      return shown(create(store, input))
    },
    async getLoggedModel({ model_id: id, allow_deleted: deleted }) {
      return shown(id, deleted)
    },
    async finalizeLoggedModel({ model_id: id, status }) {
      if (status !== 'LOGGED_MODEL_READY' && status !== 'LOGGED_MODEL_UPLOAD_FAILED')
        throw new InvalidParameterError(
          `A logged model ends as LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED, not as ${status}`,
        )
      change(id, { status: statusNumber(status) })
      return shown(id)
    },
    async deleteLoggedModel({ model_id: id }) {
      change(id, { lifecycle_stage: 'deleted' })
      return {}
    },
    async setLoggedModelTags({ model_id: id, tags }) {
      const fitted = fitTags(store, tags)
      const { dir } = readLoggedModel(store, id)
      for (const { key, value } of fitted) setTag(dir, modelTagsOf(dir), key, value)
      return {}
    },
    async deleteLoggedModelTag({ model_id: id, tag_key: key }) {
      const { dir } = readLoggedModel(store, id)
      keyFile(modelTagsOf(dir), 'tag', key)
      if (!deleteTag(modelTagsOf(dir), key))
        throw new NotFoundError(`The logged model ${id} has no tag ${JSON.stringify(key)}`)
      return {}
    },
    async logLoggedModelParams({ model_id: id, params }) {
      const fitted = fitParams(store, params)
      writeParams(readLoggedModel(store, id).dir, id, fitted)
      return {}
    },
    async listLoggedModelArtifacts({ model_id: id, artifact_directory_path: path }) {
      return listAt(store, locationOf(readLoggedModel(store, id)), path)
    },
  }
}
