import { byName } from '../core/filter/by-name.js'
import { type Pairs, toMap, valueIn } from '../core/pairs.js'
import { OPERATION_TAG, TAG } from '../core/tags.js'
import {
  AlreadyExistsError,
  absent,
  CairnError,
  InvalidParameterError,
  isUnknown,
  NotFoundError,
  reworded,
} from '../errors.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

type Look<O extends Operation, Found = Output<O>> = (
  transport: Transport,
  input: Input<O>,
  options: CallOptions,
) => Promise<Found | undefined>
type Looks = { readonly [O in Operation]?: Look<O> }

/**
 * Before a call is made again that may have been carried out: looks whether it was, and answers as it would have.
 * These are the operations that would make another, add an entry twice, or remove what makes a server stumble when it is
 * not there (a file store, where a tag "a/b" makes a folder "a"), or rename what is deleted (one of MLflow 2, and 3).
 */
export const lookBefore: Looks = {
  async updateExperiment(transport, { experiment_id }, options) {
    const { experiment } = await transport.call('getExperiment', { experiment_id }, options)
    if (experiment.lifecycle_stage !== 'deleted') return undefined
    throw new InvalidParameterError(
      `The experiment ${experiment_id} is deleted; bring it back with restoreExperiment('${experiment_id}') to rename it`,
    )
  },

  async createRun(transport, { experiment_id, tags }, options) {
    const id = valueIn(tags, OPERATION_TAG)
    if (id === undefined) return undefined
    const filter = `tags.\`${OPERATION_TAG}\` = '${id}'`
    const search = { experiment_ids: [experiment_id], filter, run_view_type: 'ALL' as const, max_results: 1 }
    const { runs } = await transport.call('searchRuns', search, options)
    const run = runs.find(({ data }) => valueIn(data.tags, OPERATION_TAG) === id)
    return run && { run }
  },

  async createModelVersion(transport, { name, tags }, options) {
    const id = valueIn(tags, OPERATION_TAG)
    if (id === undefined) return undefined
    const filter = [byName(name), `tags.\`${OPERATION_TAG}\` = '${id}'`].filter(Boolean).join(' AND ')
    const { model_versions } = await transport.call('searchModelVersions', { filter, max_results: 10 }, options)
    const version = model_versions.find((found) => found.name === name && valueIn(found.tags, OPERATION_TAG) === id)
    return version && { model_version: version }
  },

  async createLoggedModel(transport, { experiment_id, tags }, options) {
    const id = valueIn(tags, OPERATION_TAG)
    if (id === undefined) return undefined
    const filter = `tags.\`${OPERATION_TAG}\` = '${id}'`
    const search = { experiment_ids: [experiment_id], filter, max_results: 1 }
    const { models } = await transport.call('searchLoggedModels', search, options)
    const model = models.find(({ info }) => valueIn(info.tags, OPERATION_TAG) === id)
    return model && { model }
  },

  async logModel(transport, { run_id, model_json }, options) {
    const { run } = await transport.call('getRun', { run_id }, options)
    const history = valueIn(run.data.tags, TAG.models)
    return listed(history, model_json) ? {} : undefined
  },

  async logInputs(transport, { run_id, datasets = [], models = [] }, options) {
    const { run } = await transport.call('getRun', { run_id }, options)
    const names = new Set(run.inputs?.dataset_inputs.map(({ dataset }) => `${dataset.name}\n${dataset.digest}`))
    const ids = new Set(run.inputs?.model_inputs.map(({ model_id }) => model_id))
    const there =
      datasets.every(({ dataset }) => names.has(`${dataset.name}\n${dataset.digest}`)) &&
      models.every(({ model_id }) => ids.has(model_id))
    return there ? {} : undefined
  },

  async logOutputs(transport, { run_id, models }, options) {
    const { run } = await transport.call('getRun', { run_id }, options)
    const ids = new Set(run.outputs?.model_outputs.map(({ model_id }) => model_id))
    return models.every(({ model_id }) => ids.has(model_id)) ? {} : undefined
  },

  async logLoggedModelParams(transport, { model_id, params }, options) {
    const { model } = await transport.call('getLoggedModel', { model_id }, options)
    const there = toMap(model.data.params)
    return params.every(({ key, value = '' }) => there.get(key) === value) ? {} : undefined
  },

  async deleteTag(transport, { run_id, key }, options) {
    const found = await transport.call('getRun', { run_id }, options).catch(absent)
    return found && lacks(found.run.data.tags, key)
  },

  async deleteRegisteredModelTag(transport, { name, key }, options) {
    const found = await transport.call('getRegisteredModel', { name }, options).catch(absent)
    return found && lacks(found.registered_model.tags, key)
  },

  async deleteModelVersionTag(transport, { name, version, key }, options) {
    const found = await transport.call('getModelVersion', { name, version }, options).catch(absent)
    return found && lacks(found.model_version.tags, key)
  },
}

const lacks = (tags: Pairs, key: string) => (tags.some((tag) => tag.key === key) ? undefined : {})

function listed(history: string | undefined, model: string): boolean {
  try {
    const wanted = JSON.parse(model) as Record<string, unknown>
    const entries = JSON.parse(history ?? '[]') as Record<string, unknown>[]
    const same = ['run_id', 'artifact_path', 'utc_time_created', 'model_uuid']
    return entries.some((entry) => same.every((field) => entry[field] === wanted[field]))
  } catch {
    return false
  }
}

/** What a look finds where a server broke off in the middle. */
const BOTH = 'both names'

/** After a refusal that may only say that an earlier try succeeded: looks whether it did, and answers as it would have. */
const lookAfter: { readonly [O in Operation]?: Look<O, Output<O> | typeof BOTH> } = {
  async createExperiment(transport, { name }, options) {
    const { experiment } = await transport.call('getExperimentByName', { experiment_name: name }, options)
    return { experiment_id: experiment.experiment_id }
  },
  createRegisteredModel: (transport, { name }, options) => transport.call('getRegisteredModel', { name }, options),
  async renameRegisteredModel(transport, { name, new_name }, options) {
    const { registered_model } = await transport.call('getRegisteredModel', { name: new_name }, options)
    const old = await transport.call('getRegisteredModel', { name }, options).catch(absent)
    if (!old) return { registered_model }
    // A half has all that the old one has; another model had the name before.
    return old.registered_model.creation_timestamp === registered_model.creation_timestamp ? BOTH : undefined
  },
  deleteRun: (transport, input, options) => runIs('deleted', transport, input, options),
  restoreRun: (transport, input, options) => runIs('active', transport, input, options),
  deleteExperiment: (transport, input, options) => experimentIs('deleted', transport, input, options),
  restoreExperiment: (transport, input, options) => experimentIs('active', transport, input, options),
}

async function runIs(stage: string, transport: Transport, input: { run_id: string }, options: CallOptions) {
  const { run } = await transport.call('getRun', input, options)
  return run.info.lifecycle_stage === stage ? {} : undefined
}

async function experimentIs(
  stage: string,
  transport: Transport,
  input: { experiment_id: string },
  options: CallOptions,
) {
  const { experiment } = await transport.call('getExperiment', input, options)
  return experiment.lifecycle_stage === stage ? {} : undefined
}

const REMOVALS: ReadonlySet<Operation> = new Set<Operation>([
  'deleteExperimentTag',
  'deleteTag',
  'deleteLoggedModel',
  'deleteLoggedModelTag',
  'deleteRegisteredModel',
  'deleteRegisteredModelTag',
  'deleteRegisteredModelAlias',
  'deleteModelVersion',
  'deleteModelVersionTag',
])

/**
 * What an earlier, ambiguous try has to answer for this refusal; `undefined` when it is a refusal indeed. Throws what
 * `failed` in that try, where it left a thing half done.
 */
export async function explained<O extends Operation>(
  operation: O,
  input: Input<O>,
  refusal: unknown,
  { transport, options, failed }: { transport: Transport; options: CallOptions; failed?: unknown },
): Promise<Output<O> | undefined> {
  // Something in front of the server that knows no such address says nothing of what was to be removed.
  const isGone = refusal instanceof NotFoundError && !isUnknown(refusal)
  if (REMOVALS.has(operation)) return isGone ? ({} as Output<O>) : undefined
  const look: Look<O, Output<O> | typeof BOTH> | undefined = lookAfter[operation]
  const telling = [AlreadyExistsError, NotFoundError, InvalidParameterError].some((Kind) => refusal instanceof Kind)
  if (!look || !telling) return undefined
  const found = await look(transport, input, options).catch(() => undefined)
  if (found !== BOTH) return found
  if (failed instanceof CairnError) throw halfRenamed(failed, input as Input<'renameRegisteredModel'>)
  return undefined
}

function halfRenamed(failed: CairnError, { name, new_name }: Input<'renameRegisteredModel'>): CairnError {
  return reworded(
    failed,
    `${failed.message}. It broke off half-way: both ${JSON.stringify(name)} and ${JSON.stringify(new_name)} exist now; look at both, and delete the one that lacks versions`,
    { retryable: false, cause: failed },
  )
}
