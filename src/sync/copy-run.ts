import { cutBatch } from '../core/batch.js'
import { TAG } from '../core/tags.js'
import { InvalidParameterError, isUnknown, NotFoundError, ParamConflictError, type UnsafePathError } from '../errors.js'
import type { WireRun } from '../transport/protocol.js'
import { copyFiles, type Listing, listing, shown } from './files.js'
import { isOutage, type Job } from './job.js'
import type { Plans } from './logged-models.js'
import { copied, DELETED, differing, FILES, fingerprint, type Pair, STATE, textOf } from './marks.js'
import { copyPoints, grownBy, isRecent, ownersOf } from './points.js'
import { type PlannedRun, stateOf } from './runs.js'
import { placeOf } from './side.js'

/** Copies one run with all that was logged to it; what its copy has already is not sent again. */
export async function copyRun(job: Job, plans: Plans, { id, info, known }: PlannedRun): Promise<void> {
  const isDeleted = info.lifecycle_stage === 'deleted'
  if (known?.info.lifecycle_stage === 'deleted' && !isDeleted && !isMarkedDeleted(known)) {
    job.mapped('runIds', id, known.info.run_id)
    job.count('runs', 'same')
    return job.keep(`The copy of the run ${id}, ${known.info.run_id}, is deleted at the target and stays so`)
  }
  const { transport } = job.to
  const call = { signal: job.signal }
  const { run } = await job.from.transport.call('getRun', { run_id: id }, call)
  const found = await list(job, run)
  const lacking = await lackingOf(job, plans, run)
  const state = fingerprint([
    run.info.status,
    run.info.end_time,
    isDeleted,
    run.data,
    run.inputs,
    run.outputs,
    found.listing && shown(found.listing),
    ...(await grownBy(job, run)),
    ...(lacking.length > 0 ? [lacking] : []),
  ])
  const isOver = !['RUNNING', 'SCHEDULED'].includes(run.info.status)
  const mark = state + (!isDeleted && isRecent(job, run) ? RECENT : '')
  const was = known && stateOf(known)
  if (known && isOver && found.unfit === 0 && was?.split(' ')[0] === state) {
    job.mapped('runIds', id, known.info.run_id)
    // Nobody can log to a deleted run.
    if (isDeleted) return job.count('runs', 'same')
    const isSettled = job.from.local || (was === state && !job.options.runIds)
    const late = isSettled ? 0 : await copyHistories(job, plans, run, known)
    if (was !== mark) await setState(job, known, mark)
    return job.count('runs', late > 0 ? 'changed' : 'same')
  }

  const { run: target, fresh } = await plans.runs.ensure(id)
  const { run_id } = target.info
  if (target.info.lifecycle_stage === 'deleted') await transport.call('restoreRun', { run_id }, call)
  if (!isDeleted && isMarkedDeleted(target)) await transport.call('deleteTag', { run_id, key: DELETED }, call)
  let changes = target.info.lifecycle_stage === 'deleted' && !isDeleted ? 1 : 0
  changes += await copyFields(job, plans, run, target, lacking)
  changes += await copyInputs(job, plans, run, target, lacking)
  changes += await copyOutputs(job, plans, run, target, lacking)
  changes += await copyHistories(job, plans, run, target)
  if (found.error !== undefined) throw found.error
  const { status, end_time } = run.info
  let { unfit } = found
  if (found.listing)
    changes += await copyFiles(job, found.listing, {
      uri: await placeOf(job.to, target.info.artifact_uri, [target.info.experiment_id, run_id, 'artifacts']),
      path: '',
      fresh,
      renames: { ids: new Map([[id, run_id]]), place: [run.info.artifact_uri ?? '', target.info.artifact_uri ?? ''] },
      mark: {
        key: FILES,
        from: { id, tags: run.data.tags },
        to: { id: run_id, tags: target.data.tags },
        state: [status, end_time, run.data.params, run.data.metrics],
        write: (key, value) => transport.call('setTag', { run_id, key, value }, call),
      },
      onUnfit(path, error) {
        unfit++
        leaveFile(job, id, { path, error })
      },
    })
  changes += await end(job, run, target)
  // What lacks something is told of by each copy.
  if (isOver && unfit === 0 && stateOf(target) !== mark) await setState(job, target, mark)
  if (isDeleted) {
    // Before it: nobody can write a tag to a deleted run.
    if (!isMarkedDeleted(target)) await transport.call('setTag', { run_id, key: DELETED, value: 'true' }, call)
    await transport.call('deleteRun', { run_id }, call)
  }
  job.count('runs', fresh ? 'added' : changes > 0 ? 'changed' : 'same')
}

/** Behind the state of a run: when it was copied its points were perhaps not all there. */
const RECENT = ' recent'

const isMarkedDeleted = ({ data }: WireRun): boolean => textOf(data.tags, DELETED) !== undefined

const setState = (job: Job, { info: { run_id } }: WireRun, value: string) =>
  job.to.transport.call('setTag', { run_id, key: STATE, value }, { signal: job.signal })

const copyHistories = async (job: Job, { models }: Plans, run: WireRun, target: WireRun): Promise<number> =>
  copyPoints(job, {
    from: run.info.run_id,
    to: target.info.run_id,
    keys: run.data.metrics.map(({ key }) => key),
    known: new Set(target.data.metrics.map(({ key }) => key)),
    owners: await ownersOf(run.info.run_id, models),
  })

interface Found {
  readonly listing?: Listing
  /** Why the files could not be listed; all else of the run is copied first. */
  readonly error?: unknown
  /** How many entries have names that no store takes; all others are copied. */
  readonly unfit: number
}

const leaveFile = (job: Job, runId: string, { path, error }: { path: string; error: UnsafePathError }): void =>
  job.fail('file', `${runId}/${path}`, error)

async function list(job: Job, { info }: WireRun): Promise<Found> {
  let unfit = 0
  try {
    const place = await placeOf(job.from, info.artifact_uri, [info.experiment_id, info.run_id, 'artifacts'])
    const found = await listing(job, place, (path, error) => {
      unfit++
      leaveFile(job, info.run_id, { path, error })
    })
    return { listing: found, unfit }
  } catch (error) {
    job.signal?.throwIfAborted()
    return { error, unfit }
  }
}

const RUN_ID_TAGS: ReadonlySet<string> = new Set([TAG.parentRunId, TAG.rootRunId])

/** Whether the source has something; what it cannot read, too. */
const isThere = (job: Job, what: 'run' | 'logged model', id: string): Promise<boolean> =>
  (what === 'run'
    ? job.from.transport.call('getRun', { run_id: id }, { signal: job.signal })
    : job.from.transport.call('getLoggedModel', { model_id: id }, { signal: job.signal })
  ).then(
    () => true,
    (error: unknown) => {
      if (isOutage(error)) throw error
      return !(error instanceof NotFoundError || error instanceof InvalidParameterError)
    },
  )

/** Many runs name the same parent: each is looked for once in a copy. */
const asked = new WeakMap<Job, Map<string, Promise<boolean>>>()

/** The runs and models that a run names and that are in the source alone; each is told of. */
async function lackingOf(job: Job, { runs, models }: Plans, run: WireRun): Promise<string[]> {
  const named = [
    ...run.data.tags.flatMap(({ key, value }) => (RUN_ID_TAGS.has(key) ? [['run', value] as const] : [])),
    ...[...(run.inputs?.model_inputs ?? []), ...(run.outputs?.model_outputs ?? [])]
      .filter(({ model_id }) => !models.has(model_id))
      .map(({ model_id }) => ['logged model', model_id] as const),
  ]
  const lacking: string[] = []
  const seen = asked.get(job) ?? new Map<string, Promise<boolean>>()
  asked.set(job, seen)
  for (const [what, id] of new Map(named.map((one) => [one[1], one])).values()) {
    const isLacking = async () => {
      const plan = what === 'run' ? runs : models
      const at = await plan.idAt(id).catch((error: unknown) => {
        // What keeps one of those copied from being made is told of that one.
        if (isOutage(error) && !plan.has(id)) throw error
      })
      return at === undefined && isThere(job, what, id)
    }
    const asking = seen.get(id) ?? isLacking()
    seen.set(id, asking)
    asking.catch(() => seen.delete(id))
    if (!(await asking)) continue
    lacking.push(id)
    job.keep(`The ${what} ${id} is not copied, so that runs which name it do without; copy it, and then them again`)
  }
  job.signal?.throwIfAborted()
  return lacking
}

/** The tags as they are to be at the target: other runs under their names there. */
async function mappedTags(
  job: Job,
  { runs }: Plans,
  run: WireRun,
  target: WireRun,
  lacking: readonly string[],
): Promise<Pair[]> {
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

async function copyFields(
  job: Job,
  plans: Plans,
  run: WireRun,
  target: WireRun,
  lacking: readonly string[],
): Promise<number> {
  const params = differing(run.data.params, target.data.params)
  const there = new Map(target.data.params.map(({ key, value }) => [key, value]))
  const clash = params.find(({ key }) => there.has(key))
  if (clash)
    throw new ParamConflictError(
      `The param ${JSON.stringify(clash.key)} of the run ${run.info.run_id} is ${JSON.stringify(clash.value)}, but ${JSON.stringify(there.get(clash.key))} in its copy ${target.info.run_id}; a param is written once`,
    )
  const tags = differing(await mappedTags(job, plans, run, target, lacking), target.data.tags)
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
  models: Plans['models'],
  links: readonly Link[] = [],
  copied: readonly Link[] = [],
  lacking: readonly string[],
): Promise<Link[]> {
  const there = new Set(copied.map(({ model_id }) => model_id))
  const fresh: Link[] = []
  for (const link of links) {
    if (lacking.includes(link.model_id)) continue
    const model_id = await models.idAt(link.model_id)
    if (model_id !== undefined && !there.has(model_id)) fresh.push({ ...link, model_id })
  }
  return fresh
}

async function copyInputs(
  job: Job,
  { models }: Plans,
  run: WireRun,
  target: WireRun,
  lacking: readonly string[],
): Promise<number> {
  const named = ({ dataset }: { dataset: { name: string; digest: string } }) => `${dataset.name}\n${dataset.digest}`
  const there = new Set(target.inputs?.dataset_inputs.map(named))
  const datasets = (run.inputs?.dataset_inputs ?? []).filter((input) => !there.has(named(input)))
  const links = await newLinks(models, run.inputs?.model_inputs, target.inputs?.model_inputs, lacking)
  const used = links.map(({ model_id }) => ({ model_id }))
  if (datasets.length + used.length === 0) return 0
  const input = { run_id: target.info.run_id, datasets, ...(used.length > 0 ? { models: used } : {}) }
  await job.to.transport.call('logInputs', input, { signal: job.signal })
  return datasets.length + used.length
}

async function copyOutputs(
  job: Job,
  { models }: Plans,
  run: WireRun,
  target: WireRun,
  lacking: readonly string[],
): Promise<number> {
  const links = await newLinks(models, run.outputs?.model_outputs, target.outputs?.model_outputs, lacking)
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

async function end(job: Job, { info }: WireRun, target: WireRun): Promise<number> {
  const { run_id, status, end_time } = target.info
  if (info.status === status && (info.end_time ?? 0) === (end_time ?? 0)) return 0
  const input = { run_id, status: info.status, ...(info.end_time === undefined ? {} : { end_time: info.end_time }) }
  await job.to.transport.call('updateRun', input, { signal: job.signal })
  return 1
}
