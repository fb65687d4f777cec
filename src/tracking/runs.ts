import type { Batch } from '../core/batch.js'
import { cutBatch } from '../core/batch.js'
import type {
  LoggedModelInfo,
  Metric,
  RunData,
  RunInfo,
  RunStatus,
  Step,
  Timestamp,
  ViewType,
} from '../core/entities.js'
import {
  checkExperimentId,
  checkKey,
  checkModelId,
  checkRunId,
  checkRunName,
  checkRunStatus,
  checkViewType,
  LIMITS,
} from '../core/names.js'
import { checkedInUse, checkOptions, isSwitch, isText, listOf, type Rules, record } from '../core/options.js'
import { checkMaxResults, HISTORY_PAGE, pageLimits } from '../core/page.js'
import { toMap, toPairs } from '../core/pairs.js'
import { TAG } from '../core/tags.js'
import { InvalidParameterError, isBadRequest } from '../errors.js'
import { checkCall } from '../transport/call-options.js'
import { allPages, firstOf } from '../transport/pages.js'
import { searchCheck } from '../transport/search-options.js'
import type { CallOptions, Transport } from '../transport/transport.js'
import { toLoggedModel, toMetric, toRunData, toRunInfo } from './entities.js'
import type { Experiments } from './experiments.js'
import {
  checkBatchPoint,
  checkSameParam,
  checkTime,
  metricInput,
  paramText,
  pointOf,
  type TextRules,
  tagText,
} from './values.js'

/** Which runs are looked for, where, in which order, and how many. */
export interface SearchRunsOptions extends CallOptions {
  /** Names of the experiments to look in; with neither names nor ids, the experiment that is set, else all active ones. */
  readonly experimentNames?: readonly string[] | undefined
  /** Ids of the experiments to look in, beside those named. */
  readonly experimentIds?: readonly string[] | undefined
  /** MLflow's grammar, e.g. `metrics.auc > 0.8 AND tags.team = 'growth'`. */
  readonly filter?: string | undefined
  /** E.g. `['metrics.auc DESC']`; the newest first by default. */
  readonly orderBy?: readonly string[] | undefined
  /** How many at the most: 1,000 by default, all for `Infinity`. For `iterateRuns`, the size of a page, at most 50,000. */
  readonly maxResults?: number | undefined
  /** `ACTIVE_ONLY` by default. */
  readonly viewType?: ViewType | undefined
}

/** What a run begins with. */
export interface CreateRunOptions extends CallOptions {
  /** The run's name; the store makes one up by default. */
  readonly runName?: string | undefined
  /** Epoch milliseconds, a fraction cut off; now by default. */
  readonly startTime?: number | Date | undefined
  /** Tags of the run. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Whose run it is; what the tag `mlflow.user` says by default, else `unknown`. */
  readonly userId?: string | undefined
}

/** What of a run changes; what is left out stays as it is. */
export interface UpdateRunOptions extends CallOptions {
  /** How it stands from now on. */
  readonly status?: RunStatus | undefined
  /** Its name from now on. */
  readonly runName?: string | undefined
  /** When it ended, in epoch milliseconds, a fraction cut off. */
  readonly endTime?: number | Date | undefined
}

/** Points, parameters and tags for `logBatch`, of any number: they are cut into requests by MLflow's limits. */
export interface LogBatchInput {
  readonly metrics?: readonly { key: string; value: number; timestamp?: Timestamp; step?: Step }[] | undefined
  readonly params?: Readonly<Record<string, unknown>> | undefined
  readonly tags?: Readonly<Record<string, unknown>> | undefined
}

/** Which logged models are looked for, where, in which order, and how many. */
export interface SearchLoggedModelsOptions extends CallOptions {
  /** At least one. */
  readonly experimentIds: readonly string[]
  /** MLflow's grammar, e.g. `metrics.auc > 0.8 AND name = 'model'`. */
  readonly filter?: string | undefined
  /** The newest first by default; the first of several that differs decides. `ascending` is true by default. */
  readonly orderBy?: readonly { readonly fieldName: string; readonly ascending?: boolean }[] | undefined
  /** How many at the most: 100 by default, all for `Infinity`. For `iterateLoggedModels`, the size of a page. */
  readonly maxResults?: number | undefined
}

/** Runs and logged models, read and administered by id. */
export interface Runs {
  /**
   * A run as it stands: `info`, `data` with params, the latest value of each metric and tags, what went in and came out.
   * `NotFoundError` when there is none with this id.
   */
  getRun(runId: string, options?: CallOptions): Promise<RunData>
  /**
   * The runs that a filter describes, at most `maxResults` (1,000), all pages joined. A bad filter is an
   * `InvalidParameterError` that shows where it broke.
   */
  searchRuns(options?: SearchRunsOptions): Promise<RunData[]>
  /** As `searchRuns`, one after the other, asked for page by page as they are consumed. */
  iterateRuns(options?: SearchRunsOptions): AsyncIterable<RunData>
  /** Every point of one metric, whatever their number: `{ key, value, timestamp, step }`, in the backend's order: sort by step to plot. */
  getMetricHistory(runId: string, key: string, options?: CallOptions): Promise<Metric[]>
  /** As `getMetricHistory`, page by page. */
  iterateMetricHistory(runId: string, key: string, options?: CallOptions): AsyncIterable<Metric>
  /**
   * Makes a run without making it active; resolves to it. `startRun` is what a training script wants. `NotFoundError` when
   * there is no such experiment.
   */
  createRun(experimentId: string, options?: CreateRunOptions): Promise<RunData>
  /** Changes status, name or end of a run, and nothing that is left out; `NotFoundError` when there is none with this id. */
  updateRun(runId: string, options?: UpdateRunOptions): Promise<RunInfo>
  /**
   * Ends a run: sets its status (`FINISHED` by default) and its end to now, or to `endTime`. `NotFoundError` when there is
   * none with this id.
   */
  setTerminated(runId: string, status?: RunStatus, options?: CallOptions & { endTime?: number | Date }): Promise<void>
  /**
   * Writes points, parameters and tags of any number to a run and waits until they are there. A point without `timestamp`
   * (epoch milliseconds) is of now, without `step` of step 0. `InvalidParameterError` for what is wrong, before anything
   * is sent; `ParamConflictError` for a parameter that has another value.
   */
  logBatch(runId: string, batch: LogBatchInput, options?: CallOptions): Promise<void>
  /** Marks a run as deleted; `restoreRun` brings it back. `NotFoundError` when there is none with this id. */
  deleteRun(runId: string, options?: CallOptions): Promise<void>
  /** Brings a deleted run back; one that is not deleted stays as it is. `NotFoundError` when there is none with this id. */
  restoreRun(runId: string, options?: CallOptions): Promise<void>
  /** A logged model (MLflow 3) by its id, `m-…`; `NotFoundError` when there is none. */
  getLoggedModel(modelId: string, options?: CallOptions): Promise<LoggedModelInfo>
  /** The logged models of experiments that a filter describes, at most `maxResults` (100). */
  searchLoggedModels(options: SearchLoggedModelsOptions): Promise<LoggedModelInfo[]>
  /** As `searchLoggedModels`, page by page. */
  iterateLoggedModels(options: SearchLoggedModelsOptions): AsyncIterable<LoggedModelInfo>
  /** Marks a logged model as deleted; its files stay. `NotFoundError` when there is none with this id. */
  deleteLoggedModel(modelId: string, options?: CallOptions): Promise<void>
  /** Sets tags of a logged model; one that is there already is replaced. `NotFoundError` when there is none with this id. */
  setLoggedModelTags(modelId: string, tags: Readonly<Record<string, string>>, options?: CallOptions): Promise<void>
  /**
   * Adds parameters to a logged model; like a run's, each is written once. `NotFoundError` when there is none with this id.
   */
  logLoggedModelParams(modelId: string, params: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<void>
}

const { byDefault: PAGE } = pageLimits.runs
const { byDefault: MODELS_PAGE } = pageLimits.loggedModels

const checkRunSearch = searchCheck<SearchRunsOptions>(
  {
    experimentNames: listOf('names', checkedInUse),
    experimentIds: listOf('ids', checkedInUse),
    viewType: checkedInUse,
  },
  "{ filter: 'metrics.auc > 0.5' }",
)
const checkModelSearch = searchCheck<SearchLoggedModelsOptions>(
  { experimentIds: listOf('ids', checkedInUse) },
  "{ experimentIds: ['0'] }",
  listOf('keys', record({ fieldName: isText, ascending: isSwitch })),
)

const BATCH: Rules<LogBatchInput> = {
  metrics: listOf('points', checkedInUse),
  params: checkedInUse,
  tags: checkedInUse,
}

export interface RunsDeps {
  readonly transport: () => Promise<Transport>
  readonly experiments: Experiments
  /** The experiments that a search without names and ids looks in; none = all active ones. */
  readonly defaultExperimentIds: () => readonly string[]
  readonly rules: TextRules
}

/** The verbs on runs and logged models, over a transport that is made when the first of them is called. */
export function runs({ transport, experiments, defaultExperimentIds, rules }: RunsDeps): Runs {
  const paramOf = (key: string, value: unknown) => paramText(key, value, rules)
  const tagOf = (key: string, value: unknown) => tagText(key, value, rules)

  async function experimentIds(options: SearchRunsOptions): Promise<string[]> {
    const asked = (options.experimentIds ?? []).map(checkExperimentId)
    for (const name of options.experimentNames ?? []) {
      const experiment = await experiments.getExperimentByName(name, options)
      if (experiment) asked.push(experiment.experimentId)
    }
    if (options.experimentIds || options.experimentNames) return asked
    if (defaultExperimentIds().length > 0) return [...defaultExperimentIds()]
    const all: string[] = []
    for await (const { experimentId } of experiments.iterateExperiments({ signal: options.signal }))
      all.push(experimentId)
    return all
  }

  const verbs: Runs = {
    async getRun(runId, options) {
      return toRunData((await (await transport()).call('getRun', { run_id: checkRunId(runId) }, options)).run)
    },
    searchRuns: async (options = {}) =>
      firstOf(verbs.iterateRuns, checkRunSearch('searchRuns', options), pageLimits.runs),
    async *iterateRuns(options = {}) {
      checkRunSearch('iterateRuns', options)
      const { filter, orderBy, maxResults = PAGE, viewType = 'ACTIVE_ONLY', signal } = options
      checkMaxResults(maxResults)
      checkViewType(viewType)
      const experiment_ids = await experimentIds(options)
      if (experiment_ids.length === 0) return
      yield* allPages(async (page_token) => {
        const input = {
          experiment_ids,
          filter,
          order_by: orderBy && [...orderBy],
          max_results: maxResults,
          run_view_type: viewType,
          page_token,
        }
        const page = await (await transport()).call('searchRuns', input, { signal })
        return { items: page.runs.map(toRunData), nextPageToken: page.next_page_token }
      })
    },
    async getMetricHistory(runId, key, options) {
      const points: Metric[] = []
      for await (const point of verbs.iterateMetricHistory(runId, key, options)) points.push(point)
      return points
    },
    async *iterateMetricHistory(runId, key, options = {}) {
      checkCall('iterateMetricHistory', options)
      yield* allPages(async (page_token) => {
        const input = {
          run_id: checkRunId(runId),
          metric_key: checkKey('metric', key),
          max_results: HISTORY_PAGE,
          page_token,
        }
        const page = await (await transport()).call('getMetricHistory', input, options)
        return { items: page.metrics.map(toMetric), nextPageToken: page.next_page_token }
      })
    },
    async createRun(experimentId, { runName, startTime, tags, userId, signal } = {}) {
      const input = {
        experiment_id: checkExperimentId(experimentId),
        run_name: checkRunName(runName),
        start_time: checkTime('The startTime of a run', startTime ?? Date.now()),
        tags: tags ? toPairs(tags, tagOf) : undefined,
        // Python's client does the same.
        user_id: userId ?? tags?.[TAG.user] ?? 'unknown',
      }
      return toRunData((await (await transport()).call('createRun', input, { signal })).run)
    },
    async updateRun(runId, { status, runName, endTime, signal } = {}) {
      if (status !== undefined) checkRunStatus(status)
      const input = {
        run_id: checkRunId(runId),
        status,
        run_name: checkRunName(runName),
        end_time: endTime == null ? undefined : checkTime('The endTime of a run', endTime),
      }
      const { run_info } = await (await transport()).call('updateRun', input, { signal })
      return run_info ? toRunInfo(run_info) : (await verbs.getRun(runId, { signal })).info
    },
    async setTerminated(runId, status = 'FINISHED', { endTime, signal } = {}) {
      await verbs.updateRun(runId, { status, endTime: endTime ?? Date.now(), signal })
    },
    async logBatch(runId, batch, options) {
      checkRunId(runId)
      checkOptions('logBatch takes a batch, like { metrics, params, tags }', batch, BATCH)
      options?.signal?.throwIfAborted()
      const { metrics, params = {}, tags = {} } = batch
      const now = Date.now()
      const whole: Batch = {
        metrics: (metrics ?? []).map((point) => {
          const { key, value, timestamp = now, step } = checkBatchPoint(point)
          return metricInput(key, pointOf(key, value, { step, timestamp }))
        }),
        params: toPairs(params, paramOf),
        tags: toPairs(tags, tagOf),
      }
      const backend = await transport()
      for (const part of cutBatch(whole))
        await backend.call(
          'logBatch',
          { run_id: runId, metrics: [...part.metrics], params: [...part.params], tags: [...part.tags] },
          options,
        )
    },
    async deleteRun(runId, options) {
      await (await transport()).call('deleteRun', { run_id: checkRunId(runId) }, options)
    },
    async restoreRun(runId, options) {
      await (await transport()).call('restoreRun', { run_id: checkRunId(runId) }, options)
    },
    async getLoggedModel(modelId, options) {
      return toLoggedModel(
        (await (await transport()).call('getLoggedModel', { model_id: checkModelId(modelId) }, options)).model,
      )
    },
    searchLoggedModels: async (options) =>
      firstOf(verbs.iterateLoggedModels, checkModelSearch('searchLoggedModels', options), {
        byDefault: MODELS_PAGE,
        most: MODELS_PAGE,
      }),
    async *iterateLoggedModels(options) {
      checkModelSearch('iterateLoggedModels', options)
      const { experimentIds, filter, orderBy, maxResults = MODELS_PAGE, signal } = options
      yield* allPages(async (page_token) => {
        if (!experimentIds?.length)
          throw new InvalidParameterError('searchLoggedModels needs at least one experiment id')
        const input = {
          experiment_ids: experimentIds.map(checkExperimentId),
          filter,
          order_by: orderBy?.map(({ fieldName, ascending }) => ({
            field_name: fieldName,
            ascending,
          })),
          max_results: checkMaxResults(maxResults),
          page_token,
        }
        const page = await (await transport()).call('searchLoggedModels', input, { signal })
        return { items: page.models.map(toLoggedModel), nextPageToken: page.next_page_token }
      })
    },
    async deleteLoggedModel(modelId, options) {
      await (await transport()).call('deleteLoggedModel', { model_id: checkModelId(modelId) }, options)
    },
    async setLoggedModelTags(modelId, tags, options) {
      const pairs = toPairs(tags, tagOf)
      await (await transport()).call('setLoggedModelTags', { model_id: checkModelId(modelId), tags: pairs }, options)
    },
    async logLoggedModelParams(modelId, params, options) {
      const pairs = toPairs(params, paramOf)
      const backend = await transport()
      for (let i = 0; i < pairs.length; i += LIMITS.modelParamsPerCall)
        await logParams(backend, checkModelId(modelId), pairs.slice(i, i + LIMITS.modelParamsPerCall), options)
    },
  }
  return verbs
}

/** Databases refuse a param that is there, with the same value too: then only what the model lacks is sent. */
async function logParams(
  backend: Transport,
  model_id: string,
  params: readonly { readonly key: string; readonly value: string }[],
  options?: CallOptions,
): Promise<void> {
  try {
    await backend.call('logLoggedModelParams', { model_id, params: [...params] }, options)
  } catch (error) {
    if (!isBadRequest(error)) throw error
    const { model } = await backend.call('getLoggedModel', { model_id }, options)
    const before = toMap(model.data.params)
    for (const { key, value } of params) checkSameParam(key, value, before.get(key))
    const missing = params.filter(({ key }) => !before.has(key))
    if (missing.length === params.length) throw error
    if (missing.length > 0) await backend.call('logLoggedModelParams', { model_id, params: missing }, options)
  }
}
