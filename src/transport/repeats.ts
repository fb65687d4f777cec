import type { Operation } from './protocol.js'

/** What happens when an operation is carried out a second time. */
export type Repeat =
  /** Only reads. */
  | 'reads'
  /** Leaves all as the first time did. */
  | 'settles'
  /** Metrics: a database keeps one row of each point (and refuses a batch with a `NaN` twice), a file store adds them. */
  | 'adds rows'
  /** Makes a second one; it can be found by a tag of its own. */
  | 'makes another'
  /** Refused, because the first took the name. */
  | 'name is taken'
  /** Refused, because the first removed, renamed or restored it. */
  | 'is gone'
  /** Adds an entry to a list once more, or is refused for it; what is there can be looked at. */
  | 'adds an entry'

/** The facts that decide what may be sent again after a failure that may have been none; one per operation. */
export const repeats: { readonly [O in Operation]: Repeat } = {
  createExperiment: 'name is taken',
  getExperiment: 'reads',
  getExperimentByName: 'reads',
  searchExperiments: 'reads',
  updateExperiment: 'settles',
  deleteExperiment: 'is gone',
  restoreExperiment: 'is gone',
  setExperimentTag: 'settles',
  deleteExperimentTag: 'is gone',
  searchDatasets: 'reads',

  createRun: 'makes another',
  getRun: 'reads',
  updateRun: 'settles',
  deleteRun: 'is gone',
  restoreRun: 'is gone',
  searchRuns: 'reads',
  logMetric: 'adds rows',
  logBatch: 'adds rows',
  logParam: 'settles',
  setTag: 'settles',
  deleteTag: 'is gone',
  logInputs: 'adds an entry',
  logOutputs: 'adds an entry',
  logModel: 'adds an entry',

  getMetricHistory: 'reads',
  getMetricHistoryBulk: 'reads',
  getMetricHistoryBulkInterval: 'reads',
  listArtifacts: 'reads',

  createLoggedModel: 'makes another',
  getLoggedModel: 'reads',
  finalizeLoggedModel: 'settles',
  deleteLoggedModel: 'is gone',
  searchLoggedModels: 'reads',
  setLoggedModelTags: 'settles',
  deleteLoggedModelTag: 'is gone',
  logLoggedModelParams: 'adds an entry',
  listLoggedModelArtifacts: 'reads',

  createRegisteredModel: 'name is taken',
  getRegisteredModel: 'reads',
  renameRegisteredModel: 'is gone',
  updateRegisteredModel: 'settles',
  deleteRegisteredModel: 'is gone',
  searchRegisteredModels: 'reads',
  getLatestVersions: 'reads',
  setRegisteredModelTag: 'settles',
  deleteRegisteredModelTag: 'is gone',
  setRegisteredModelAlias: 'settles',
  deleteRegisteredModelAlias: 'is gone',
  getModelVersionByAlias: 'reads',
  createModelVersion: 'makes another',
  getModelVersion: 'reads',
  updateModelVersion: 'settles',
  deleteModelVersion: 'is gone',
  searchModelVersions: 'reads',
  transitionModelVersionStage: 'settles',
  getModelVersionDownloadUri: 'reads',
  setModelVersionTag: 'settles',
  deleteModelVersionTag: 'is gone',
}

/** Whether an operation may be carried out twice without anyone noticing. */
export const isRepeatable = (operation: Operation): boolean =>
  repeats[operation] === 'reads' || repeats[operation] === 'settles'
