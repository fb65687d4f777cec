import type { Dataset, DatasetInput, Experiment, LoggedModelInfo, Metric, RunData, RunInfo } from '../core/entities.js'
import { toRecord } from '../core/pairs.js'
import type {
  WireDatasetInput,
  WireExperiment,
  WireLoggedModel,
  WireMetric,
  WireRun,
  WireRunInfo,
} from '../transport/protocol.js'

export const toExperiment = (wire: WireExperiment): Experiment => ({
  experimentId: wire.experiment_id,
  name: wire.name,
  artifactLocation: wire.artifact_location,
  lifecycleStage: wire.lifecycle_stage,
  creationTime: wire.creation_time,
  lastUpdateTime: wire.last_update_time,
  tags: toRecord(wire.tags),
})

export const toMetric = (wire: WireMetric): Metric => ({
  key: wire.key,
  value: wire.value,
  timestamp: wire.timestamp,
  step: wire.step,
})

export const toRunInfo = (wire: WireRunInfo): RunInfo => ({
  runId: wire.run_id,
  runName: wire.run_name,
  experimentId: wire.experiment_id,
  status: wire.status,
  startTime: wire.start_time,
  // A server says "not yet" as 0.
  endTime: wire.end_time || undefined,
  artifactUri: wire.artifact_uri,
  lifecycleStage: wire.lifecycle_stage,
  userId: wire.user_id,
})

const toDatasetInput = (wire: WireDatasetInput): DatasetInput => ({
  dataset: {
    name: wire.dataset.name,
    digest: wire.dataset.digest,
    sourceType: wire.dataset.source_type,
    source: wire.dataset.source,
    schema: wire.dataset.schema,
    profile: wire.dataset.profile,
  },
  tags: toRecord(wire.tags),
})

export const fromDataset = (dataset: Dataset) => ({
  name: dataset.name,
  digest: dataset.digest,
  source_type: dataset.sourceType,
  source: dataset.source,
  schema: dataset.schema,
  profile: dataset.profile,
})

export const toRunData = (wire: WireRun): RunData => ({
  info: toRunInfo(wire.info),
  data: {
    params: toRecord(wire.data.params),
    metrics: Object.fromEntries(wire.data.metrics.map(({ key, value }) => [key, value])),
    tags: toRecord(wire.data.tags),
  },
  inputs: wire.inputs && {
    datasetInputs: wire.inputs.dataset_inputs.map(toDatasetInput),
    modelInputs: wire.inputs.model_inputs.map(({ model_id }) => ({ modelId: model_id })),
  },
  outputs: wire.outputs && {
    modelOutputs: wire.outputs.model_outputs.map(({ model_id, step }) => ({ modelId: model_id, step })),
  },
})

export const toLoggedModel = ({ info, data }: WireLoggedModel): LoggedModelInfo => ({
  modelId: info.model_id,
  experimentId: info.experiment_id,
  name: info.name,
  status: info.status.replace(/^LOGGED_MODEL_(STATUS_)?/, '') as LoggedModelInfo['status'],
  modelType: info.model_type,
  sourceRunId: info.source_run_id,
  artifactUri: info.artifact_uri,
  creationTimestamp: info.creation_timestamp_ms,
  lastUpdatedTimestamp: info.last_updated_timestamp_ms,
  tags: toRecord(info.tags),
  params: toRecord(data.params),
  metrics: data.metrics.map((metric) => ({ ...toMetric(metric), runId: metric.run_id })),
})
