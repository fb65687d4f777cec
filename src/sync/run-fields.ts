import { cutBatch } from '../core/batch.js'
import { TAG } from '../core/tags.js'
import { isUnknown, ParamConflictError } from '../errors.js'
import type { WireRun } from '../transport/protocol.js'
import type { Job } from './job.js'
import { RUN_ID_TAGS } from './lacking.js'
import { copied, differing, type Pair } from './marks.js'
import type { Plans } from './plans.js'

/** One run while it is copied. */
export interface Copying {
  readonly job: Job
  readonly plans: Plans
  readonly run: WireRun
  /** Its copy, as it was before. */
  readonly target: WireRun
  /** The ids that it names of runs and models which are in the source alone. */
  readonly lacking: readonly string[]
}

/** The tags as they are to be at the target: other runs under their names there. */
async function mappedTags({ job, plans: { runs }, run, target, lacking }: Copying): Promise<Pair[]> {
  const { run_id: id } = run.info
  const tags: Pair[] = []
  for (const { key, value } of copied(run.data.tags)) {
    if (RUN_ID_TAGS.has(key)) {
      // One that is in neither store is named as it was.
      if (!lacking.includes(value)) tags.push({ key, value: (await runs.idAt(value).catch(() => undefined)) ?? value })
    } else if (key === TAG.models) tags.push({ key, value: value.replaceAll(id, target.info.run_id) })
    else if (key !== TAG.runName || value !== target.info.run_name) tags.push({ key, value })
  }
  job.signal?.throwIfAborted()
  return tags
}

/** Copies params and tags, and answers how many its copy had otherwise. */
export async function copyFields(copying: Copying): Promise<number> {
  const { job, run, target } = copying
  const params = differing(run.data.params, target.data.params)
  const there = new Map(target.data.params.map(({ key, value }) => [key, value]))
  const clash = params.find(({ key }) => there.has(key))
  if (clash)
    throw new ParamConflictError(
      `The param ${JSON.stringify(clash.key)} of the run ${run.info.run_id} is ${JSON.stringify(clash.value)}, but ${JSON.stringify(there.get(clash.key))} in its copy ${target.info.run_id}; a param is written once`,
    )
  const tags = differing(await mappedTags(copying), target.data.tags)
  for (const batch of cutBatch({ metrics: [], params, tags }))
    await job.to.transport.call(
      'logBatch',
      { run_id: target.info.run_id, params: [...batch.params], tags: [...batch.tags] },
      { signal: job.signal },
    )
  return params.length + tags.length
}

/** The links to models that a copy does not have yet, by the models' ids there, without what it has to leave out. */
async function newLinks<Link extends { readonly model_id: string }>(
  { plans: { models }, lacking }: Copying,
  links: readonly Link[] = [],
  known: readonly Link[] = [],
): Promise<Link[]> {
  const there = new Set(known.map(({ model_id }) => model_id))
  const fresh: Link[] = []
  for (const link of links) {
    if (lacking.includes(link.model_id)) continue
    const model_id = await models.idAt(link.model_id)
    if (model_id !== undefined && !there.has(model_id)) fresh.push({ ...link, model_id })
  }
  return fresh
}

/** Copies datasets and the links to models that went in, and answers how many were new. */
export async function copyInputs(copying: Copying): Promise<number> {
  const { job, run, target } = copying
  const named = ({ dataset }: { dataset: { name: string; digest: string } }) => `${dataset.name}\n${dataset.digest}`
  const there = new Set(target.inputs?.dataset_inputs.map(named))
  const datasets = (run.inputs?.dataset_inputs ?? []).filter((input) => !there.has(named(input)))
  const links = await newLinks(copying, run.inputs?.model_inputs, target.inputs?.model_inputs)
  const used = links.map(({ model_id }) => ({ model_id }))
  if (datasets.length + used.length === 0) return 0
  const input = { run_id: target.info.run_id, datasets, ...(used.length > 0 ? { models: used } : {}) }
  await job.to.transport.call('logInputs', input, { signal: job.signal })
  return datasets.length + used.length
}

/** Copies the links to models that came out, and answers how many were new. */
export async function copyOutputs(copying: Copying): Promise<number> {
  const { job, run, target } = copying
  const links = await newLinks(copying, run.outputs?.model_outputs, target.outputs?.model_outputs)
  const made = links.map(({ model_id, step }) => ({ model_id, step }))
  if (made.length === 0) return 0
  try {
    await job.to.transport.call('logOutputs', { run_id: target.info.run_id, models: made }, { signal: job.signal })
  } catch (error) {
    // Servers before MLflow 3 link nothing.
    if (!isUnknown(error)) throw error
  }
  return made.length
}
