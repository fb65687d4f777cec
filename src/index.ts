// What the package promises, by name: a change of its API is a change of this file.
export type { ArtifactFile, ArtifactStore, OpenArtifacts, TransferOptions } from './artifacts/store.js'
export { type Client, type ClientEvents, createClient } from './client.js'
export type { BatchLimits } from './core/batch.js'
export type {
  Dataset,
  DatasetInput,
  Experiment,
  FileInfo,
  LoggedModelInfo,
  Metric,
  ModelOutput as LoggedModelOutput,
  ModelVersion,
  Progress,
  RegisteredModel,
  RunData,
  RunInfo,
  RunStatus,
  Step,
  Timestamp,
  ViewType,
} from './core/entities.js'
export { inferSignature } from './core/infer-signature.js'
export type { MlModel } from './core/mlmodel.js'
export type { Column, ColumnType, DataType, Param, Property, Schema, TensorSpec } from './core/schema.js'
export type { Signature, SignatureText } from './core/signature.js'
export type { TableInput } from './core/table.js'
export type {
  ModelInput,
  ModelOutput,
  NamedTensors,
  NestedArray,
  Row,
  Scalar,
  Tensor,
  TensorData,
  TensorLike,
  TensorType,
} from './core/tensor.js'
export type { Check } from './doctor.js'
export {
  AlreadyExistsError,
  ApprovalRequiredError,
  CairnError,
  type CairnErrorOptions,
  IntegrityError,
  InvalidParameterError,
  MissingPeerError,
  NetworkError,
  NoActiveRunError,
  NotFoundError,
  NothingToRollBackError,
  ParamConflictError,
  PermissionDeniedError,
  ProtocolError,
  RateLimitError,
  SignatureMismatchError,
  TimeoutError,
  UnauthenticatedError,
  UnavailableError,
  UnsafePathError,
  UnsupportedFlavorError,
} from './errors.js'
export {
  activeRun,
  approveModelVersion,
  cacheInfo,
  createExperiment,
  createModelVersion,
  createRegisteredModel,
  createRun,
  deleteExperiment,
  deleteExperimentTag,
  deleteLoggedModel,
  deleteModelVersion,
  deleteModelVersionTag,
  deleteRegisteredModel,
  deleteRegisteredModelAlias,
  deleteRegisteredModelTag,
  deleteRun,
  deleteTag,
  doctor,
  downloadArtifacts,
  endRun,
  flush,
  getApprovals,
  getExperiment,
  getExperimentByName,
  getLatestVersions,
  getLoggedModel,
  getMetricHistory,
  getModelVersion,
  getModelVersionByAlias,
  getRegisteredModel,
  getRegistryUri,
  getRun,
  getStageHistory,
  getTrackingUri,
  iterateExperiments,
  iterateLoggedModels,
  iterateMetricHistory,
  iterateModelVersions,
  iterateRegisteredModels,
  iterateRuns,
  listArtifacts,
  loadModel,
  logArtifact,
  logArtifacts,
  logBatch,
  logCode,
  logDict,
  logFigure,
  logImage,
  logInput,
  logJson,
  logLoggedModelParams,
  logMetric,
  logMetrics,
  logModel,
  logOutputs,
  logParam,
  logParams,
  logTable,
  logText,
  packModel,
  pruneCache,
  registerModel,
  rejectModelVersion,
  renameExperiment,
  renameRegisteredModel,
  restoreExperiment,
  restoreRun,
  rollback,
  saveModel,
  searchExperiments,
  searchLoggedModels,
  searchModelVersions,
  searchRegisteredModels,
  searchRuns,
  setExperiment,
  setExperimentTag,
  setExperimentTags,
  setLoggedModelTags,
  setModelVersionTag,
  setRegisteredModelAlias,
  setRegisteredModelTag,
  setRegistryUri,
  setTag,
  setTags,
  setTerminated,
  setTrackingUri,
  startRun,
  stats,
  sync,
  transitionStage,
  updateModelVersion,
  updateRegisteredModel,
  updateRun,
} from './fluent.js'
export type { Auth, AuthFunction, AuthRequest } from './http/auth.js'
export type { BatchOptions } from './models/batching.js'
export type { CacheEntry, CacheInfo, Pruned, PruneOptions } from './models/cache.js'
export type {
  Flavor,
  FlavorConfig,
  LoadedFlavor,
  LoadOptions,
  SaveContext,
  SavedFlavor,
} from './models/flavor.js'
export type { LoadedModel, LoadedModelInfo, LoadModelOptions } from './models/load.js'
export type { LogModelOptions, ModelInfo } from './models/log.js'
export type { ModelOptions } from './models/package.js'
export type { Approval, Approvals, ApproveOptions } from './registry/approvals.js'
export type { StageEvent } from './registry/history.js'
export type { RequiredMetric } from './registry/metric.js'
export type {
  CreateRegisteredModelOptions,
  RegisteredModels,
  SearchRegisteredModelsOptions,
  UpdateRegisteredModelOptions,
} from './registry/models.js'
export type { RollbackOptions, Stages, TransitionOptions } from './registry/stages.js'
export type { StageTarget } from './registry/target.js'
export type {
  CreateModelVersionOptions,
  ModelVersions,
  RegisterModelOptions,
  SearchModelVersionsOptions,
} from './registry/versions.js'
export type { ArtifactTarget, DownloadOptions } from './resolve/artifacts.js'
export type { EndStatus, Run } from './run/handle.js'
export type { StartRunOptions } from './run/start.js'
export type {
  ArtifactOptions,
  CodeOptions,
  DatasetOptions,
  ImageInput,
  ImageStep,
  InputOptions,
  RunVerbs,
} from './run/verbs.js'
export type { HttpSettings, Settings } from './settings.js'
export type { SpoolContents } from './spool/contents.js'
export type { CopyRules, SyncFailure, SyncKind, SyncOptions, SyncProgress, SyncResult, SyncTally } from './sync/sync.js'
export type {
  CallOptions,
  CreateExperimentOptions,
  Experiments,
  SearchExperimentsOptions,
} from './tracking/experiments.js'
export type { BufferOptions, BufferStats } from './tracking/metric-buffer.js'
export type {
  CreateRunOptions,
  LogBatchInput,
  Runs,
  SearchLoggedModelsOptions,
  SearchRunsOptions,
  UpdateRunOptions,
} from './tracking/runs.js'
export type { PointOptions } from './tracking/values.js'
export type { Input, Operation, Output, Transport } from './transport/transport.js'
export type { Remote } from './wire/remote.js'
export {
  type ArtifactStoreFactory,
  type ClientOptions,
  type Logger,
  type PluginContext,
  registerArtifactStore,
  registerFlavor,
  registerTransport,
  type SpoolDelivery,
  type SpoolDeliveryOptions,
  type TransportFactory,
} from './wire.js'
