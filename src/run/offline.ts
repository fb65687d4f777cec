import { randomUUID } from 'node:crypto'
import type { Experiment, RunData } from '../core/entities.js'
import { toPairs } from '../core/pairs.js'
import { CairnError } from '../errors.js'
import type { NewRun } from '../spool/records.js'
import { runTags, type StartDeps, type StartRunOptions } from './start.js'

/** Whether a failure says that the server is away, and not that it was given a wrong address or wrong credentials. */
export function isAway(error: unknown): error is CairnError {
  if (!(error instanceof CairnError) || !error.retryable) return false
  if (error.status !== undefined) return error.status >= 500 || error.status === 408 || error.status === 429
  const { code } = (error.cause ?? {}) as { code?: unknown }
  return code !== 'ENOTFOUND'
}

/** A run that begins without its server: as it stands for the script, and what has to be made later. */
export interface OfflineRun {
  readonly data: RunData
  /** Undefined for a run that the server has already. */
  readonly create: NewRun | undefined
}

/** Begins a run under an id of ours, or takes one up by the id it has. */
export async function offlineRun(
  deps: StartDeps,
  options: StartRunOptions,
  experiment: Pick<Experiment, 'experimentId'> | { readonly name: string } | undefined,
): Promise<OfflineRun> {
  const startTime = Date.now()
  const { runName } = options
  const tags = options.runId === undefined ? await runTags(deps, options) : {}
  const byId = experiment && 'experimentId' in experiment ? experiment.experimentId : undefined
  const experimentName = experiment && 'name' in experiment ? experiment.name : undefined
  const userId = tags['mlflow.user']
  const data: RunData = {
    info: {
      runId: options.runId ?? randomUUID().replaceAll('-', ''),
      runName,
      experimentId: byId ?? '',
      status: 'RUNNING',
      startTime,
      endTime: undefined,
      artifactUri: undefined,
      lifecycleStage: 'active',
      userId,
    },
    data: {
      params: {},
      metrics: {},
      tags: { ...tags, ...(runName === undefined ? {} : { 'mlflow.runName': runName }) },
    },
  }
  if (options.runId !== undefined) return { data, create: undefined }
  return { data, create: { experimentId: byId, experimentName, startTime, runName, userId, tags: toPairs(tags) ?? [] } }
}
