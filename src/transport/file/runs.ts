import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { checkKey } from '../../core/names.js'
import { valueIn } from '../../core/pairs.js'
import { TAG } from '../../core/tags.js'
import { createDir } from '../../disk/stage-dir.js'
import { makeDir, writeAtomic } from '../../disk/write.js'
import { IntegrityError, InvalidParameterError, NotFoundError } from '../../errors.js'
import type { Input, Output } from '../protocol.js'
import { writeMeta } from './codec.js'
import { readInputs, readOutputs } from './datasets.js'
import { readExperiment } from './experiment-meta.js'
import type { HandlersOf } from './handlers.js'
import { findExperimentDir, META, type Store } from './layout.js'
import { appendToUri, wholeNumberOf } from './meta-file.js'
import { latestMetrics } from './metrics.js'
import { changeRun, findActiveRun, findRun, readRunInfo, setLifecycle } from './run-meta.js'
import { runName } from './run-names.js'
import { statusNumber } from './run-text.js'
import { deleteTag, fitTag, type KeyValue, readValue, readValues, setTag } from './values.js'

/** Everything a run holds, as it stands on disk. */
export function readRun(store: Store, dir: string): Output<'getRun'>['run'] {
  const info = readRunInfo(store, dir)
  if (!info) throw new NotFoundError(`There is no run in ${dir}`)
  return {
    info,
    data: {
      metrics: latestMetrics(store, dir),
      params: readValues(`${dir}/params`, store.memo),
      tags: readValues(`${dir}/tags`, store.memo),
    },
    inputs: readInputs(store, dir),
    outputs: readOutputs(store, dir),
  }
}

function nameAndTags(store: Store, input: Input<'createRun'>): { name: string; tags: KeyValue[] } {
  const tags = (input.tags ?? []).map(({ key, value = '' }) => ({
    key: checkKey('tag', key),
    value: fitTag(store.truncate, key, value),
  }))
  const tagged = valueIn(tags, TAG.runName)
  if (input.run_name && tagged && input.run_name !== tagged)
    throw new InvalidParameterError(
      `The run is named ${JSON.stringify(input.run_name)} by run_name and ${JSON.stringify(tagged)} by the tag ${TAG.runName}; give one of them, or the same`,
    )
  const name = input.run_name || tagged || runName()
  return { name, tags: [...tags.filter(({ key }) => key !== TAG.runName), { key: TAG.runName, value: name }] }
}

function create(store: Store, input: Input<'createRun'>): Output<'createRun'> {
  const parent = findExperimentDir(store, input.experiment_id)
  const experiment = parent && readExperiment(store, parent, 'throw')
  if (!parent || !experiment)
    throw new NotFoundError(`There is no experiment with id ${input.experiment_id} in ${store.root}`)
  if (experiment.lifecycle_stage !== 'active')
    throw new InvalidParameterError(`The experiment ${input.experiment_id} is deleted; restore it to add runs to it`)
  const { name, tags } = nameAndTags(store, input)
  const start = wholeNumberOf(input.start_time ?? store.now(), 'start_time')
  const id = randomUUID().replaceAll('-', '')
  const location = experiment.artifact_location ?? appendToUri(store.artifactRoot, input.experiment_id)
  const meta = {
    artifact_uri: appendToUri(location, id, 'artifacts'),
    deleted_time: null,
    end_time: null,
    entry_point_name: '',
    experiment_id: input.experiment_id,
    lifecycle_stage: 'active',
    run_id: id,
    run_name: name,
    // Readers before MLflow 2 know no run_id.
    run_uuid: id,
    source_name: '',
    source_type: 4,
    source_version: '',
    start_time: start,
    status: statusNumber('RUNNING'),
    tags: [],
    user_id: input.user_id ?? '',
  }
  const dir = join(parent, id)
  createDir(store.root, dir, (staged) => {
    for (const folder of ['metrics', 'params', 'artifacts', 'tags']) makeDir(join(staged, folder))
    for (const { key, value } of tags) setTag(staged, join(staged, 'tags'), key, value)
    writeAtomic(join(staged, META), writeMeta(meta))
  })
  return { run: readRun(store, dir) }
}

function update(store: Store, input: Input<'updateRun'>): Output<'updateRun'> {
  const { dir } = findActiveRun(store, input.run_id)
  const name = input.run_name ? fitTag(store.truncate, TAG.runName, input.run_name) : undefined
  changeRun(store, dir, {
    deleted_time: undefined,
    ...(input.status === undefined ? {} : { status: statusNumber(input.status) }),
    ...(input.end_time === undefined ? {} : { end_time: wholeNumberOf(input.end_time, 'end_time') }),
    ...(name === undefined ? {} : { run_name: name }),
  })
  if (name !== undefined) setTag(dir, join(dir, 'tags'), TAG.runName, name)
  const info = readRunInfo(store, dir)
  return info ? { run_info: info } : {}
}

const KEPT = ['run_id', 'utc_time_created', 'artifact_path', 'model_uuid', 'flavors']

function parseJson(text: string, refuse: () => Error): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refuse()
  }
}

function recordModel(store: Store, input: Input<'logModel'>): void {
  const { dir } = findActiveRun(store, input.run_id)
  const model = parseJson(input.model_json, () => new InvalidParameterError('model_json is not JSON'))
  const fields = Object.entries(typeof model === 'object' && model !== null ? model : {})
  for (const needed of ['artifact_path', 'flavors', 'utc_time_created', 'run_id'])
    if (!fields.some(([key]) => key === needed))
      throw new InvalidParameterError(`model_json lacks ${needed}; it is the MLmodel of what was logged, as JSON`)
  const before = parseJson(
    readValue(join(dir, 'tags'), TAG.models) ?? '[]',
    () => new IntegrityError(`The tag ${TAG.models} of the run ${input.run_id} is not JSON`),
  )
  const entry = Object.fromEntries(fields.filter(([key]) => KEPT.includes(key)))
  setTag(dir, join(dir, 'tags'), TAG.models, JSON.stringify([...(Array.isArray(before) ? before : []), entry]))
}

/** Removes a tag of a run; it is gone when this returns. */
export function deleteTagNow(store: Store, input: Input<'deleteTag'>): void {
  const { dir } = findActiveRun(store, input.run_id)
  if (!deleteTag(join(dir, 'tags'), input.key))
    throw new NotFoundError(`The run ${input.run_id} has no tag ${JSON.stringify(input.key)}`)
}

type RunOperation = 'createRun' | 'getRun' | 'updateRun' | 'deleteRun' | 'restoreRun' | 'deleteTag' | 'logModel'

/** The operations on runs, but those that log to them. */
export const runs = (store: Store): HandlersOf<RunOperation> => ({
  async createRun(input) {
    return create(store, input)
  },
  async getRun(input) {
    return { run: readRun(store, findRun(store, input.run_id).dir) }
  },
  async updateRun(input) {
    return update(store, input)
  },
  async deleteRun(input) {
    setLifecycle(store, findRun(store, input.run_id).dir, 'deleted', store.now())
    return {}
  },
  async restoreRun(input) {
    setLifecycle(store, findRun(store, input.run_id).dir, 'active', undefined)
    return {}
  },
  async deleteTag(input) {
    deleteTagNow(store, input)
    return {}
  },
  async logModel(input) {
    recordModel(store, input)
    return {}
  },
})
