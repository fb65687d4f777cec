import { LIMITS } from '../core/names.js'
import { TAG } from '../core/tags.js'
import { readYaml } from '../core/yaml.js'
import type { WireLoggedModel } from '../transport/protocol.js'
import { copyFiles, type Listing, listing, shown } from './files.js'
import type { Job } from './job.js'
import { copied, differing, fingerprint, STATE, textOf } from './marks.js'
import { type Renames, renamedMlModel } from './mlmodel.js'
import type { ModelPlan, PlannedModel } from './model-plan.js'
import { placeOf } from './side.js'

/** Copies one logged model with its files; what its copy has already is not sent again. */
export async function copyModel(job: Job, models: ModelPlan, { id, source, known }: PlannedModel): Promise<void> {
  const { info, data } = source
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
  const copy = await models.ensure(id)
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
