import type { Client } from '../client.js'
import { type Taken, type TakenBy, withOptionsChecked } from '../core/checked-verbs.js'
import {
  checkedInUse,
  isCount,
  isSomeText,
  isSwitch,
  orNull,
  type Rule,
  type Rules,
  record,
  untold,
} from '../core/options.js'
import { isBatch, isTolerance, MODEL_OPTIONS } from '../models/option-rules.js'
import type { RequiredMetric } from '../registry/metric.js'
import type { RegisterModelOptions } from '../registry/versions.js'
import { CALL_OPTIONS, onProgress, signal, tags } from '../transport/call-options.js'
import type { CallOptions } from '../transport/transport.js'

/** The verbs that look at their options themselves, or take none. */
type Others =
  | `search${string}`
  | `iterate${string}`
  | `get${'Tracking' | 'Registry'}Uri`
  | 'startRun'
  | 'sync'
  | 'deliverSpool'
  | 'flush'
  | 'on'
  | 'cacheInfo'
  | 'close'
  | typeof Symbol.asyncDispose
type Verb = Exclude<keyof Client, Others>

const mayBeSwitch = orNull(isSwitch)
const isConcurrency: Rule = (value, name) => value === Number.POSITIVE_INFINITY || isCount(value, name)
const call = (place: number): Taken<CallOptions> => [place, CALL_OPTIONS]
const note = { ...CALL_OPTIONS, by: checkedInUse, comment: checkedInUse }
const described = { ...CALL_OPTIONS, description: checkedInUse }

const registering: Rules<RegisterModelOptions> = {
  ...described,
  tags,
  runId: checkedInUse,
  modelId: checkedInUse,
  awaitRegistrationMs: checkedInUse,
}
/** Python's name, whose seconds are our milliseconds. */
const awaiting = { awaitRegistrationFor: 'awaitRegistrationMs' } as const

/** The rule for a switch that may say more. */
const switchOr =
  (own: Rule): Rule =>
  (value, name) =>
    (typeof value === 'object' && value !== null ? own : mayBeSwitch)(value, name)

const metric = record<RequiredMetric>({ key: checkedInUse, min: checkedInUse, max: checkedInUse })
const metrics: Rule = (value, name) => {
  for (const one of [value].flat()) metric(one, name)
}

const OPTIONS: TakenBy<Pick<Client, Verb>> = {
  createExperiment: [1, { ...CALL_OPTIONS, artifactLocation: checkedInUse, tags }],
  getExperiment: call(1),
  getExperimentByName: call(1),
  renameExperiment: call(2),
  deleteExperiment: call(1),
  restoreExperiment: call(1),
  setExperimentTag: call(3),
  setExperimentTags: call(2),
  deleteExperimentTag: call(2),
  setExperiment: call(1),

  getRun: call(1),
  getMetricHistory: call(2),
  createRun: [
    1,
    { ...CALL_OPTIONS, runName: checkedInUse, startTime: checkedInUse, tags, userId: checkedInUse },
    { name: 'runName' },
  ],
  updateRun: [
    1,
    { ...CALL_OPTIONS, status: checkedInUse, runName: checkedInUse, endTime: checkedInUse },
    { name: 'runName' },
  ],
  setTerminated: [2, { ...CALL_OPTIONS, endTime: checkedInUse }],
  logBatch: call(2),
  deleteRun: call(1),
  restoreRun: call(1),
  getLoggedModel: call(1),
  deleteLoggedModel: call(1),
  setLoggedModelTags: call(2),
  logLoggedModelParams: call(2),

  createRegisteredModel: [1, { ...described, tags }],
  getRegisteredModel: call(1),
  renameRegisteredModel: call(2),
  updateRegisteredModel: [1, described],
  deleteRegisteredModel: call(1),
  getLatestVersions: call(2),
  setRegisteredModelTag: call(3),
  deleteRegisteredModelTag: call(2),
  setRegisteredModelAlias: call(3),
  deleteRegisteredModelAlias: call(2),
  getModelVersionByAlias: call(2),
  registerModel: [2, registering, awaiting],
  createModelVersion: [2, { ...registering, runLink: checkedInUse }, awaiting],
  getModelVersion: call(2),
  updateModelVersion: [2, described],
  deleteModelVersion: call(2),
  setModelVersionTag: call(4),
  deleteModelVersionTag: call(3),
  transitionStage: [
    3,
    { ...note, archiveExisting: mayBeSwitch, requireApprovals: checkedInUse, requireMetric: metrics },
    { archiveExistingVersions: 'archiveExisting' },
  ],
  rollback: [2, note],
  getStageHistory: call(1),
  approveModelVersion: [2, { ...note, stage: checkedInUse }],
  rejectModelVersion: [2, { ...note, stage: checkedInUse }],
  getApprovals: call(2),

  saveModel: [2, MODEL_OPTIONS],
  loadModel: [
    1,
    {
      offline: checkedInUse,
      verify: checkedInUse,
      replay: switchOr(record({ tolerance: isTolerance })),
      batch: switchOr(isBatch),
      allowCode: mayBeSwitch,
      lib: checkedInUse,
      sessionOptions: checkedInUse,
      signal,
      onProgress,
    },
  ],
  packModel: [2, { ...CALL_OPTIONS, ...{ onProgress: untold, offline: untold, verify: untold } }],
  listArtifacts: call(2),
  downloadArtifacts: [1, { dstPath: orNull(isSomeText), concurrency: orNull(isConcurrency), signal, onProgress }],
  doctor: call(0),
  pruneCache: [0, { maxBytes: checkedInUse, olderThanMs: checkedInUse, ...{ signal: untold } }],
}

/** The verbs whose options a whole experiment, run's info, registered model or version fits. */
const FITTING: readonly Verb[] = [
  ...(['createExperiment', 'createRun', 'updateRun', 'setTerminated', 'createRegisteredModel'] as const),
  ...(['updateRegisteredModel', 'registerModel', 'createModelVersion', 'updateModelVersion'] as const),
]

/** The client itself, which refuses options that a verb does not have: one that is passed over would be missed in vain. */
export const checkedClient = (client: Client): Client => withOptionsChecked<Client, Verb>(client, OPTIONS, FITTING)
