import { join } from 'node:path'
import { eachLimited } from '../artifacts/limited.js'
import { factsBehind, namesIn } from '../disk/files.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import { withoutSecrets } from '../spool/place.js'
import { copyModel } from './copy-model.js'
import { copyRun } from './copy-run.js'
import { copyExperiment } from './experiments.js'
import { type CopyRules, type Job, job, type SyncResult } from './job.js'
import { experimentsOf, registeredModelsOf, runsOf } from './list.js'
import { planModels } from './model-plan.js'
import { copyRegisteredModel } from './registry.js'
import { rehearsal } from './rehearsal.js'
import { planRuns } from './run-plan.js'
import type { Side } from './side.js'
import { tellUnreadable } from './unreadable.js'

export type { CopyRules, SyncFailure, SyncKind, SyncOptions, SyncProgress, SyncResult, SyncTally } from './job.js'

const RUNS_AT_ONCE = 4

/**
 * Copies one store into another: experiments by name, runs with their metric histories and artifacts, logged models,
 * registered models with their versions. Ids are remembered in tags of the copies, so a second copy adds nothing, one that
 * was cut goes on, and a copy of a copy finds the original. What fails is in the result and stops nothing else, but a store
 * that is out of reach: that is thrown.
 *
 * A file is sent when its copy is lacking, has another size, or the file changed since it was last copied. A local store
 * tells the time of each change. A server tells none: all files of a run count as changed when its status, end time,
 * parameters or metrics are others than then, those of a logged model when it was updated; nothing is read to find out.
 * Files that another hand put at the target are compared by size the first time.
 *
 * What is removed in the source, a file, a tag, an alias or a version, stays at the target.
 *
 * A run that has ended is looked at again when anything about it changed: in a local store also when it got points. Of
 * metrics a server tells the latest values, which a point that comes later for an earlier step leaves as they are: for it
 * histories are read again until a run was copied a day after its end. One that comes later still is noticed when the run
 * is named in `runIds`.
 */
export async function sync(from: Side, to: Side, options: CopyRules = {}): Promise<SyncResult> {
  if (from.uri === to.uri)
    throw new InvalidParameterError(
      `${withoutSecrets(from.uri)} cannot be copied into itself; give another store as to (--to on the command line)`,
    )
  options.signal?.throwIfAborted()
  if (from.local) await checkStore(from.uri)
  const isNew = to.local && !(await factsBehind(to.uri))
  const one = job(from, options.dryRun ? rehearsal(to, isNew) : to, options)

  const experiments = await copyExperiments(one)
  const runs = await planRuns(one, experiments)
  const models = await planModels(one, experiments, runs)
  const registered = await registeredModelsOf(from, options)
  if (!options.experimentNames && !options.runIds)
    await tellUnreadable(one, {
      what: 'registered model',
      at: ['models'],
      listed: new Set(registered.map(({ name }) => name)),
      read: (name) => from.transport.call('getRegisteredModel', { name }, { signal: one.signal }),
    })
  one.expect(runs.runs.length + models.models.length + registered.length)

  await eachLimited(runs.runs, RUNS_AT_ONCE, async (run) => {
    await one.guard('run', run.id, () => copyRun(one, { experiments, runs, models }, run))
    one.done(run.info.run_name ?? run.id)
  })
  await eachLimited(models.models, RUNS_AT_ONCE, async (model) => {
    await one.guard('logged model', model.id, () => copyModel(one, models, model))
    one.done(model.id)
  })
  // One after the other: a version may come from a model that was registered before.
  for (const model of registered) {
    await one.guard('registered model', model.name, () =>
      copyRegisteredModel(one, model, { experiments, runs, models }),
    )
    one.done(model.name)
  }
  return one.result
}

/** A local store begins with an experiment when it is opened, which nobody wants in a folder named by mistake. */
async function checkStore(path: string): Promise<void> {
  if ((await factsBehind(path))?.kind !== 'directory')
    throw new NotFoundError(`There is no local store ${path}; give the path of a folder like ./mlruns`)
  for (const name of await namesIn(path)) if (await factsBehind(join(path, name, 'meta.yaml'))) return
  throw new NotFoundError(
    `${path} is no store: no experiment lies in it; give the folder that holds them, like ./mlruns`,
  )
}

/** Source id → target id of the experiments that are copied. */
async function copyExperiments(one: Job): Promise<Map<string, string>> {
  const { experimentNames, runIds, deleted, signal } = one.options
  const wanted = experimentNames && new Set(experimentNames)
  const holding = runIds && (await experimentsHolding(one, runIds))
  const ids = new Map<string, string>()
  const seen = new Set<string>()
  const listed = new Set<string>()
  for await (const experiment of experimentsOf(one.from, { signal })) {
    listed.add(experiment.experiment_id)
    if (wanted && !wanted.has(experiment.name)) continue
    seen.add(experiment.name)
    if (holding && !holding.has(experiment.experiment_id)) continue
    await one.guard('experiment', experiment.name, async () => {
      ids.set(experiment.experiment_id, await copyExperiment(one, experiment))
    })
    if (ids.has(experiment.experiment_id)) continue
    const left = holding?.get(experiment.experiment_id) ?? (await countRuns(one, experiment.experiment_id))
    if (left > 0)
      one.keep(
        `With the experiment ${JSON.stringify(experiment.name)} ${left} ${left === 1 ? 'run was' : 'runs were'} left out`,
      )
  }
  // What cannot be read is of no name that was asked for.
  if (!wanted && !runIds)
    await tellUnreadable(one, {
      what: 'experiment',
      at: [],
      listed,
      read: (id) => one.from.transport.call('getExperiment', { experiment_id: id }, { signal }),
    })
  if (deleted) {
    const left: string[] = []
    for await (const { name, experiment_id: id } of experimentsOf(one.from, { deleted, signal }))
      if ((!wanted || wanted.has(name)) && (!holding || holding.has(id))) left.push(JSON.stringify(name))
    if (left.length > 0)
      one.keep(`Deleted experiments were left out with all their runs: ${left.join(', ')}; restore them to copy them`)
  }
  for (const name of wanted ?? [])
    if (!seen.has(name)) throw new NotFoundError(`There is no experiment ${JSON.stringify(name)} in ${one.from.uri}`)
  return ids
}

async function countRuns({ from, options: { deleted = false, signal } }: Job, experimentId: string): Promise<number> {
  let count = 0
  for await (const _ of runsOf(from, experimentId, { deleted, signal })) count++
  return count
}

/** The experiments of some runs, and how many each has; `NotFoundError` when one of them is not there. */
async function experimentsHolding({ from, signal }: Job, runIds: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const run_id of new Set(runIds)) {
    const { run } = await from.transport.call('getRun', { run_id }, { signal })
    found.set(run.info.experiment_id, (found.get(run.info.experiment_id) ?? 0) + 1)
  }
  return found
}
