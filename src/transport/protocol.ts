import { z } from 'zod'
import * as s from './schemas.js'

const text = z.string()
const required = text.min(1)
const count = z.int().optional()
const token = text.optional()
const tags = z.array(s.tag).optional()
const empty = z.looseObject({})
const page = { max_results: count, page_token: token }
const search = { filter: text.optional(), order_by: z.array(text).optional(), ...page }

const operation = <Input extends z.ZodType, Output extends z.ZodType>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  input: Input,
  output: Output,
) => ({ method, path, input, output })

const experimentId = z.object({ experiment_id: required })
const runId = z.object({ run_id: required })
const modelId = z.object({ model_id: required })
const modelName = z.object({ name: required })
const versionName = z.object({ name: required, version: required })
const history = z.looseObject({ metrics: z.array(s.metric).default([]), next_page_token: token })
const oneRegisteredModel = z.looseObject({ registered_model: s.registeredModel })
const oneVersion = z.looseObject({ model_version: s.modelVersion })
const oneLoggedModel = z.looseObject({ model: s.loggedModel })
const fileList = z.looseObject({
  root_uri: text.optional(),
  files: z.array(s.file).default([]),
  next_page_token: token,
})

/**
 * Every operation of MLflow's REST API that Cairn speaks, said once: method, path below the tracking URI, what goes in
 * and what comes out. `{x}` in a path is taken from the input. Types, validation, URLs, the local server and the local
 * transport's table of handlers all follow from it. Source: MLflow's `service.proto` and `model_registry.proto`.
 */
export const protocol = {
  createExperiment: operation(
    'POST',
    '/api/2.0/mlflow/experiments/create',
    z.object({ name: required, artifact_location: text.optional(), tags }),
    z.looseObject({ experiment_id: text }),
  ),
  getExperiment: operation(
    'GET',
    '/api/2.0/mlflow/experiments/get',
    experimentId,
    z.looseObject({ experiment: s.experiment }),
  ),
  getExperimentByName: operation(
    'GET',
    '/api/2.0/mlflow/experiments/get-by-name',
    z.object({ experiment_name: required }),
    z.looseObject({ experiment: s.experiment }),
  ),
  searchExperiments: operation(
    'POST',
    '/api/2.0/mlflow/experiments/search',
    z.object({ ...search, view_type: s.viewType.optional() }),
    z.looseObject({ experiments: z.array(s.experiment).default([]), next_page_token: token }),
  ),
  updateExperiment: operation(
    'POST',
    '/api/2.0/mlflow/experiments/update',
    z.object({ experiment_id: required, new_name: required }),
    empty,
  ),
  deleteExperiment: operation('POST', '/api/2.0/mlflow/experiments/delete', experimentId, empty),
  restoreExperiment: operation('POST', '/api/2.0/mlflow/experiments/restore', experimentId, empty),
  setExperimentTag: operation(
    'POST',
    '/api/2.0/mlflow/experiments/set-experiment-tag',
    z.object({ experiment_id: required, key: required, value: text }),
    empty,
  ),
  deleteExperimentTag: operation(
    'POST',
    '/api/2.0/mlflow/experiments/delete-experiment-tag',
    z.object({ experiment_id: required, key: required }),
    empty,
  ),
  searchDatasets: operation(
    'POST',
    '/ajax-api/2.0/mlflow/experiments/search-datasets',
    z.object({ experiment_ids: z.array(required).min(1).max(20) }),
    z.looseObject({
      dataset_summaries: z
        .array(z.looseObject({ experiment_id: text, name: text, digest: text, context: text.optional() }))
        .default([]),
    }),
  ),

  createRun: operation(
    'POST',
    '/api/2.0/mlflow/runs/create',
    z.object({
      experiment_id: required,
      user_id: text.optional(),
      run_name: text.optional(),
      start_time: s.whole.optional(),
      tags,
    }),
    z.looseObject({ run: s.run }),
  ),
  getRun: operation('GET', '/api/2.0/mlflow/runs/get', runId, z.looseObject({ run: s.run })),
  updateRun: operation(
    'POST',
    '/api/2.0/mlflow/runs/update',
    z.object({
      run_id: required,
      status: s.runStatus.optional(),
      end_time: s.whole.optional(),
      run_name: text.optional(),
    }),
    z.looseObject({ run_info: s.runInfo.optional() }),
  ),
  deleteRun: operation('POST', '/api/2.0/mlflow/runs/delete', runId, empty),
  restoreRun: operation('POST', '/api/2.0/mlflow/runs/restore', runId, empty),
  searchRuns: operation(
    'POST',
    '/api/2.0/mlflow/runs/search',
    z.object({ experiment_ids: z.array(required), ...search, run_view_type: s.viewType.optional() }),
    z.looseObject({ runs: z.array(s.run).default([]), next_page_token: token }),
  ),
  logMetric: operation(
    'POST',
    '/api/2.0/mlflow/runs/log-metric',
    s.metric.omit({ run_id: true }).extend({ run_id: required }),
    empty,
  ),
  logBatch: operation(
    'POST',
    '/api/2.0/mlflow/runs/log-batch',
    z.object({
      run_id: required,
      metrics: z.array(s.metric).optional(),
      params: z.array(s.param).optional(),
      tags: z.array(s.tag).optional(),
    }),
    empty,
  ),
  logParam: operation(
    'POST',
    '/api/2.0/mlflow/runs/log-parameter',
    z.object({ run_id: required, key: required, value: text }),
    empty,
  ),
  setTag: operation(
    'POST',
    '/api/2.0/mlflow/runs/set-tag',
    z.object({ run_id: required, key: required, value: text }),
    empty,
  ),
  deleteTag: operation('POST', '/api/2.0/mlflow/runs/delete-tag', z.object({ run_id: required, key: required }), empty),
  logInputs: operation(
    'POST',
    '/api/2.0/mlflow/runs/log-inputs',
    z.object({
      run_id: required,
      datasets: z.array(s.datasetInput).optional(),
      models: z.array(s.modelInput).optional(),
    }),
    empty,
  ),
  logOutputs: operation(
    'POST',
    '/api/2.0/mlflow/runs/outputs',
    z.object({ run_id: required, models: z.array(s.modelOutput) }),
    empty,
  ),
  logModel: operation(
    'POST',
    '/api/2.0/mlflow/runs/log-model',
    z.object({ run_id: required, model_json: required }),
    empty,
  ),

  getMetricHistory: operation(
    'GET',
    '/api/2.0/mlflow/metrics/get-history',
    z.object({ run_id: required, metric_key: required, ...page }),
    history,
  ),
  getMetricHistoryBulk: operation(
    'GET',
    '/ajax-api/2.0/mlflow/metrics/get-history-bulk',
    z.object({ run_id: z.array(required).min(1).max(100), metric_key: required, max_results: count }),
    history,
  ),
  getMetricHistoryBulkInterval: operation(
    'GET',
    '/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval',
    z.object({
      run_ids: z.array(required).min(1).max(100),
      metric_key: required,
      start_step: s.int64.optional(),
      end_step: s.int64.optional(),
      max_results: count,
    }),
    history,
  ),

  listArtifacts: operation(
    'GET',
    '/api/2.0/mlflow/artifacts/list',
    z.object({ run_id: required, path: text.optional(), page_token: token }),
    fileList,
  ),

  createLoggedModel: operation(
    'POST',
    '/api/2.0/mlflow/logged-models',
    z.object({
      experiment_id: required,
      name: text.optional(),
      model_type: text.optional(),
      source_run_id: text.optional(),
      params: z.array(s.param).optional(),
      tags,
    }),
    oneLoggedModel,
  ),
  getLoggedModel: operation(
    'GET',
    '/api/2.0/mlflow/logged-models/{model_id}',
    modelId.extend({ allow_deleted: z.boolean().optional() }),
    oneLoggedModel,
  ),
  finalizeLoggedModel: operation(
    'PATCH',
    '/api/2.0/mlflow/logged-models/{model_id}',
    modelId.extend({ status: s.loggedModelStatus }),
    oneLoggedModel,
  ),
  deleteLoggedModel: operation('DELETE', '/api/2.0/mlflow/logged-models/{model_id}', modelId, empty),
  searchLoggedModels: operation(
    'POST',
    '/api/2.0/mlflow/logged-models/search',
    z.object({
      experiment_ids: z.array(required).min(1),
      filter: text.optional(),
      datasets: z.array(z.object({ dataset_name: required, dataset_digest: text.optional() })).optional(),
      order_by: z
        .array(
          z.object({
            field_name: required,
            ascending: z.boolean().optional(),
            dataset_name: text.optional(),
            dataset_digest: text.optional(),
          }),
        )
        .optional(),
      ...page,
    }),
    z.looseObject({ models: z.array(s.loggedModel).default([]), next_page_token: token }),
  ),
  setLoggedModelTags: operation(
    'PATCH',
    '/api/2.0/mlflow/logged-models/{model_id}/tags',
    modelId.extend({ tags: z.array(s.tag) }),
    empty,
  ),
  deleteLoggedModelTag: operation(
    'DELETE',
    '/api/2.0/mlflow/logged-models/{model_id}/tags/{tag_key}',
    modelId.extend({ tag_key: required }),
    empty,
  ),
  logLoggedModelParams: operation(
    'POST',
    '/api/2.0/mlflow/logged-models/{model_id}/params',
    modelId.extend({ params: z.array(s.param) }),
    empty,
  ),
  listLoggedModelArtifacts: operation(
    'GET',
    '/api/2.0/mlflow/logged-models/{model_id}/artifacts/directories',
    modelId.extend({ artifact_directory_path: text.optional(), page_token: token }),
    fileList,
  ),

  createRegisteredModel: operation(
    'POST',
    '/api/2.0/mlflow/registered-models/create',
    modelName.extend({ tags, description: text.optional() }),
    oneRegisteredModel,
  ),
  getRegisteredModel: operation('GET', '/api/2.0/mlflow/registered-models/get', modelName, oneRegisteredModel),
  renameRegisteredModel: operation(
    'POST',
    '/api/2.0/mlflow/registered-models/rename',
    modelName.extend({ new_name: required }),
    oneRegisteredModel,
  ),
  updateRegisteredModel: operation(
    'PATCH',
    '/api/2.0/mlflow/registered-models/update',
    modelName.extend({ description: text.optional() }),
    oneRegisteredModel,
  ),
  deleteRegisteredModel: operation('DELETE', '/api/2.0/mlflow/registered-models/delete', modelName, empty),
  searchRegisteredModels: operation(
    'GET',
    '/api/2.0/mlflow/registered-models/search',
    z.object(search),
    z.looseObject({ registered_models: z.array(s.registeredModel).default([]), next_page_token: token }),
  ),
  getLatestVersions: operation(
    'POST',
    '/api/2.0/mlflow/registered-models/get-latest-versions',
    modelName.extend({ stages: z.array(text).optional() }),
    z.looseObject({ model_versions: z.array(s.modelVersion).default([]) }),
  ),
  setRegisteredModelTag: operation(
    'POST',
    '/api/2.0/mlflow/registered-models/set-tag',
    modelName.extend({ key: required, value: text }),
    empty,
  ),
  deleteRegisteredModelTag: operation(
    'DELETE',
    '/api/2.0/mlflow/registered-models/delete-tag',
    modelName.extend({ key: required }),
    empty,
  ),
  setRegisteredModelAlias: operation(
    'POST',
    '/api/2.0/mlflow/registered-models/alias',
    modelName.extend({ alias: required, version: required }),
    empty,
  ),
  deleteRegisteredModelAlias: operation(
    'DELETE',
    '/api/2.0/mlflow/registered-models/alias',
    modelName.extend({ alias: required }),
    empty,
  ),
  getModelVersionByAlias: operation(
    'GET',
    '/api/2.0/mlflow/registered-models/alias',
    modelName.extend({ alias: required }),
    oneVersion,
  ),
  createModelVersion: operation(
    'POST',
    '/api/2.0/mlflow/model-versions/create',
    modelName.extend({
      source: required,
      run_id: text.optional(),
      tags,
      run_link: text.optional(),
      description: text.optional(),
      model_id: text.optional(),
    }),
    oneVersion,
  ),
  getModelVersion: operation('GET', '/api/2.0/mlflow/model-versions/get', versionName, oneVersion),
  updateModelVersion: operation(
    'PATCH',
    '/api/2.0/mlflow/model-versions/update',
    versionName.extend({ description: text.optional() }),
    oneVersion,
  ),
  deleteModelVersion: operation('DELETE', '/api/2.0/mlflow/model-versions/delete', versionName, empty),
  searchModelVersions: operation(
    'GET',
    '/api/2.0/mlflow/model-versions/search',
    z.object(search),
    z.looseObject({ model_versions: z.array(s.modelVersion).default([]), next_page_token: token }),
  ),
  transitionModelVersionStage: operation(
    'POST',
    '/api/2.0/mlflow/model-versions/transition-stage',
    versionName.extend({ stage: required, archive_existing_versions: z.boolean() }),
    oneVersion,
  ),
  getModelVersionDownloadUri: operation(
    'GET',
    '/api/2.0/mlflow/model-versions/get-download-uri',
    versionName,
    z.looseObject({ artifact_uri: text }),
  ),
  setModelVersionTag: operation(
    'POST',
    '/api/2.0/mlflow/model-versions/set-tag',
    versionName.extend({ key: required, value: text }),
    empty,
  ),
  deleteModelVersionTag: operation(
    'DELETE',
    '/api/2.0/mlflow/model-versions/delete-tag',
    versionName.extend({ key: required }),
    empty,
  ),
} as const

/** The name of an operation of the table. */
export type Operation = keyof typeof protocol
/** What an operation is given, in MLflow's own field names. */
export type Input<O extends Operation> = z.input<(typeof protocol)[O]['input']>
/** What an operation answers, in MLflow's own field names. */
export type Output<O extends Operation> = z.output<(typeof protocol)[O]['output']>

export type WireExperiment = z.output<typeof s.experiment>
export type WireRun = z.output<typeof s.run>
export type WireRunInfo = z.output<typeof s.runInfo>
export type WireMetric = z.output<typeof s.metric>
export type WireDatasetInput = z.output<typeof s.datasetInput>
export type WireLoggedModel = z.output<typeof s.loggedModel>
export type WireRegisteredModel = z.output<typeof s.registeredModel>
export type WireModelVersion = z.output<typeof s.modelVersion>
export type WireFile = z.output<typeof s.file>
