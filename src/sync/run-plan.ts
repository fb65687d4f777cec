import { onceFor } from '../core/remembered.js'
import { absent, InvalidParameterError, NotFoundError } from '../errors.js'
import type { WireRun } from '../transport/protocol.js'
import { copies } from './copies.js'
import type { Job } from './job.js'
import { runsOf } from './list.js'
import { identityOf, SOURCE, STATE, textOf } from './marks.js'
import { tellUnreadable, unreadable } from './unreadable.js'

/** A run of the source that is to be at the target. */
export interface PlannedRun {
  readonly id: string
  readonly identity: string
  readonly experimentId: string
  /** Its name, and who ran it when. */
  readonly info: WireRun['info']
  /** Its copy, when there is one. */
  readonly known: WireRun | undefined
}

/** The runs that are copied, and their copies, made when they are first needed. */
export interface RunPlan {
  readonly runs: readonly PlannedRun[]
  has(id: string): boolean
  /** The copy of a run; `fresh` when nobody can have written to it but this copy. */
  ensure(id: string): Promise<{ readonly run: WireRun; readonly fresh: boolean }>
  /** The id of a run at the target, for a run that may not be among those copied: its copy is then one made before. */
  idAt(id: string): Promise<string | undefined>
}

/** The copies in an experiment of the target, by what they are copies of. */
async function copiesIn(job: Job, experimentId: string): Promise<Map<string, WireRun>> {
  const copies = new Map<string, WireRun>()
  const filter = `tags.\`${SOURCE}\` LIKE '%'`
  for await (const run of runsOf(job.to, experimentId, { deleted: true, filter, signal: job.signal }))
    copies.set(identityOf(run.info.run_id, run.data.tags), run)
  return copies
}

/** The run that a copy was made of, when it is the target's own: copied there and now on its way back. */
async function originalAt(job: Job, id: string): Promise<WireRun | undefined> {
  return (await job.to.transport.call('getRun', { run_id: id }, { signal: job.signal }).catch(absent))?.run
}

async function* runsIn(job: Job, experimentId: string): AsyncGenerator<WireRun> {
  const listed = new Set<string>()
  const { deleted = false, signal } = job.options
  for await (const run of runsOf(job.from, experimentId, { deleted, signal })) {
    listed.add(run.info.run_id)
    yield run
  }
  const read = (id: string) => job.from.transport.call('getRun', { run_id: id }, { signal })
  await tellUnreadable(job, { what: 'run', at: [experimentId], listed, read })
}

/** The runs of the source that are to be copied, those of one experiment together. */
async function* chosenRuns(job: Job, experiments: Iterable<string>): AsyncGenerator<WireRun> {
  const { runIds, deleted = false } = job.options
  if (!runIds) for (const id of experiments) yield* runsIn(job, id)
  for (const run_id of new Set(runIds)) {
    const { run } = await job.from.transport.call('getRun', { run_id }, { signal: job.signal })
    if (run.info.lifecycle_stage === 'deleted' && !deleted)
      throw new InvalidParameterError(`The run ${run_id} is deleted; restore it, or ask for deleted runs as well`)
    yield run
  }
}

/** Looks through experiments (source id → target id) for what is to be copied. */
export async function planRuns(job: Job, experiments: ReadonlyMap<string, string>): Promise<RunPlan> {
  const runs = new Map<string, PlannedRun>()
  const there = copies([...experiments.values()], (experimentId) => copiesIn(job, experimentId))
  for await (const { info, data } of chosenRuns(job, experiments.keys())) {
    const id = info.run_id
    const experimentId = experiments.get(info.experiment_id)
    if (experimentId === undefined) continue
    const identity = identityOf(id, data.tags)
    const known =
      (await there.at(experimentId)).get(identity) ?? (identity === id ? undefined : await originalAt(job, identity))
    runs.set(id, { id, identity, experimentId, info, known })
  }
  const unplanned = new Map<string, Promise<string | undefined>>()
  const copyOf = async (id: string): Promise<string | undefined> => {
    const run = (await job.from.transport.call('getRun', { run_id: id }, { signal: job.signal }).catch(unreadable))?.run
    const identity = run ? identityOf(id, run.data.tags) : id
    const copy = (await there.find(identity)) ?? (identity === id ? undefined : await originalAt(job, identity))
    return copy?.info.run_id
  }
  return plan(job, runs, (id) => onceFor(unplanned, id, () => copyOf(id)))
}

/** `copyOf` finds the copy of a run that is not planned. */
function plan(
  job: Job,
  runs: ReadonlyMap<string, PlannedRun>,
  copyOf: (id: string) => Promise<string | undefined>,
): RunPlan {
  const made = new Map<string, Promise<{ run: WireRun; fresh: boolean }>>()

  async function make({ identity, experimentId, info, known }: PlannedRun): Promise<{ run: WireRun; fresh: boolean }> {
    if (known) return { run: known, fresh: false }
    const input = {
      experiment_id: experimentId,
      ...(info.user_id ? { user_id: info.user_id } : {}),
      ...(info.run_name ? { run_name: info.run_name } : {}),
      ...(info.start_time === undefined ? {} : { start_time: info.start_time }),
      tags: [{ key: SOURCE, value: identity }],
    }
    return { ...(await job.to.transport.call('createRun', input, { signal: job.signal })), fresh: true }
  }

  async function ensure(id: string) {
    const planned = runs.get(id)
    if (!planned) throw new NotFoundError(`The run ${id} is not among those copied`)
    const making = made.get(id) ?? make(planned)
    made.set(id, making)
    const ready = await making
    job.mapped('runIds', id, ready.run.info.run_id)
    return ready
  }

  return {
    runs: [...runs.values()],
    has: (id) => runs.has(id),
    ensure,
    idAt: async (id) => (runs.has(id) ? (await ensure(id)).run.info.run_id : copyOf(id)),
  }
}

/** The state in which a copy was last complete. */
export const stateOf = ({ data }: WireRun): string | undefined => textOf(data.tags, STATE)
