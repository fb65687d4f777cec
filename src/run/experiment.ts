import type { Experiment } from '../core/entities.js'
import { InvalidParameterError } from '../errors.js'
import { type CallOptions, type Experiments, ensureExperiment, requireActive } from '../tracking/experiments.js'
import { isAway } from './offline.js'

/** The experiment that runs go to when they do not say otherwise. */
export interface ExperimentInUse {
  /** Sets it; a name whose server is away counts from now on and is looked up when it is back. */
  set(experiment: string | { readonly experimentId: string }, options?: CallOptions): Promise<Experiment>
  /** The one that is set: by `set`, else by the environment, looked up once. */
  current(): Promise<Experiment | undefined>
  /** The one that is set, as far as it is known without its server. */
  known(): { readonly experimentId: string } | { readonly name: string } | undefined
  /** Its id, when it was looked up. */
  readonly id: string | undefined
}

export interface ExperimentInUseDeps {
  readonly experiments: Experiments
  /** As `experiments`, giving up after seconds where a run may begin without its server. */
  readonly starting: Experiments
  readonly mayBeOffline: boolean
  /** What the environment says. */
  readonly settings: { readonly experimentId: string | undefined; readonly experimentName: string | undefined }
  readonly warn: (message: string) => void
}

/** Nothing is asked before it is needed. */
export function experimentInUse(deps: ExperimentInUseDeps): ExperimentInUse {
  const { experiments, starting, mayBeOffline, warn } = deps
  const { experimentId, experimentName } = deps.settings
  let current: Experiment | undefined
  /** The name of one that was set while its server was away. */
  let wanted: string | undefined

  return {
    get id() {
      return current?.experimentId
    },
    async set(experiment, options) {
      wanted = undefined
      if (typeof experiment !== 'string') {
        if (typeof experiment !== 'object' || experiment === null)
          throw new InvalidParameterError('setExperiment takes a name, or { experimentId }')
        current = requireActive(await experiments.getExperiment(experiment.experimentId, options))
        return current
      }
      try {
        current = await ensureExperiment(starting, experiment, options?.signal)
        return current
      } catch (error) {
        if (!mayBeOffline || !isAway(error)) throw error
        wanted = experiment
        warn(
          `The server is away; the experiment ${JSON.stringify(experiment)} is set when it is back: ${error.message}`,
        )
        return notYetThere(experiment)
      }
    },
    async current() {
      if (wanted !== undefined) current = await ensureExperiment(starting, wanted)
      wanted = undefined
      if (current) return current
      if (experimentId !== undefined) current = requireActive(await starting.getExperiment(experimentId))
      if (experimentName === undefined) return current
      if (current && current.name !== experimentName)
        throw new InvalidParameterError(
          `MLFLOW_EXPERIMENT_ID ${experimentId} is ${JSON.stringify(current.name)}, but MLFLOW_EXPERIMENT_NAME is ${JSON.stringify(experimentName)}; set one of them`,
        )
      current ??= await ensureExperiment(starting, experimentName)
      return current
    },
    known() {
      if (wanted !== undefined) return { name: wanted }
      const id = current?.experimentId ?? experimentId
      if (id !== undefined) return { experimentId: id }
      return experimentName === undefined ? undefined : { name: experimentName }
    },
  }
}

/** An experiment that was named while its server was away. */
const notYetThere = (name: string): Experiment => ({
  experimentId: '',
  name,
  artifactLocation: undefined,
  lifecycleStage: 'active',
  creationTime: undefined,
  lastUpdateTime: undefined,
  tags: {},
})
