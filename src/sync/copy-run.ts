import type { OnUnfit } from '../artifacts/listing.js'
import type { WireRun } from '../transport/protocol.js'
import { copyFiles, type Listing, listing, shown } from './files.js'
import type { Job } from './job.js'
import { lackingOf } from './lacking.js'
import { DELETED, FILES, fingerprint, STATE, textOf } from './marks.js'
import type { Plans } from './plans.js'
import { copyPoints, grownBy, isRecent, ownersOf } from './points.js'
import { type Copying, copyFields, copyInputs, copyOutputs } from './run-fields.js'
import { type PlannedRun, stateOf } from './run-plan.js'
import { placeOf } from './side.js'

/** A run of the source as it was read. */
interface Original extends Pick<Copying, 'run' | 'lacking'> {
  readonly files: Found
  readonly isDeleted: boolean
  readonly isOver: boolean
  /** A fingerprint of all that can be told without reading its histories. */
  readonly state: string
  /** What its copy is marked with once it is complete: the state, and `RECENT` where points may still come. */
  readonly mark: string
}

/** Behind the state of a run: when it was copied its points were perhaps not all there. */
const RECENT = ' recent'

/** Copies one run with all that was logged to it; what its copy has already is not sent again. */
export async function copyRun(job: Job, plans: Plans, planned: PlannedRun): Promise<void> {
  const { id, known } = planned
  if (known && isDeletedRun(known) && !isMarkedDeleted(known) && !isDeletedRun(planned)) {
    job.mapped('runIds', id, known.info.run_id)
    job.count('runs', 'same')
    return job.keep(`The copy of the run ${id}, ${known.info.run_id}, is deleted at the target and stays so`)
  }
  const original = await read(job, plans, planned)
  if (known && isUnchanged(original, known)) return copyLate({ ...original, job, plans, target: known })

  const { run, files, isDeleted, isOver, mark } = original
  const { run: target, fresh } = await plans.runs.ensure(id)
  const copying = { ...original, job, plans, target }
  let changes = await revive(job, target, isDeleted)
  changes += await copyFields(copying)
  changes += await copyInputs(copying)
  changes += await copyOutputs(copying)
  changes += await copyHistories(copying)
  if (files.error !== undefined) throw files.error
  let { unfit } = files
  if (files.listing)
    changes += await copyArtifacts(copying, files.listing, {
      fresh,
      onUnfit(path, error) {
        unfit++
        job.fail('file', `${id}/${path}`, error)
      },
    })
  changes += await end(job, run, target)
  // What lacks something is told of by each copy.
  if (isOver && unfit === 0 && stateOf(target) !== mark) await setState(job, target, mark)
  if (isDeleted) await remove(job, target)
  job.count('runs', fresh ? 'added' : changes > 0 ? 'changed' : 'same')
}

async function read(job: Job, plans: Plans, planned: PlannedRun): Promise<Original> {
  const { run } = await job.from.transport.call('getRun', { run_id: planned.id }, { signal: job.signal })
  const isDeleted = isDeletedRun(planned)
  const files = await list(job, run)
  const lacking = await lackingOf(job, plans, run)
  const state = fingerprint([
    run.info.status,
    run.info.end_time,
    isDeleted,
    run.data,
    run.inputs,
    run.outputs,
    files.listing && shown(files.listing),
    ...(await grownBy(job, run)),
    ...(lacking.length > 0 ? [lacking] : []),
  ])
  const isOver = !['RUNNING', 'SCHEDULED'].includes(run.info.status)
  const mark = state + (!isDeleted && isRecent(job, run) ? RECENT : '')
  return { run, lacking, files, isDeleted, isOver, state, mark }
}

const isDeletedRun = ({ info }: Pick<WireRun, 'info'>): boolean => info.lifecycle_stage === 'deleted'

const isMarkedDeleted = ({ data }: WireRun): boolean => textOf(data.tags, DELETED) !== undefined

/** Whether a run is as it was when its copy was complete, but for points that came later for earlier steps. */
const isUnchanged = ({ isOver, files, state }: Original, known: WireRun): boolean =>
  isOver && files.unfit === 0 && stateOf(known)?.split(' ')[0] === state

/** Copies the points that came later to a run that is unchanged otherwise, where some can have come. */
async function copyLate(copying: Original & Copying): Promise<void> {
  const { job, run, target: known, isDeleted, state, mark } = copying
  job.mapped('runIds', run.info.run_id, known.info.run_id)
  // Nobody can log to a deleted run.
  if (isDeleted) return job.count('runs', 'same')
  const was = stateOf(known)
  const isSettled = job.from.local || (was === state && !job.options.runIds)
  const late = isSettled ? 0 : await copyHistories(copying)
  if (was !== mark) await setState(job, known, mark)
  job.count('runs', late > 0 ? 'changed' : 'same')
}

/** Makes a deleted copy one that can be written to; answers 1 if it is to stay so. */
async function revive({ to: { transport }, signal }: Job, target: WireRun, isDeleted: boolean): Promise<number> {
  const { run_id } = target.info
  if (isDeletedRun(target)) await transport.call('restoreRun', { run_id }, { signal })
  if (!isDeleted && isMarkedDeleted(target)) await transport.call('deleteTag', { run_id, key: DELETED }, { signal })
  return isDeletedRun(target) && !isDeleted ? 1 : 0
}

/** Deletes a copy as the original is deleted. */
async function remove({ to: { transport }, signal }: Job, target: WireRun): Promise<void> {
  const { run_id } = target.info
  // Before it: nobody can write a tag to a deleted run.
  if (!isMarkedDeleted(target)) await transport.call('setTag', { run_id, key: DELETED, value: 'true' }, { signal })
  await transport.call('deleteRun', { run_id }, { signal })
}

const setState = (job: Job, { info: { run_id } }: WireRun, value: string) =>
  job.to.transport.call('setTag', { run_id, key: STATE, value }, { signal: job.signal })

const copyHistories = async ({ job, plans: { models }, run, target }: Copying): Promise<number> =>
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

async function list(job: Job, { info }: WireRun): Promise<Found> {
  let unfit = 0
  try {
    const place = await placeOf(job.from, info.artifact_uri, [info.experiment_id, info.run_id, 'artifacts'])
    const found = await listing(job, place, (path, error) => {
      unfit++
      job.fail('file', `${info.run_id}/${path}`, error)
    })
    return { listing: found, unfit }
  } catch (error) {
    job.signal?.throwIfAborted()
    return { error, unfit }
  }
}

async function copyArtifacts(
  { job, run: { info, data }, target }: Copying,
  files: Listing,
  { fresh, onUnfit }: { readonly fresh: boolean; readonly onUnfit: OnUnfit },
): Promise<number> {
  const { experiment_id, run_id, artifact_uri } = target.info
  return copyFiles(job, files, {
    uri: await placeOf(job.to, artifact_uri, [experiment_id, run_id, 'artifacts']),
    path: '',
    fresh,
    renames: { ids: new Map([[info.run_id, run_id]]), place: [info.artifact_uri ?? '', artifact_uri ?? ''] },
    mark: {
      key: FILES,
      from: { id: info.run_id, tags: data.tags },
      to: { id: run_id, tags: target.data.tags },
      state: [info.status, info.end_time, data.params, data.metrics],
      write: (key, value) => job.to.transport.call('setTag', { run_id, key, value }, { signal: job.signal }),
    },
    onUnfit,
  })
}

async function end(job: Job, { info }: WireRun, target: WireRun): Promise<number> {
  const { run_id, status, end_time } = target.info
  if (info.status === status && (info.end_time ?? 0) === (end_time ?? 0)) return 0
  const input = { run_id, status: info.status, ...(info.end_time === undefined ? {} : { end_time: info.end_time }) }
  await job.to.transport.call('updateRun', input, { signal: job.signal })
  return 1
}
