import { LIMITS } from '../core/names.js'
import { isUnknown, NotFoundError } from '../errors.js'
import type { WireLoggedModel } from '../transport/protocol.js'
import { copies } from './copies.js'
import type { FilesMark } from './files.js'
import type { Job } from './job.js'
import { loggedModelsOf } from './list.js'
import { createdTag, FILES, identityOf, SOURCE } from './marks.js'
import type { RunPlan } from './run-plan.js'
import { placeOf } from './side.js'
import { tellUnreadable, unreadable } from './unreadable.js'

/** Where a model is at the target. On a server of MLflow 2 it has no id and lies in the artifacts of its run. */
export interface ModelCopy {
  readonly model: WireLoggedModel | undefined
  readonly artifactUri: string
  readonly path: string
  readonly runId: string | undefined
  readonly fresh: boolean
  /** The mark of its files, and where it is kept. */
  readonly filesMark: Pick<FilesMark, 'key' | 'to' | 'write'>
}

/** A logged model of the source that is to be at the target. */
export interface PlannedModel {
  readonly id: string
  /** Its folder in the artifacts of its run, where a server has no logged models: another for each of one name. */
  readonly folder: string
  readonly source: WireLoggedModel
  readonly experimentId: string
  readonly known: WireLoggedModel | undefined
}

/** The logged models that are copied, and their copies, made when they are first needed. */
export interface ModelPlan {
  readonly models: readonly PlannedModel[]
  has(id: string): boolean
  ensure(id: string): Promise<ModelCopy>
  /** The id at the target, of one that is not among those copied if it was before; none where logged models are unknown. */
  idAt(id: string): Promise<string | undefined>
  /** The models that have points of a run. */
  loggedIn(runId: string): readonly WireLoggedModel[]
}

/** The copies in an experiment of the target, by what they are copies of. */
async function copiesIn(job: Job, experimentId: string): Promise<Map<string, WireLoggedModel>> {
  const found = await loggedModelsOf(job.to, experimentId, { signal: job.signal })
  return new Map(found.map((model) => [identityOf(model.info.model_id, model.info.tags), model]))
}

/** Looks through experiments (source id → target id) for the models that are to be copied. */
export async function planModels(
  job: Job,
  experiments: ReadonlyMap<string, string>,
  runs: RunPlan,
): Promise<ModelPlan> {
  const call = { signal: job.signal }
  const models = new Map<string, PlannedModel>()
  const there = copies([...experiments.values()], (experimentId) => copiesIn(job, experimentId))
  for (const [from, experimentId] of experiments) {
    const found = await loggedModelsOf(job.from, from, call)
    // What cannot be read is of no run that was asked for.
    if (!job.options.runIds)
      await tellUnreadable(job, {
        what: 'logged model',
        at: [from, 'models'],
        listed: new Set(found.map(({ info }) => info.model_id)),
        read: (id) => job.from.transport.call('getLoggedModel', { model_id: id }, call),
      })
    const wanted = job.options.runIds ? found.filter(({ info }) => runs.has(info.source_run_id ?? '')) : found
    if (wanted.length === 0) continue
    const known = await there.at(experimentId)
    const named = wanted.map(({ info }) => `${info.source_run_id}/${info.name}`)
    for (const source of wanted) {
      const { model_id: id, name, source_run_id, tags } = source.info
      const alone = named.filter((other) => other === `${source_run_id}/${name}`).length === 1
      const folder = alone ? name : `${name}-${id}`
      models.set(id, { id, source, experimentId, known: known.get(identityOf(id, tags)), folder })
    }
  }
  return plan(job, models, runs, async (id) => {
    const found = await job.from.transport.call('getLoggedModel', { model_id: id }, call).catch(unreadable)
    return (await there.find(found ? identityOf(id, found.model.info.tags) : id))?.info.model_id
  })
}

/** `copyOf` finds the copy of a model that is not planned. */
function plan(
  job: Job,
  models: ReadonlyMap<string, PlannedModel>,
  runs: RunPlan,
  copyOf: (id: string) => Promise<string | undefined>,
): ModelPlan {
  const made = new Map<string, Promise<ModelCopy>>()
  const byRun = new Map<string, WireLoggedModel[]>()
  for (const { source } of models.values())
    for (const runId of new Set(source.data.metrics.map(({ run_id }) => run_id ?? '')))
      byRun.set(runId, [...(byRun.get(runId) ?? []), source])

  async function ensure(id: string): Promise<ModelCopy> {
    const planned = models.get(id)
    if (!planned) throw new NotFoundError(`The logged model ${id} is not among those copied`)
    const making = made.get(id) ?? make(job, planned, runs)
    made.set(id, making)
    const copy = await making
    const at = copy.model?.info.model_id
    if (at !== undefined) job.mapped('modelIds', id, at)
    return copy
  }

  return {
    models: [...models.values()],
    has: (id) => models.has(id),
    ensure,
    idAt: async (id) => (models.has(id) ? (await ensure(id)).model?.info.model_id : copyOf(id)),
    loggedIn: (runId) => byRun.get(runId) ?? [],
  }
}

async function make(
  job: Job,
  { source, experimentId, known, folder }: PlannedModel,
  runs: RunPlan,
): Promise<ModelCopy> {
  const { info } = source
  const call = { signal: job.signal }
  const runId = info.source_run_id ? await runs.idAt(info.source_run_id) : undefined
  const at = async (model: WireLoggedModel, fresh: boolean): Promise<ModelCopy> => {
    const home = [model.info.experiment_id, 'models', model.info.model_id, 'artifacts']
    const artifactUri = await placeOf(job.to, model.info.artifact_uri, home)
    const { model_id, tags } = model.info
    const filesMark = {
      key: FILES,
      to: { id: model_id, tags },
      write: (key: string, value: string) =>
        job.to.transport.call('setLoggedModelTags', { model_id, tags: [{ key, value }] }, call),
    }
    return { model, artifactUri, path: '', runId, fresh, filesMark }
  }
  if (known) return at(known, false)
  const input = {
    experiment_id: experimentId,
    name: info.name,
    ...(info.model_type ? { model_type: info.model_type } : {}),
    ...(runId === undefined ? {} : { source_run_id: runId }),
    params: source.data.params.slice(0, LIMITS.modelParamsPerCall),
    tags: [
      { key: SOURCE, value: identityOf(info.model_id, info.tags) },
      ...createdTag(info.creation_timestamp_ms, info.tags),
    ],
  }
  try {
    const { model } = await job.to.transport.call('createLoggedModel', input, call)
    return await at(model, true)
  } catch (error) {
    if (!isUnknown(error) || !info.source_run_id || !runs.has(info.source_run_id)) throw error
    const { run, fresh } = await runs.ensure(info.source_run_id)
    const home = [run.info.experiment_id, run.info.run_id, 'artifacts']
    const artifactUri = await placeOf(job.to, run.info.artifact_uri, home)
    const { run_id } = run.info
    const filesMark = {
      key: `${FILES}.${info.model_id}`,
      to: { id: run_id, tags: run.data.tags },
      write: (key: string, value: string) => job.to.transport.call('setTag', { run_id, key, value }, call),
    }
    return { model: undefined, artifactUri, path: folder, runId, fresh, filesMark }
  }
}
