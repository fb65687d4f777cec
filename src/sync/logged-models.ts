import { LIMITS } from '../core/names.js'
import { TAG } from '../core/tags.js'
import { readYaml } from '../core/yaml.js'
import { isUnknown, NotFoundError } from '../errors.js'
import type { WireLoggedModel } from '../transport/protocol.js'
import { copyFiles, type FilesMark, type Listing, listing, shown } from './files.js'
import type { Job } from './job.js'
import { loggedModelsOf } from './list.js'
import { CREATED, copied, differing, FILES, fingerprint, identityOf, SOURCE, STATE, textOf } from './marks.js'
import { type Renames, renamedMlModel } from './mlmodel.js'
import type { RunPlan } from './runs.js'
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

interface PlannedModel {
  /** Its folder in the artifacts of its run, where a server has no logged models: another for each of one name. */
  readonly folder: string
  readonly source: WireLoggedModel
  readonly experimentId: string
  readonly known: WireLoggedModel | undefined
}

/** The logged models that are copied, and their copies, made when they are first needed. */
export interface ModelPlan {
  readonly ids: readonly string[]
  has(id: string): boolean
  ensure(id: string): Promise<ModelCopy>
  /** The id at the target, of one that is not among those copied if it was before; none where logged models are unknown. */
  idAt(id: string): Promise<string | undefined>
  /** The models that have points of a run. */
  loggedIn(runId: string): readonly WireLoggedModel[]
  copy(id: string): Promise<void>
}

/** All that is copied of what belongs to runs. */
export interface Plans {
  /** Source id → target id of the experiments that are copied. */
  readonly experiments: ReadonlyMap<string, string>
  readonly runs: RunPlan
  readonly models: ModelPlan
}

/** Looks through experiments (source id → target id) for the models that are to be copied. */
export async function planModels(
  job: Job,
  experiments: ReadonlyMap<string, string>,
  runs: RunPlan,
): Promise<ModelPlan> {
  const call = { signal: job.signal }
  const models = new Map<string, PlannedModel>()
  const copies = new Map<string, Map<string, WireLoggedModel>>()
  const copiesAt = async (experimentId: string): Promise<Map<string, WireLoggedModel>> => {
    const known =
      copies.get(experimentId) ??
      new Map(
        (await loggedModelsOf(job.to, experimentId, call)).map((model) => [
          identityOf(model.info.model_id, model.info.tags),
          model,
        ]),
      )
    copies.set(experimentId, known)
    return known
  }
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
    const there = await copiesAt(experimentId)
    const named = wanted.map(({ info }) => `${info.source_run_id}/${info.name}`)
    for (const source of wanted) {
      const { model_id: id, name, source_run_id, tags } = source.info
      const alone = named.filter((other) => other === `${source_run_id}/${name}`).length === 1
      const folder = alone ? name : `${name}-${id}`
      models.set(id, { source, experimentId, known: there.get(identityOf(id, tags)), folder })
    }
  }
  return plan(job, models, runs, async (id) => {
    const found = await job.from.transport.call('getLoggedModel', { model_id: id }, call).catch(unreadable)
    const identity = found ? identityOf(id, found.model.info.tags) : id
    for (const experimentId of new Set(experiments.values())) {
      const copy = (await copiesAt(experimentId)).get(identity)
      if (copy) return copy.info.model_id
    }
    return undefined
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
    ids: [...models.keys()],
    has: (id) => models.has(id),
    ensure,
    idAt: async (id) => (models.has(id) ? (await ensure(id)).model?.info.model_id : copyOf(id)),
    loggedIn: (runId) => byRun.get(runId) ?? [],
    copy: (id) => copyModel(job, models.get(id) as PlannedModel, ensure),
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

/** The tag with a creation time that the target cannot be told. */
export const createdTag = (time: number | undefined, tags: WireLoggedModel['info']['tags']) =>
  time === undefined ? [] : [{ key: CREATED, value: textOf(tags, CREATED) ?? String(time) }]

async function copyModel(
  job: Job,
  { source, known }: PlannedModel,
  ensure: (id: string) => Promise<ModelCopy>,
): Promise<void> {
  const { info, data } = source
  const { model_id: id } = info
  const found = await listing(
    job,
    await placeOf(job.from, info.artifact_uri, [info.experiment_id, 'models', id, 'artifacts']),
  )
  const written = [info.status, info.last_updated_timestamp_ms, data.params]
  const state = fingerprint([written, info.tags, shown(found)])
  if (known && textOf(known.info.tags, STATE) === state) {
    job.mapped('modelIds', id, known.info.model_id)
    return job.count('loggedModels', 'same')
  }
  const copy = await ensure(id)
  const { model, fresh, artifactUri, path, runId } = copy
  let changes = model ? await copyFields(job, source, model) : 0
  const ids = new Map<string, string>()
  if (info.source_run_id && runId !== undefined) ids.set(info.source_run_id, runId)
  if (model) ids.set(id, model.info.model_id)
  const renames = { ids, place: [info.artifact_uri ?? '', model ? artifactUri : path] as const }
  changes += await copyFiles(job, found, {
    uri: artifactUri,
    path,
    fresh: fresh && model !== undefined,
    renames,
    mark: { ...copy.filesMark, from: { id, tags: info.tags }, state: written },
  })
  if (model) changes += await finish(job, source, model, state)
  else if (runId !== undefined) changes += await tellRun(job, { listing: found, renames, runId, path })
  job.count('loggedModels', fresh && changes > 0 ? 'added' : changes > 0 ? 'changed' : 'same')
}

interface Told {
  readonly listing: Listing
  readonly renames: Renames
  readonly runId: string
  readonly path: string
}

/** Tells a run of a model in its artifacts, as clients of MLflow 2 do; once. */
async function tellRun(job: Job, { listing: { store, files }, renames, runId, path }: Told): Promise<number> {
  const call = { signal: job.signal }
  if (job.options.dryRun || !files.some((file) => file.path === 'MLmodel')) return 0
  const { run } = await job.to.transport.call('getRun', { run_id: runId }, call)
  if (textOf(run.data.tags, TAG.models)?.includes(JSON.stringify(path))) return 0
  const text = await new Response(await store.read('MLmodel', call)).text()
  const json = JSON.stringify(readYaml(renamedMlModel(text, renames), 'MLmodel'))
  await job.to.transport.call('logModel', { run_id: runId, model_json: json }, call)
  return 1
}

async function copyFields(job: Job, source: WireLoggedModel, { info, data }: WireLoggedModel): Promise<number> {
  const call = { signal: job.signal }
  const { model_id } = info
  const params = differing(source.data.params, data.params)
  for (let at = 0; at < params.length; at += LIMITS.modelParamsPerCall) {
    const some = params.slice(at, at + LIMITS.modelParamsPerCall)
    await job.to.transport.call('logLoggedModelParams', { model_id, params: some }, call)
  }
  const tags = differing(
    copied(source.info.tags).filter(({ key }) => key !== TAG.versions),
    info.tags,
  )
  if (tags.length > 0) await job.to.transport.call('setLoggedModelTags', { model_id, tags }, call)
  return params.length + tags.length
}

/** Ends the copy as the original ended; one that goes on has no state to be known by. */
async function finish(job: Job, { info }: WireLoggedModel, copy: WireLoggedModel, state: string): Promise<number> {
  const { transport } = job.to
  const call = { signal: job.signal }
  const { model_id } = copy.info
  const { status } = info
  if (status !== 'LOGGED_MODEL_READY' && status !== 'LOGGED_MODEL_UPLOAD_FAILED') return 0
  const differs = copy.info.status !== status
  if (differs) await transport.call('finalizeLoggedModel', { model_id, status }, call)
  await transport.call('setLoggedModelTags', { model_id, tags: [{ key: STATE, value: state }] }, call)
  return differs ? 1 : 0
}
