import { randomUUID } from 'node:crypto'
import type { Experiment, RunData } from '../core/entities.js'
import { checkNewExperimentName, checkRunId } from '../core/names.js'
import { toPairs } from '../core/pairs.js'
import { IS_LEFT, type Step, TAKE_UP, TAKEN_UP, TAKEN_UP_AT } from '../spool/steps.js'
import { note, runTags, type StartDeps, type StartRunOptions, tagTexts } from './start.js'

/** A run that begins without its server: as it stands for the script, and what has to be done first. */
export interface OfflineRun {
  readonly data: RunData
  readonly steps: readonly Step[]
  /** The mark under which a run that was begun before is taken up; undefined for one that is to be made. */
  readonly mark: string | undefined
  /** Whether the id is ours, and the server has another for the run. */
  readonly isOurs: boolean
}

type Place = Pick<Experiment, 'experimentId'> | { readonly name: string }

/** Begins a run under an id of ours, or takes one up by the id it has; its server may have been asked before to make it. */
export async function offlineRun(
  deps: StartDeps,
  options: StartRunOptions,
  experiment: Place | undefined,
  { isOurs, wasAsked, isLeft }: { readonly isOurs: boolean; readonly wasAsked: boolean; readonly isLeft: boolean },
): Promise<OfflineRun> {
  if (options.runId === undefined) return newRun(deps, options, experiment, wasAsked)
  return takenUp(deps, options, { id: checkRunId(options.runId), isOurs, isLeft })
}

async function newRun(
  deps: StartDeps,
  options: StartRunOptions,
  experiment: Place | undefined,
  wasAsked: boolean,
): Promise<OfflineRun> {
  const startTime = Date.now()
  const { runName } = options
  const tags = await runTags(deps, options)
  const experimentId = experiment && 'experimentId' in experiment ? experiment.experimentId : undefined
  const experimentName = experiment && 'name' in experiment ? checkNewExperimentName(experiment.name) : undefined
  const userId = tags['mlflow.user']
  const named = runName === undefined ? {} : { 'mlflow.runName': runName }
  const data = {
    info: infoOf(randomUUID().replaceAll('-', ''), { runName, experimentId, startTime, userId }),
    data: { params: {}, metrics: {}, tags: { ...tags, ...named } },
  }
  const never = wasAsked ? {} : { neverAsked: true }
  const create = { experimentId, experimentName, startTime, runName, userId, tags: toPairs(tags) ?? [], ...never }
  return { data, steps: [{ create }], mark: undefined, isOurs: true }
}

/** Whether it goes on now, so that another process ends it, or has ended, so that we do, is found out when its server is there. */
function takenUp(
  { rules }: StartDeps,
  options: StartRunOptions,
  { id, isOurs, isLeft }: { id: string; isOurs: boolean; isLeft: boolean },
): OfflineRun {
  const { runName } = options
  const mark = randomUUID()
  const tags = tagTexts({ ...options.tags, ...note(options) }, rules)
  const named = runName === undefined ? {} : { run_name: runName }
  const now = Date.now()
  const input = { [TAKEN_UP]: mark, [TAKEN_UP_AT]: now, ...(isLeft ? { [IS_LEFT]: true } : {}), ...named }
  const made: Step[] = isOurs ? [{ create: { begunAs: id, startTime: now, tags: [] } }] : []
  const steps: Step[] = [...made, { call: TAKE_UP, input }, ...(toPairs(tags) ?? []).map((tag) => ({ tag }))]
  const info = infoOf(id, { runName })
  return { data: { info, data: { params: {}, metrics: {}, tags } }, steps, mark, isOurs }
}

interface Known {
  readonly runName: string | undefined
  readonly experimentId?: string | undefined
  readonly startTime?: number
  readonly userId?: string | undefined
}

const infoOf = (runId: string, known: Known): RunData['info'] => ({
  runId,
  runName: known.runName,
  experimentId: known.experimentId ?? '',
  status: 'RUNNING',
  startTime: known.startTime,
  endTime: undefined,
  artifactUri: undefined,
  lifecycleStage: 'active',
  userId: known.userId,
})
