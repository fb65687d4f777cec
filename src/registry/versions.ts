import type { ModelVersion } from '../core/entities.js'
import {
  checkKey,
  checkModelId,
  checkModelName,
  checkOptionalText,
  checkRunId,
  checkText,
  checkVersion,
} from '../core/names.js'
import { checkMaxResults, pageLimits } from '../core/page.js'
import { AlreadyExistsError, InvalidParameterError } from '../errors.js'
import { allPages, firstOf } from '../transport/pages.js'
import { searchCheck } from '../transport/search-options.js'
import type { CallOptions } from '../transport/transport.js'
import type { RegistryDeps } from './deps.js'
import { toModelVersion } from './entities.js'
import { checkTag, checkTags } from './models.js'
import { ready } from './ready.js'
import { type Source, sourceOf } from './source.js'

/** What a new version is registered with, and how long it is waited for. */
export interface RegisterModelOptions extends CallOptions {
  /** Tags of the new version. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Description of the new version. */
  readonly description?: string | undefined
  /** The run that made the model; what the URI names by default. */
  readonly runId?: string | undefined
  /** The logged model (`m-…`) that the version is; what the URI names by default. */
  readonly modelId?: string | undefined
  /** How long to wait until the version is ready, in milliseconds; 300,000 by default, 0 does not wait. */
  readonly awaitRegistrationMs?: number | undefined
}

/** What a new version is made with, and how long it is waited for. */
export interface CreateModelVersionOptions extends RegisterModelOptions {
  /** Where to read about the run, when it lives on another server. */
  readonly runLink?: string | undefined
}

/** Which versions are looked for, in which order, and how many. */
export interface SearchModelVersionsOptions extends CallOptions {
  /** MLflow's grammar, e.g. `name = 'churn' AND tags.team = 'growth'`. */
  readonly filter?: string | undefined
  /** E.g. `['version_number DESC']`; the last updated first by default. */
  readonly orderBy?: readonly string[] | undefined
  /** How many at the most: 10,000 by default, all for `Infinity`. For `iterateModelVersions`, the size of a page, at most 200,000. */
  readonly maxResults?: number | undefined
}

/** Versions of registered models: registering, finding, describing, tagging and deleting them. */
export interface ModelVersions {
  /**
   * Registers a model as the next version of a registered model, which is made when it is absent. The model is a
   * `models:/m-<id>`, a `runs:/<id>/<path>` (a model logged by that name, or that folder of the run's artifacts), a
   * `models:/<name>/<version, stage, latest or alias>` to copy from, or a URI of files. Waits until the version is ready.
   * Throws `NotFoundError` when the run has no such model, before anything is made; `TimeoutError` when the wait runs out.
   */
  registerModel(modelUri: string, name: string, options?: RegisterModelOptions): Promise<ModelVersion>
  /**
   * Makes the next version of a registered model from the place its files lie at, and waits until it is ready.
   * `NotFoundError` when there is no such registered model; `InvalidParameterError` for a source that the backend does not allow.
   */
  createModelVersion(name: string, source: string, options?: CreateModelVersionOptions): Promise<ModelVersion>
  /** One version; `NotFoundError` when there is none with this number. */
  getModelVersion(name: string, version: string | number, options?: CallOptions): Promise<ModelVersion>
  /**
   * Changes the description of a version; left out, it has none afterwards. `NotFoundError` when there is no such version.
   */
  updateModelVersion(
    name: string,
    version: string | number,
    options?: CallOptions & { readonly description?: string | undefined },
  ): Promise<ModelVersion>
  /**
   * Deletes a version for good; its number is not given again, its history goes with it, its files stay. `NotFoundError`
   * when there is none with this number.
   */
  deleteModelVersion(name: string, version: string | number, options?: CallOptions): Promise<void>
  /**
   * The versions that a filter describes, at most `maxResults` (10,000), all pages joined. A bad filter is an
   * `InvalidParameterError` that shows where it broke.
   */
  searchModelVersions(options?: SearchModelVersionsOptions): Promise<ModelVersion[]>
  /** As `searchModelVersions`, one after the other, asked for page by page as they are consumed. */
  iterateModelVersions(options?: SearchModelVersionsOptions): AsyncIterable<ModelVersion>
  /**
   * Sets one tag of a version (value at most 100,000 characters, as in MLflow); `NotFoundError` when there is no such
   * version.
   */
  setModelVersionTag(
    name: string,
    version: string | number,
    key: string,
    value: string,
    options?: CallOptions,
  ): Promise<void>
  /** Removes a tag of a version; one that is not there is success, a version that is not there a `NotFoundError`. */
  deleteModelVersionTag(name: string, version: string | number, key: string, options?: CallOptions): Promise<void>
}

const { byDefault: PAGE, most: MOST } = pageLimits.modelVersions

const checkSearch = searchCheck<SearchModelVersionsOptions>({})
const AWAIT_MS = 300_000

const at = (name: string, version: string | number) => ({ name: checkModelName(name), version: checkVersion(version) })

/** The verbs on model versions, over transports that are made when the first of them is called. */
export function modelVersions({ transport, tracking = transport, now = Date.now }: RegistryDeps): ModelVersions {
  async function ensureRegisteredModel(name: string, options: CallOptions): Promise<void> {
    try {
      await (await transport()).call('createRegisteredModel', { name }, options)
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error
    }
  }

  const verbs: ModelVersions = {
    async registerModel(modelUri, name, options = {}) {
      checkSource(modelUri)
      checkModelName(name)
      checkTags(options.tags)
      checkAwait(options.awaitRegistrationMs)
      const { signal } = options
      const { source, ...found }: Source =
        options.modelId === undefined
          ? await sourceOf(modelUri, { registry: await transport(), tracking, signal })
          : { source: modelUri }
      await ensureRegisteredModel(name, { signal })
      const { runId = found.runId, modelId = found.modelId } = options
      return verbs.createModelVersion(name, source, { ...options, runId, modelId })
    },
    async createModelVersion(name, source, options = {}) {
      const { runId, modelId, tags, description, runLink, signal } = options
      const awaitMs = checkAwait(options.awaitRegistrationMs)
      const input = {
        name: checkModelName(name),
        source: checkSource(source),
        run_id: runId === undefined ? undefined : checkRunId(runId),
        model_id: modelId === undefined ? undefined : checkModelId(modelId),
        run_link: checkOptionalText('The runLink', runLink),
        description: checkOptionalText('The description', description),
        tags: checkTags(tags),
      }
      const made = (await (await transport()).call('createModelVersion', input, { signal })).model_version
      const again = () => verbs.getModelVersion(name, made.version, { signal })
      return awaitMs === 0 ? toModelVersion(made) : ready(toModelVersion(made), again, { awaitMs, now, signal })
    },
    async getModelVersion(name, version, options) {
      return toModelVersion(
        (await (await transport()).call('getModelVersion', at(name, version), options)).model_version,
      )
    },
    async updateModelVersion(name, version, { description, signal } = {}) {
      const input = { ...at(name, version), description: checkOptionalText('The description', description) }
      return toModelVersion((await (await transport()).call('updateModelVersion', input, { signal })).model_version)
    },
    async deleteModelVersion(name, version, options) {
      await (await transport()).call('deleteModelVersion', at(name, version), options)
    },
    searchModelVersions: async (options = {}) =>
      firstOf(verbs.iterateModelVersions, checkSearch('searchModelVersions', options), pageLimits.modelVersions),
    async *iterateModelVersions(options = {}) {
      checkSearch('iterateModelVersions', options)
      const { filter, orderBy, maxResults = PAGE, signal } = options
      yield* allPages(async (page_token) => {
        const max_results = checkMaxResults(maxResults, MOST)
        const input = { filter, order_by: orderBy && [...orderBy], max_results, page_token }
        const page = await (await transport()).call('searchModelVersions', input, { signal })
        return { items: page.model_versions.map(toModelVersion), nextPageToken: page.next_page_token }
      })
    },
    async setModelVersionTag(name, version, key, value, options) {
      const input = { ...at(name, version), ...checkTag(key, value) }
      await (await transport()).call('setModelVersionTag', input, options)
    },
    async deleteModelVersionTag(name, version, key, options) {
      const input = { ...at(name, version), key: checkKey('tag', key) }
      await (await transport()).call('deleteModelVersionTag', input, options)
    },
  }
  return verbs
}

function checkSource(source: string): string {
  if (typeof source === 'string' && source.trim() !== '') return checkText('The source of a model version', source)
  throw new InvalidParameterError(
    'The source of a model version must be the URI of its files, a text that is not blank',
  )
}

function checkAwait(awaitMs = AWAIT_MS): number {
  if (typeof awaitMs === 'number' && awaitMs >= 0) return awaitMs
  throw new InvalidParameterError(`awaitRegistrationMs is ${awaitMs}; it must be milliseconds, 0 or more`)
}
