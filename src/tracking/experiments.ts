import type { Experiment, ViewType } from '../core/entities.js'
import {
  checkExperimentId,
  checkExperimentName,
  checkNewExperimentName,
  checkOptionalText,
  checkViewType,
  LIMITS,
  lengthOf,
} from '../core/names.js'
import { checkedInUse } from '../core/options.js'
import { checkMaxResults } from '../core/page.js'
import { toPairs } from '../core/pairs.js'
import { keyedText } from '../core/value-text.js'
import { AlreadyExistsError, absent, InvalidParameterError, isBadRequest } from '../errors.js'
import { allPages, firstOf } from '../transport/pages.js'
import { searchCheck } from '../transport/search-options.js'
import type { CallOptions, Transport } from '../transport/transport.js'
import { toExperiment } from './entities.js'

export type { CallOptions } from '../transport/transport.js'

/** What an experiment begins with. */
export interface CreateExperimentOptions extends CallOptions {
  /** URI below which the artifacts of the experiment's runs lie; the store's own choice when left out. */
  readonly artifactLocation?: string | undefined
  /** Tags of the experiment, not of its runs. */
  readonly tags?: Readonly<Record<string, string>> | undefined
}

/** Which experiments are looked for, in which order, and how many. */
export interface SearchExperimentsOptions extends CallOptions {
  /** MLflow's grammar, e.g. `name LIKE 'churn%' AND tags.team = 'growth'`. */
  readonly filter?: string | undefined
  /** E.g. `['creation_time DESC']`, which is the default. */
  readonly orderBy?: readonly string[] | undefined
  /** How many at the most: 1,000 by default, all for `Infinity`. For `iterateExperiments`, the size of a page. */
  readonly maxResults?: number | undefined
  /** `ACTIVE_ONLY` by default. */
  readonly viewType?: ViewType | undefined
}

/** Experiments: making, finding, renaming, deleting and restoring them. */
export interface Experiments {
  /**
   * Makes an experiment and resolves to its id. Throws `AlreadyExistsError` when the name is taken, by a deleted
   * experiment too; `InvalidParameterError` for a blank or over-long name (256 characters, as databases have room for).
   */
  createExperiment(name: string, options?: CreateExperimentOptions): Promise<string>
  /** The experiment with an id, active or deleted; `NotFoundError` when there is none. */
  getExperiment(experimentId: string, options?: CallOptions): Promise<Experiment>
  /** The experiment with a name, active or deleted; `undefined` when there is none. */
  getExperimentByName(name: string, options?: CallOptions): Promise<Experiment | undefined>
  /**
   * The experiments that a filter describes, newest first, at most `maxResults` (1,000). A bad filter is an
   * `InvalidParameterError` that shows where it broke.
   */
  searchExperiments(options?: SearchExperimentsOptions): Promise<Experiment[]>
  /** As `searchExperiments`, one after the other, asked for page by page as they are consumed. */
  iterateExperiments(options?: SearchExperimentsOptions): AsyncIterable<Experiment>
  /**
   * Gives an experiment another name; `NotFoundError` when there is none with this id, `AlreadyExistsError` when the name
   * is taken.
   */
  renameExperiment(experimentId: string, newName: string, options?: CallOptions): Promise<void>
  /**
   * Marks an experiment and its runs as deleted; `restoreExperiment` brings them back. `NotFoundError` when there is no active
   * one with this id.
   */
  deleteExperiment(experimentId: string, options?: CallOptions): Promise<void>
  /** Brings a deleted experiment back, with all its runs; `NotFoundError` when there is no deleted one with this id. */
  restoreExperiment(experimentId: string, options?: CallOptions): Promise<void>
  /**
   * Sets one tag of an experiment (value at most 5,000 characters, as in MLflow); `NotFoundError` when there is none with
   * this id.
   */
  setExperimentTag(experimentId: string, key: string, value: string, options?: CallOptions): Promise<void>
  /** Sets several tags of an experiment, in order; `NotFoundError` when there is none with this id. */
  setExperimentTags(experimentId: string, tags: Readonly<Record<string, string>>, options?: CallOptions): Promise<void>
  /** Removes a tag of an experiment; one that is not there is success, an experiment that is not there a `NotFoundError`. */
  deleteExperimentTag(experimentId: string, key: string, options?: CallOptions): Promise<void>
}

const PAGE = 1000

const checkSearch = searchCheck<SearchExperimentsOptions>({ viewType: checkedInUse })

const textOf = (key: string, value: unknown): string =>
  keyedText('tag', key, value, { limit: LIMITS.experimentTagValue })
const pairsOf = (tags: Readonly<Record<string, unknown>>) => toPairs(tags, textOf)

/** The verbs on experiments, over a transport that is made when the first of them is called. */
export function experiments(transport: () => Promise<Transport>): Experiments {
  const verbs: Experiments = {
    async createExperiment(name, { artifactLocation, tags, signal } = {}) {
      const location = checkOptionalText('The artifactLocation', artifactLocation)
      const input = {
        name: checkNewExperimentName(name),
        artifact_location: location,
        tags: tags ? pairsOf(tags) : undefined,
      }
      return (await (await transport()).call('createExperiment', input, { signal })).experiment_id
    },
    async getExperiment(experimentId, options) {
      const input = { experiment_id: checkExperimentId(experimentId) }
      return toExperiment((await (await transport()).call('getExperiment', input, options)).experiment)
    },
    async getExperimentByName(name, options) {
      const input = { experiment_name: checkExperimentName(name) }
      const found = await (await transport()).call('getExperimentByName', input, options).catch(absent)
      return found && toExperiment(found.experiment)
    },
    searchExperiments: async (options = {}) =>
      firstOf(verbs.iterateExperiments, checkSearch('searchExperiments', options), { byDefault: PAGE, most: PAGE }),
    async *iterateExperiments(options = {}) {
      checkSearch('iterateExperiments', options)
      const { filter, orderBy, maxResults = PAGE, viewType = 'ACTIVE_ONLY', signal } = options
      yield* allPages(async (page_token) => {
        const input = {
          filter,
          order_by: orderBy && [...orderBy],
          max_results: checkMaxResults(maxResults),
          view_type: checkViewType(viewType),
          page_token,
        }
        const page = await (await transport()).call('searchExperiments', input, { signal })
        return { items: page.experiments.map(toExperiment), nextPageToken: page.next_page_token }
      })
    },
    async renameExperiment(experimentId, newName, options) {
      const input = { experiment_id: checkExperimentId(experimentId), new_name: checkNewExperimentName(newName) }
      try {
        await (await transport()).call('updateExperiment', input, options)
      } catch (error) {
        const other = isBadRequest(error) ? await verbs.getExperimentByName(newName, options) : undefined
        if (other === undefined || other.experimentId === experimentId) throw error
        throw new AlreadyExistsError(
          `An experiment ${JSON.stringify(newName)} exists already (id ${other.experimentId})`,
          { cause: error },
        )
      }
    },
    async deleteExperiment(experimentId, options) {
      await (await transport()).call('deleteExperiment', { experiment_id: checkExperimentId(experimentId) }, options)
    },
    async restoreExperiment(experimentId, options) {
      await (await transport()).call('restoreExperiment', { experiment_id: checkExperimentId(experimentId) }, options)
    },
    async setExperimentTag(experimentId, key, value, options) {
      const input = { experiment_id: checkExperimentId(experimentId), key, value: textOf(key, value) }
      await (await transport()).call('setExperimentTag', input, options)
    },
    async setExperimentTags(experimentId, tags, options) {
      for (const { key, value } of pairsOf(tags)) await verbs.setExperimentTag(experimentId, key, value, options)
    },
    async deleteExperimentTag(experimentId, key, options) {
      const input = { experiment_id: checkExperimentId(experimentId), key }
      try {
        await (await transport()).call('deleteExperimentTag', input, options)
      } catch (error) {
        absent(error)
        // Which of the two is not found: the tag, or the experiment?
        await verbs.getExperiment(experimentId, options)
      }
    },
  }
  return verbs
}

/** The experiment with a name, made when it is absent, also when several processes ask at once. */
export async function ensureExperiment(verbs: Experiments, name: string, signal?: AbortSignal): Promise<Experiment> {
  // Longer than any that is there, it would have to be made.
  if (typeof name === 'string' && lengthOf(name) > LIMITS.experimentName) checkNewExperimentName(name)
  const existing = await verbs.getExperimentByName(name, { signal })
  if (existing) return requireActive(existing)
  try {
    return await verbs.getExperiment(await verbs.createExperiment(name, { signal }), { signal })
  } catch (error) {
    const made = error instanceof AlreadyExistsError && (await verbs.getExperimentByName(name, { signal }))
    if (made) return requireActive(made)
    throw error
  }
}

/** The experiment itself, unless it is deleted: that is an `InvalidParameterError` which says how to bring it back. */
export function requireActive(experiment: Experiment): Experiment {
  if (experiment.lifecycleStage !== 'deleted') return experiment
  const { name, experimentId } = experiment
  throw new InvalidParameterError(
    `The experiment ${JSON.stringify(name)} is deleted; bring it back with restoreExperiment('${experimentId}') or choose another name`,
  )
}
