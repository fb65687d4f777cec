import { dirname } from 'node:path'
import type { Experiment, RunData } from '../core/entities.js'
import { checkRunId, DEFAULT_EXPERIMENT } from '../core/names.js'
import { OPERATION_TAG, TAG } from '../core/tags.js'
import { InvalidParameterError } from '../errors.js'
import { recentCommit } from '../host/git.js'
import { systemUser } from '../host/user.js'
import { type Experiments, ensureExperiment, requireActive } from '../tracking/experiments.js'
import type { Runs } from '../tracking/runs.js'
import { checkSameParam, paramText, present, type TextRules, tagText } from '../tracking/values.js'
import type { CallOptions, Transport } from '../transport/transport.js'

/** How a run starts. */
export interface StartRunOptions {
  /** Its name; a generated one when left out. */
  readonly runName?: string | undefined
  /** The id of a run to log to again. One that has ended is running again; one that runs is shared with its maker. */
  readonly runId?: string | undefined
  /** The experiment, made when it is absent. With neither name nor id: the one that is set, else `Default`. */
  readonly experimentName?: string | undefined
  readonly experimentId?: string | undefined
  readonly tags?: Readonly<Record<string, unknown>> | undefined
  /** A note, in Markdown. */
  readonly description?: string | undefined
  /** Parameters logged at once. */
  readonly params?: Readonly<Record<string, unknown>> | undefined
  /** Lets a run start while another is active, as its child. */
  readonly nested?: boolean | undefined
  /** The run that this one is a part of; it has to be there, unless it goes on in this process or its server is away. */
  readonly parentRunId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface StartDeps {
  readonly experiments: Experiments
  readonly runs: Runs
  readonly rules: TextRules
  /** The experiment that `setExperiment` has set; a run that is taken up again has to belong to it. */
  readonly chosen: (options: CallOptions) => Promise<Experiment | undefined>
  /** That one, else the environment's. */
  readonly current: (options: CallOptions) => Promise<Experiment | undefined>
  /** Whether a run is one that goes on in this process. */
  readonly isOpen: (runId: string) => boolean
  /** The way to the server; undefined for a store of this machine. */
  readonly server: (() => Promise<Transport>) | undefined
  readonly user: string | undefined
  /** More tags of the environment's; undefined when what it says cannot be read. */
  readonly runContext: Readonly<Record<string, unknown>> | undefined
  /** The mark by which the run is found again when it was perhaps made; the transport's own by default. */
  readonly operationId?: string | undefined
}

/** A run as it stands after its start, and whether this process ends it. */
export interface Started {
  readonly data: RunData
  readonly owned: boolean
}

/** Makes a run, or takes one up again, as Python's `start_run` does. */
export async function startRun(deps: StartDeps, options: StartRunOptions): Promise<Started> {
  return options.runId === undefined ? create(deps, options) : resume(deps, options, checkRunId(options.runId))
}

async function create(deps: StartDeps, options: StartRunOptions): Promise<Started> {
  const { runName, parentRunId, signal } = options
  if (parentRunId !== undefined && !deps.isOpen(parentRunId))
    requireThere(await deps.runs.getRun(parentRunId, { signal }))
  const [experimentId, tags] = await Promise.all([experimentOf(deps, options), runTags(deps, options)])
  try {
    const data = await deps.runs.createRun(experimentId, { runName, tags, userId: tags[TAG.user], signal })
    return { data, owned: true }
  } catch (refused) {
    // An experiment that was set may have been deleted since; what was not sent met none.
    if (refused instanceof InvalidParameterError && !refused.notSent)
      await deps.experiments.getExperiment(experimentId, { signal }).then(requireActive, () => {})
    throw refused
  }
}

function requireThere({ info: { runId, lifecycleStage } }: RunData): void {
  if (lifecycleStage === 'deleted')
    throw new InvalidParameterError(`The run ${runId} is deleted; bring it back with restoreRun('${runId}')`)
}

/** The tags that a new run begins with: the system's, those of the environment, and the caller's. */
export async function runTags(deps: StartDeps, options: StartRunOptions): Promise<Record<string, string>> {
  const { parentRunId } = options
  const own = {
    ...(await contextTags(deps)),
    ...(parentRunId === undefined ? {} : { [TAG.parentRunId]: checkRunId(parentRunId) }),
    ...note(options),
    ...options.tags,
    ...(deps.operationId === undefined ? {} : { [OPERATION_TAG]: deps.operationId }),
  }
  return tagTexts(own, deps.rules)
}

/** The tag that holds a run's description. */
export const note = ({ description }: StartRunOptions): Record<string, string> =>
  description === undefined ? {} : { [TAG.note]: description }

/** Tags that have a value, as MLflow keeps them. */
export const tagTexts = (tags: Readonly<Record<string, unknown>>, rules: TextRules): Record<string, string> =>
  Object.fromEntries(present(tags).map(([key, value]) => [key, tagText(key, value, rules)]))

async function experimentOf(
  deps: StartDeps,
  { experimentId, experimentName, signal }: StartRunOptions,
): Promise<string> {
  if (experimentId !== undefined && experimentName !== undefined)
    throw new InvalidParameterError('startRun takes experimentId or experimentName, not both')
  if (experimentId !== undefined)
    return requireActive(await deps.experiments.getExperiment(experimentId, { signal })).experimentId
  if (experimentName !== undefined)
    return (await ensureExperiment(deps.experiments, experimentName, signal)).experimentId
  return (await deps.current({ signal }))?.experimentId ?? DEFAULT_EXPERIMENT
}

async function resume(deps: StartDeps, options: StartRunOptions, runId: string): Promise<Started> {
  const { runs } = deps
  const { signal, runName } = options
  const before = await runs.getRun(runId, { signal })
  requireThere(before)
  const set = await deps.chosen({ signal })
  if (set && set.experimentId !== before.info.experimentId)
    throw new InvalidParameterError(
      `The run ${runId} belongs to experiment ${before.info.experimentId}, but ${JSON.stringify(set.name)} (${set.experimentId}) is set`,
    )
  const params = new Map(Object.entries(before.data.params))
  for (const [key, value] of present(options.params ?? {}))
    checkSameParam(key, paramText(key, value, deps.rules), params.get(key))
  // Several processes may log to a run that goes on: the one that made it ends it, perhaps just now.
  const owned = before.info.status !== 'RUNNING'
  const again = owned ? ({ status: 'RUNNING', endTime: before.info.endTime } as const) : {}
  if (owned || runName !== undefined) await runs.updateRun(runId, { ...again, runName, signal })
  else await askToWrite(deps, runId, { signal })
  const tags = { ...options.tags, ...note(options) }
  if (Object.keys(tags).length > 0) await runs.logBatch(runId, { tags }, { signal })
  return { data: await runs.getRun(runId, { signal }), owned }
}

/** A user who may not write to a run learns so at its start, not at the first flush: an empty batch is refused like any other. */
async function askToWrite({ server }: StartDeps, runId: string, options: CallOptions): Promise<void> {
  const transport = await server?.()
  await transport
    ?.call('logBatch', { run_id: runId, metrics: [], params: [], tags: [] }, options)
    .catch((error: unknown) => {
      // A server that only says it is empty has let the user in.
      if (!(error instanceof InvalidParameterError)) throw error
    })
}

/** The tags of who runs what, and the environment's, as Python's client sets them on runs and logged models (`mlflow/tracking/context`). */
export async function contextTags({
  user,
  runContext,
  rules,
}: Pick<StartDeps, 'user' | 'runContext' | 'rules'>): Promise<Record<string, string>> {
  if (runContext === undefined)
    rules.warn('MLFLOW_RUN_CONTEXT is passed over: it must be a JSON object, like {"team": "growth"}')
  const script = process.argv[1]
  const commit = script === undefined ? undefined : await recentCommit(dirname(script))
  return {
    [TAG.user]: user ?? systemUser() ?? 'unknown',
    [TAG.sourceName]: script ?? '<console>',
    [TAG.sourceType]: 'LOCAL',
    ...(commit === undefined ? {} : { [TAG.commit]: commit }),
    ...tagTexts(runContext ?? {}, rules),
  }
}
