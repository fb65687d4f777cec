import type { Experiment } from '../core/entities.js'
import { checkNewExperimentName } from '../core/names.js'
import { InvalidParameterError } from '../errors.js'
import { type CallOptions, type Experiments, ensureExperiment, requireActive } from '../tracking/experiments.js'
import { namingVariable } from './naming-variable.js'
import { isAway, sayingNever } from './outages.js'

/** The experiment that runs go to when they do not say otherwise. */
export interface ExperimentInUse {
  /** Sets it; one whose server is away counts from now on and is looked up when it is back. */
  set(experiment: string | { readonly experimentId: string }, options?: CallOptions): Promise<Experiment>
  /** The one that `set` has set. */
  chosen(options?: CallOptions): Promise<Experiment | undefined>
  /** That one, else the environment's, looked up once. */
  current(options?: CallOptions): Promise<Experiment | undefined>
  /** The one that is set, as far as it is known without its server. */
  known(): { readonly experimentId: string } | { readonly name: string } | undefined
  /** Its id, when it was looked up. */
  readonly id: string | undefined
}

export interface ExperimentInUseDeps {
  /** Giving up after seconds where a run may begin without its server. */
  readonly starting: Experiments
  readonly mayBeOffline: boolean
  /** Whether a server that is away is told with what forbids to go on without it. */
  readonly isNever: boolean
  /** What the environment says. */
  readonly settings: { readonly experimentId: string | undefined; readonly experimentName: string | undefined }
  /** Told what waits for the server, and why. */
  readonly away: (said: string) => void
}

type Wanted = { readonly name: string } | { readonly experimentId: string }

/** Keeps the experiment that runs go to; the environment's is looked up when it is first needed. */
export function experimentInUse(deps: ExperimentInUseDeps): ExperimentInUse {
  const { starting, mayBeOffline, away } = deps
  const { experimentId, experimentName } = deps.settings
  let chosen: Experiment | undefined
  let found: Experiment | undefined
  /** One that was set while its server was away. */
  let wanted: Wanted | undefined

  const find = async (one: Wanted, signal?: AbortSignal): Promise<Experiment> =>
    'name' in one
      ? ensureExperiment(starting, one.name, signal)
      : requireActive(await starting.getExperiment(one.experimentId, { signal }))

  async function theChosen(options?: CallOptions): Promise<Experiment | undefined> {
    if (wanted !== undefined) chosen = await find(wanted, options?.signal)
    wanted = undefined
    return chosen
  }

  async function theEnvironments(id: string, options?: CallOptions): Promise<Experiment> {
    try {
      return requireActive(await starting.getExperiment(id, options))
    } catch (error) {
      throw namingVariable('MLFLOW_EXPERIMENT_ID', id, error)
    }
  }

  return {
    get id() {
      return (chosen ?? found)?.experimentId
    },
    async set(experiment, options) {
      if (
        typeof experiment !== 'string' &&
        (experiment as typeof experiment | undefined | null)?.experimentId === undefined
      )
        throw new InvalidParameterError('setExperiment takes a name, or { experimentId }')
      const asked = typeof experiment === 'string' ? { name: experiment } : { experimentId: experiment.experimentId }
      try {
        chosen = await find(asked, options?.signal)
        wanted = undefined
        return chosen
      } catch (error) {
        if (!isAway(error)) throw error
        if (deps.isNever) throw sayingNever(error)
        if (!mayBeOffline) throw error
        if ('name' in asked) checkNewExperimentName(asked.name)
        wanted = asked
        const said = 'name' in asked ? JSON.stringify(asked.name) : asked.experimentId
        away(`The server is away; the experiment ${said} is set when it is back: ${error.message}`)
        return notYetThere(asked)
      }
    },
    chosen: theChosen,
    async current(options) {
      const one = (await theChosen(options)) ?? found
      if (one) return one
      if (experimentId !== undefined) found = await theEnvironments(experimentId, options)
      if (experimentName === undefined) return found
      if (found && found.name !== experimentName)
        throw new InvalidParameterError(
          `MLFLOW_EXPERIMENT_ID ${experimentId} is ${JSON.stringify(found.name)}, but MLFLOW_EXPERIMENT_NAME is ${JSON.stringify(experimentName)}; set one of them`,
        )
      found ??= await ensureExperiment(starting, experimentName, options?.signal)
      return found
    },
    known() {
      if (wanted !== undefined) return wanted
      const id = (chosen ?? found)?.experimentId ?? experimentId
      if (id !== undefined) return { experimentId: id }
      return experimentName === undefined ? undefined : { name: experimentName }
    },
  }
}

/** An experiment that was set while its server was away. */
const notYetThere = (wanted: Wanted): Experiment => ({
  experimentId: 'name' in wanted ? '' : wanted.experimentId,
  name: 'name' in wanted ? wanted.name : '',
  artifactLocation: undefined,
  lifecycleStage: 'active',
  creationTime: undefined,
  lastUpdateTime: undefined,
  tags: {},
})
