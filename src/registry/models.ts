import type { ModelVersion, RegisteredModel } from '../core/entities.js'
import {
  checkAlias,
  checkKey,
  checkModelName,
  checkOptionalText,
  checkStage,
  checkVersion,
  LIMITS,
} from '../core/names.js'
import { checkedInUse, listOf } from '../core/options.js'
import { checkMaxResults, pageLimits } from '../core/page.js'
import { toPairs } from '../core/pairs.js'
import { keyedText } from '../core/value-text.js'
import { allPages, firstOf } from '../transport/pages.js'
import { searchCheck } from '../transport/search-options.js'
import type { CallOptions, Transport } from '../transport/transport.js'
import { toModelVersion, toRegisteredModel } from './entities.js'

/** What a registered model begins with. */
export interface CreateRegisteredModelOptions extends CallOptions {
  /** Tags of the registered model, not of its versions. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** What the model is for, as people read it. */
  readonly description?: string | undefined
}

/** What of a registered model changes. */
export interface UpdateRegisteredModelOptions extends CallOptions {
  /** In place of the one it has; left out, it has none afterwards. */
  readonly description?: string | undefined
}

/** Which registered models are looked for, in which order, and how many. */
export interface SearchRegisteredModelsOptions extends CallOptions {
  /** MLflow's grammar, e.g. `name LIKE 'churn%' AND tags.team = 'growth'`. */
  readonly filter?: string | undefined
  /** E.g. `['last_updated_timestamp DESC']`; by name by default. */
  readonly orderBy?: readonly string[] | undefined
  /** How many at the most: 1,000 by default, all for `Infinity`. For `iterateRegisteredModels`, the size of a page: 100 by default, at most 1,000. */
  readonly maxResults?: number | undefined
}

/** Registered models: making, finding, renaming and deleting them, their tags and aliases. */
export interface RegisteredModels {
  /**
   * Makes a registered model, without a version yet. Throws `AlreadyExistsError` when the name is taken and
   * `InvalidParameterError` for a name that is blank or contains `/` or `:`.
   */
  createRegisteredModel(name: string, options?: CreateRegisteredModelOptions): Promise<RegisteredModel>
  /** The registered model with a name, and the newest version of each of its stages; `NotFoundError` when there is none. */
  getRegisteredModel(name: string, options?: CallOptions): Promise<RegisteredModel>
  /**
   * Gives a registered model and all its versions another name; `NotFoundError` when there is none with the old one,
   * `AlreadyExistsError` when the new one is taken.
   */
  renameRegisteredModel(name: string, newName: string, options?: CallOptions): Promise<RegisteredModel>
  /** Changes the description of a registered model; `NotFoundError` when there is none with this name. */
  updateRegisteredModel(name: string, options?: UpdateRegisteredModelOptions): Promise<RegisteredModel>
  /**
   * Deletes a registered model with all its versions, for good. The files that versions point to stay. `NotFoundError` when
   * there is none with this name.
   */
  deleteRegisteredModel(name: string, options?: CallOptions): Promise<void>
  /**
   * The registered models that a filter describes, at most `maxResults` (1,000), all pages joined. A bad filter is an
   * `InvalidParameterError` that shows where it broke.
   */
  searchRegisteredModels(options?: SearchRegisteredModelsOptions): Promise<RegisteredModel[]>
  /** As `searchRegisteredModels`, one after the other, asked for page by page as they are consumed. */
  iterateRegisteredModels(options?: SearchRegisteredModelsOptions): AsyncIterable<RegisteredModel>
  /**
   * The newest version of each stage, or of each of the stages asked for (any case); none for a stage that nobody holds.
   * `NotFoundError` for an unknown name.
   */
  getLatestVersions(name: string, stages?: readonly string[], options?: CallOptions): Promise<ModelVersion[]>
  /**
   * Sets one tag of a registered model (value at most 100,000 characters, as in MLflow); `NotFoundError` for an unknown
   * name.
   */
  setRegisteredModelTag(name: string, key: string, value: string, options?: CallOptions): Promise<void>
  /** Removes a tag of a registered model; one that is not there is success, an unknown name a `NotFoundError`. */
  deleteRegisteredModelTag(name: string, key: string, options?: CallOptions): Promise<void>
  /**
   * Lets an alias stand for a version, wherever it stood before. Letters, digits, `_` and `-`, at most 255; `latest` and
   * `v<number>` are taken: `InvalidParameterError`. `transitionStage` with `{ alias }` does the same and keeps a history.
   * `NotFoundError` when there is no such version.
   */
  setRegisteredModelAlias(name: string, alias: string, version: string | number, options?: CallOptions): Promise<void>
  /** Removes an alias; one that is not there is success, an unknown name a `NotFoundError`. */
  deleteRegisteredModelAlias(name: string, alias: string, options?: CallOptions): Promise<void>
  /**
   * The version that an alias stands for; `InvalidParameterError` when the model has no such alias, as MLflow has it;
   * `NotFoundError` for an unknown name.
   */
  getModelVersionByAlias(name: string, alias: string, options?: CallOptions): Promise<ModelVersion>
}

const { byDefault: PAGE, most: MOST } = pageLimits.registeredModels

const checkSearch = searchCheck<SearchRegisteredModelsOptions>({})
const areStages = listOf('stages', checkedInUse)

/** The verbs on registered models, over a transport that is made when the first of them is called. */
export function registeredModels(transport: () => Promise<Transport>): RegisteredModels {
  const verbs: RegisteredModels = {
    async createRegisteredModel(name, { tags, description, signal } = {}) {
      const input = { name: checkModelName(name), tags: checkTags(tags), description: note(description) }
      return toRegisteredModel(
        (await (await transport()).call('createRegisteredModel', input, { signal })).registered_model,
      )
    },
    async getRegisteredModel(name, options) {
      const input = { name: checkModelName(name) }
      return toRegisteredModel((await (await transport()).call('getRegisteredModel', input, options)).registered_model)
    },
    async renameRegisteredModel(name, newName, options) {
      const input = { name: checkModelName(name), new_name: checkModelName(newName) }
      const answer = await (await transport()).call('renameRegisteredModel', input, options)
      return toRegisteredModel(answer.registered_model)
    },
    async updateRegisteredModel(name, { description, signal } = {}) {
      const input = { name: checkModelName(name), description: note(description) }
      const answer = await (await transport()).call('updateRegisteredModel', input, { signal })
      return toRegisteredModel(answer.registered_model)
    },
    async deleteRegisteredModel(name, options) {
      await (await transport()).call('deleteRegisteredModel', { name: checkModelName(name) }, options)
    },
    searchRegisteredModels: async (options = {}) =>
      firstOf(verbs.iterateRegisteredModels, checkSearch('searchRegisteredModels', options), {
        byDefault: MOST,
        most: MOST,
      }),
    async *iterateRegisteredModels(options = {}) {
      checkSearch('iterateRegisteredModels', options)
      const { filter, orderBy, maxResults = PAGE, signal } = options
      yield* allPages(async (page_token) => {
        const max_results = checkMaxResults(maxResults, MOST)
        const input = { filter, order_by: orderBy && [...orderBy], max_results, page_token }
        const page = await (await transport()).call('searchRegisteredModels', input, { signal })
        return { items: page.registered_models.map(toRegisteredModel), nextPageToken: page.next_page_token }
      })
    },
    async getLatestVersions(name, stages, options) {
      if (stages !== undefined) areStages(stages, 'stages')
      const input = { name: checkModelName(name), stages: stages?.map(checkStage) }
      const { model_versions } = await (await transport()).call('getLatestVersions', input, options)
      return model_versions.map(toModelVersion)
    },
    async setRegisteredModelTag(name, key, value, options) {
      const input = { name: checkModelName(name), ...checkTag(key, value) }
      await (await transport()).call('setRegisteredModelTag', input, options)
    },
    async deleteRegisteredModelTag(name, key, options) {
      const input = { name: checkModelName(name), key: checkKey('tag', key) }
      await (await transport()).call('deleteRegisteredModelTag', input, options)
    },
    async setRegisteredModelAlias(name, alias, version, options) {
      const input = { name: checkModelName(name), alias: checkAlias(alias), version: checkVersion(version) }
      await (await transport()).call('setRegisteredModelAlias', input, options)
    },
    async deleteRegisteredModelAlias(name, alias, options) {
      const input = { name: checkModelName(name), alias: checkAlias(alias) }
      await (await transport()).call('deleteRegisteredModelAlias', input, options)
    },
    async getModelVersionByAlias(name, alias, options) {
      const input = { name: checkModelName(name), alias: checkAlias(alias) }
      return toModelVersion((await (await transport()).call('getModelVersionByAlias', input, options)).model_version)
    },
  }
  return verbs
}

const note = (description: string | undefined) => checkOptionalText('The description', description)

const textOf = (key: string, value: unknown): string => keyedText('tag', key, value, { limit: LIMITS.registryTagValue })

/** A tag of the registry, checked by MLflow's limits. */
export const checkTag = (key: string, value: unknown) => ({ key, value: textOf(key, value) })

/** Tags of the registry, each checked by MLflow's limits; `null` and `undefined` are left out. */
export const checkTags = (tags: Readonly<Record<string, unknown>> | undefined) =>
  tags ? toPairs(tags, textOf) : undefined
