import { join } from 'node:path'
import { matches, type Subject } from '../../core/filter/matches.js'
import { parseFilter } from '../../core/filter/parse.js'
import { parseLoggedModelOrder, sortBy } from '../../core/order.js'
import { page, pageSize } from '../../core/page.js'
import { listDirs } from '../../disk/walk.js'
import type { Input, WireMetric } from '../protocol.js'
import { numberField, textField } from './codec.js'
import type { HandlersOf } from './handlers.js'
import { findExperimentDir, MODELS, type Store } from './layout.js'
import {
  type LoggedModelOnDisk,
  modelFolderIfReadable,
  modelTagsOf,
  paramsOf,
  statusOf,
  wireLoggedModel,
} from './logged-model-files.js'
import { readModelMetric, readModelMetrics } from './model-metrics.js'
import { readValue } from './values.js'

interface DatasetFilter {
  readonly name: string
  readonly digest?: string | undefined
}

type Datasets = readonly DatasetFilter[]

const isOn = (metric: WireMetric, { name, digest }: DatasetFilter): boolean =>
  metric.dataset_name === name && (!digest || metric.dataset_digest === digest)

const isOnAny = (metric: WireMetric, datasets: Datasets): boolean =>
  datasets.length === 0 || datasets.some((dataset) => isOn(metric, dataset))

const NUMBERS = new Set(['creation_timestamp', 'last_updated_timestamp'])

/** The words that a filter compares a status with are Python's, not those of the REST API. */
const WORDS: Readonly<Record<string, string>> = {
  LOGGED_MODEL_PENDING: 'PENDING',
  LOGGED_MODEL_READY: 'READY',
  LOGGED_MODEL_UPLOAD_FAILED: 'FAILED',
}

function attribute({ meta, id }: LoggedModelOnDisk, key: string): string | number | undefined {
  if (NUMBERS.has(key)) return numberField(meta, key)
  if (key === 'status') return WORDS[statusOf(meta)] ?? 'UNSPECIFIED'
  return key === 'model_id' ? id : textField(meta, key)
}

/** A subject that reads from disk only what it is asked for. */
const subject = (model: LoggedModelOnDisk, metric: Subject['metric']): Subject => ({
  attribute: (key) => attribute(model, key),
  metric,
  param: (key) => readValue(paramsOf(model.dir), key),
  tag: (key) => readValue(modelTagsOf(model.dir), key),
  datasets: () => [],
})

/** For the filter: the first of a metric's values that was measured on one of the datasets asked for. */
const filtered =
  (store: Store, datasets: Datasets) =>
  (model: LoggedModelOnDisk): Subject =>
    subject(
      model,
      (key) => readModelMetric(store, model.dir, model.id, key).find((one) => isOnAny(one, datasets))?.value,
    )

/** For the order: the youngest of a metric's values, on the dataset that the sort key names. */
const ordered =
  (store: Store) =>
  (model: LoggedModelOnDisk): Subject =>
    subject(model, (key, dataset) => {
      let youngest: WireMetric | undefined
      for (const one of readModelMetric(store, model.dir, model.id, key))
        if ((!dataset || isOn(one, dataset)) && (!youngest || one.timestamp > youngest.timestamp)) youngest = one
      return youngest?.value
    })

function* modelsOf(store: Store, experiments: readonly string[]): Generator<LoggedModelOnDisk> {
  for (const id of new Set(experiments)) {
    const experiment = findExperimentDir(store, id, 'active')
    if (experiment === undefined) continue
    for (const name of listDirs(join(experiment, MODELS))) {
      const model = modelFolderIfReadable(store, join(experiment, MODELS, name))
      if (model) yield model
    }
  }
}

const datasetsOf = (input: Input<'searchLoggedModels'>): Datasets =>
  (input.datasets ?? []).map(({ dataset_name: name, dataset_digest: digest }) => ({ name, digest }))

/** The search of logged models. The filter is read before the disk; whole models are read for the page alone. */
export const loggedModelSearch = (store: Store): HandlersOf<'searchLoggedModels'> => ({
  async searchLoggedModels(input) {
    const clauses = parseFilter(input.filter, 'loggedModels')
    const order = parseLoggedModelOrder(input.order_by)
    const size = pageSize('loggedModels', input.max_results)
    const datasets = datasetsOf(input)
    const fits = matches(clauses)
    const look = filtered(store, datasets)
    // Datasets narrow the metrics of the filter; with none in it, any metric on one of them will do.
    const onDatasets = datasets.length > 0 && !clauses.some(({ entity }) => entity === 'metric')
    const found = [...modelsOf(store, input.experiment_ids)].filter(
      (model) =>
        fits(look(model)) &&
        (!onDatasets || readModelMetrics(store, model.dir, model.id).some((metric) => isOnAny(metric, datasets))),
    )
    const { items, ...rest } = page(sortBy(found, ordered(store), order), size, input.page_token)
    return { models: items.map((model) => wireLoggedModel(store, model)), ...rest }
  },
})
