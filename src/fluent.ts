import { AsyncLocalStorage } from 'node:async_hooks'
import { type Client, createClient } from './client.js'
import type { Step } from './core/entities.js'
import { InvalidParameterError, NoActiveRunError } from './errors.js'
import type { EndStatus, LiveRun, Run } from './run/run.js'
import type { StartRunOptions } from './run/start.js'
import type { RunVerbs } from './run/verbs.js'
import { leaveTrackingUri, takeRunId } from './settings.js'
import type { PointOptions } from './tracking/values.js'

/** The runs that are active in one scope; the last is the one that bare verbs act on. */
interface Scope {
  stack: LiveRun[]
}

const scopes = new AsyncLocalStorage<Scope>()
const processScope: Scope = { stack: [] }
const scope = (): Scope => scopes.getStore() ?? processScope

let uris: { trackingUri?: string; registryUri?: string } = {}
let client: Client | undefined

/** The client behind the module's functions, made from the environment on first use. */
export function defaultClient(): Client {
  client ??= createClient(uris)
  return client
}

function change(more: typeof uris): void {
  const next = { ...uris, ...more }
  // Made at once, so that a URI without a transport is an error here; open runs keep the client they have.
  client = createClient(next)
  uris = next
}

/**
 * Sets where runs go: a path or `file:` URI (local store), `http(s)://…` (MLflow server). Child processes inherit it. A
 * database URI is an `InvalidParameterError` that names the way out. Open runs stay where they are.
 */
export function setTrackingUri(uri: string): void {
  change({ trackingUri: uri })
  leaveTrackingUri(uri)
}

/** Sets where names and versions of models are kept; the tracking URI by default. */
export function setRegistryUri(uri: string): void {
  change({ registryUri: uri })
}

/** The run that bare verbs act on: the innermost of the enclosing scope, else of the process. */
export function activeRun(): Run | undefined {
  const here = scope()
  const top = here.stack.at(-1)
  if (top === undefined || top.isOpen) return top
  here.stack = here.stack.filter((run) => run.isOpen)
  return here.stack.at(-1)
}

function current(): Run {
  const run = activeRun()
  if (run) return run
  throw new NoActiveRunError('No run is active; start one with startRun(), or call the verb on a run you hold')
}

/**
 * Starts a run, as Python's `start_run`. Without a function it becomes active until `endRun()`, or until the block ends
 * with `await using`; with one it is active inside, ends `FINISHED`, or `FAILED` when the function throws (the error comes
 * back untouched), and an inner one is the outer one's child. `MLFLOW_RUN_ID` is resumed by the first run that starts.
 */
export function startRun(options?: StartRunOptions): Promise<Run>
export function startRun<T>(options: StartRunOptions, body: (run: Run) => T | Promise<T>): Promise<T>
export function startRun<T>(body: (run: Run) => T | Promise<T>): Promise<T>
export async function startRun<T>(
  first: StartRunOptions | ((run: Run) => T | Promise<T>) = {},
  second?: (run: Run) => T | Promise<T>,
): Promise<Run | T> {
  const [options, body] = typeof first === 'function' ? [{}, first] : [first, second]
  return body ? scoped(options, body) : unscoped(options)
}

async function scoped<T>(options: StartRunOptions, body: (run: Run) => T | Promise<T>): Promise<T> {
  const inner: Scope = { stack: [] }
  const run = await begin(options, inner)
  return scopes.run(inner, async () => {
    let status: EndStatus = 'FAILED'
    try {
      const result = await body(run)
      status = 'FINISHED'
      return result
    } finally {
      await run.finish(status)
    }
  })
}

async function unscoped(options: StartRunOptions): Promise<Run> {
  const active = activeRun()
  if (active && !options.nested)
    throw new InvalidParameterError(
      `The run ${active.runId} is active; end it with endRun(), or start this one inside of it with nested: true`,
    )
  return begin(options, scope())
}

/** Starts a run as the child of the active one and puts it on a stack until it ends. */
async function begin(options: StartRunOptions, into: Scope): Promise<LiveRun> {
  const runId = options.runId ?? takeRunId()
  const parentRunId = options.parentRunId ?? activeRun()?.runId
  const run = (await defaultClient().startRun({ ...options, runId, parentRunId })) as LiveRun
  into.stack.push(run)
  return run
}

/** Ends the active run, `FINISHED` by default; with none active it does nothing, as in Python. */
export async function endRun(status?: EndStatus): Promise<void> {
  await activeRun()?.end(status)
}

type RunVerb = Exclude<keyof RunVerbs, 'logMetric'> | 'logModel'
/** A verb of the active run. */
const ofRun = <K extends RunVerb>(name: K): Run[K] =>
  ((...args: never[]) => (current()[name] as (...args: never[]) => unknown)(...args)) as Run[K]

/** {@inheritDoc RunVerbs.logMetric} */
export function logMetric(key: string, value: number, step?: Step | PointOptions): void {
  current().logMetric(key, value, step)
}
/** {@inheritDoc RunVerbs.logParam} */
export const logParam = ofRun('logParam')
/** {@inheritDoc RunVerbs.logParams} */
export const logParams = ofRun('logParams')
/** {@inheritDoc RunVerbs.logMetrics} */
export const logMetrics = ofRun('logMetrics')
/** {@inheritDoc RunVerbs.setTag} */
export const setTag = ofRun('setTag')
/** {@inheritDoc RunVerbs.setTags} */
export const setTags = ofRun('setTags')
/** {@inheritDoc RunVerbs.deleteTag} */
export const deleteTag = ofRun('deleteTag')
/** {@inheritDoc RunVerbs.logArtifact} */
export const logArtifact = ofRun('logArtifact')
/** {@inheritDoc RunVerbs.logArtifacts} */
export const logArtifacts = ofRun('logArtifacts')
/** {@inheritDoc RunVerbs.logText} */
export const logText = ofRun('logText')
/** {@inheritDoc RunVerbs.logJson} */
export const logJson = ofRun('logJson')
/** {@inheritDoc RunVerbs.logDict} */
export const logDict = ofRun('logDict')
/** {@inheritDoc RunVerbs.logFigure} */
export const logFigure = ofRun('logFigure')
/** {@inheritDoc RunVerbs.logImage} */
export const logImage = ofRun('logImage')
/** {@inheritDoc RunVerbs.logTable} */
export const logTable = ofRun('logTable')
/** {@inheritDoc RunVerbs.logInput} */
export const logInput = ofRun('logInput')
/** {@inheritDoc RunVerbs.logOutputs} */
export const logOutputs = ofRun('logOutputs')
/** {@inheritDoc RunVerbs.logCode} */
export const logCode = ofRun('logCode')
/** {@inheritDoc RunVerbs.flush} */
export const flush = ofRun('flush')
/** {@inheritDoc RunVerbs.stats} */
export const stats = ofRun('stats')
/** {@inheritDoc Run.logModel} */
export const logModel = ofRun('logModel')

type ClientVerb = Exclude<keyof Client, 'startRun' | 'on' | 'flush' | 'close' | typeof Symbol.asyncDispose>
/** A verb of the default client. */
const ofClient = <K extends ClientVerb>(name: K): Client[K] =>
  ((...args: never[]) => (defaultClient()[name] as (...args: never[]) => unknown)(...args)) as Client[K]

/** {@inheritDoc Client.getTrackingUri} */
export const getTrackingUri = ofClient('getTrackingUri')
/** {@inheritDoc Client.getRegistryUri} */
export const getRegistryUri = ofClient('getRegistryUri')
/** {@inheritDoc Client.setExperiment} */
export const setExperiment = ofClient('setExperiment')
/** {@inheritDoc Client.saveModel} */
export const saveModel = ofClient('saveModel')
/** {@inheritDoc Client.loadModel} */
export const loadModel = ofClient('loadModel')
/** {@inheritDoc Client.packModel} */
export const packModel = ofClient('packModel')
/** {@inheritDoc Client.listArtifacts} */
export const listArtifacts = ofClient('listArtifacts')
/** {@inheritDoc Client.downloadArtifacts} */
export const downloadArtifacts = ofClient('downloadArtifacts')
/** {@inheritDoc Client.doctor} */
export const doctor = ofClient('doctor')
/** {@inheritDoc Client.sync} */
export const sync = ofClient('sync')
/** {@inheritDoc Client.cacheInfo} */
export const cacheInfo = ofClient('cacheInfo')
/** {@inheritDoc Client.pruneCache} */
export const pruneCache = ofClient('pruneCache')
/** {@inheritDoc Experiments.createExperiment} */
export const createExperiment = ofClient('createExperiment')
/** {@inheritDoc Experiments.getExperiment} */
export const getExperiment = ofClient('getExperiment')
/** {@inheritDoc Experiments.getExperimentByName} */
export const getExperimentByName = ofClient('getExperimentByName')
/** {@inheritDoc Experiments.searchExperiments} */
export const searchExperiments = ofClient('searchExperiments')
/** {@inheritDoc Experiments.iterateExperiments} */
export const iterateExperiments = ofClient('iterateExperiments')
/** {@inheritDoc Experiments.renameExperiment} */
export const renameExperiment = ofClient('renameExperiment')
/** {@inheritDoc Experiments.deleteExperiment} */
export const deleteExperiment = ofClient('deleteExperiment')
/** {@inheritDoc Experiments.restoreExperiment} */
export const restoreExperiment = ofClient('restoreExperiment')
/** {@inheritDoc Experiments.setExperimentTag} */
export const setExperimentTag = ofClient('setExperimentTag')
/** {@inheritDoc Experiments.setExperimentTags} */
export const setExperimentTags = ofClient('setExperimentTags')
/** {@inheritDoc Experiments.deleteExperimentTag} */
export const deleteExperimentTag = ofClient('deleteExperimentTag')
/** {@inheritDoc Runs.getRun} */
export const getRun = ofClient('getRun')
/** {@inheritDoc Runs.searchRuns} */
export const searchRuns = ofClient('searchRuns')
/** {@inheritDoc Runs.iterateRuns} */
export const iterateRuns = ofClient('iterateRuns')
/** {@inheritDoc Runs.getMetricHistory} */
export const getMetricHistory = ofClient('getMetricHistory')
/** {@inheritDoc Runs.iterateMetricHistory} */
export const iterateMetricHistory = ofClient('iterateMetricHistory')
/** {@inheritDoc Runs.createRun} */
export const createRun = ofClient('createRun')
/** {@inheritDoc Runs.updateRun} */
export const updateRun = ofClient('updateRun')
/** {@inheritDoc Runs.setTerminated} */
export const setTerminated = ofClient('setTerminated')
/** {@inheritDoc Runs.logBatch} */
export const logBatch = ofClient('logBatch')
/** {@inheritDoc Runs.deleteRun} */
export const deleteRun = ofClient('deleteRun')
/** {@inheritDoc Runs.restoreRun} */
export const restoreRun = ofClient('restoreRun')
/** {@inheritDoc Runs.getLoggedModel} */
export const getLoggedModel = ofClient('getLoggedModel')
/** {@inheritDoc Runs.searchLoggedModels} */
export const searchLoggedModels = ofClient('searchLoggedModels')
/** {@inheritDoc Runs.iterateLoggedModels} */
export const iterateLoggedModels = ofClient('iterateLoggedModels')
/** {@inheritDoc Runs.deleteLoggedModel} */
export const deleteLoggedModel = ofClient('deleteLoggedModel')
/** {@inheritDoc Runs.setLoggedModelTags} */
export const setLoggedModelTags = ofClient('setLoggedModelTags')
/** {@inheritDoc Runs.logLoggedModelParams} */
export const logLoggedModelParams = ofClient('logLoggedModelParams')
/** {@inheritDoc RegisteredModels.createRegisteredModel} */
export const createRegisteredModel = ofClient('createRegisteredModel')
/** {@inheritDoc RegisteredModels.getRegisteredModel} */
export const getRegisteredModel = ofClient('getRegisteredModel')
/** {@inheritDoc RegisteredModels.renameRegisteredModel} */
export const renameRegisteredModel = ofClient('renameRegisteredModel')
/** {@inheritDoc RegisteredModels.updateRegisteredModel} */
export const updateRegisteredModel = ofClient('updateRegisteredModel')
/** {@inheritDoc RegisteredModels.deleteRegisteredModel} */
export const deleteRegisteredModel = ofClient('deleteRegisteredModel')
/** {@inheritDoc RegisteredModels.searchRegisteredModels} */
export const searchRegisteredModels = ofClient('searchRegisteredModels')
/** {@inheritDoc RegisteredModels.iterateRegisteredModels} */
export const iterateRegisteredModels = ofClient('iterateRegisteredModels')
/** {@inheritDoc RegisteredModels.getLatestVersions} */
export const getLatestVersions = ofClient('getLatestVersions')
/** {@inheritDoc RegisteredModels.setRegisteredModelTag} */
export const setRegisteredModelTag = ofClient('setRegisteredModelTag')
/** {@inheritDoc RegisteredModels.deleteRegisteredModelTag} */
export const deleteRegisteredModelTag = ofClient('deleteRegisteredModelTag')
/** {@inheritDoc RegisteredModels.setRegisteredModelAlias} */
export const setRegisteredModelAlias = ofClient('setRegisteredModelAlias')
/** {@inheritDoc RegisteredModels.deleteRegisteredModelAlias} */
export const deleteRegisteredModelAlias = ofClient('deleteRegisteredModelAlias')
/** {@inheritDoc RegisteredModels.getModelVersionByAlias} */
export const getModelVersionByAlias = ofClient('getModelVersionByAlias')
/** {@inheritDoc ModelVersions.registerModel} */
export const registerModel = ofClient('registerModel')
/** {@inheritDoc ModelVersions.createModelVersion} */
export const createModelVersion = ofClient('createModelVersion')
/** {@inheritDoc ModelVersions.getModelVersion} */
export const getModelVersion = ofClient('getModelVersion')
/** {@inheritDoc ModelVersions.updateModelVersion} */
export const updateModelVersion = ofClient('updateModelVersion')
/** {@inheritDoc ModelVersions.deleteModelVersion} */
export const deleteModelVersion = ofClient('deleteModelVersion')
/** {@inheritDoc ModelVersions.searchModelVersions} */
export const searchModelVersions = ofClient('searchModelVersions')
/** {@inheritDoc ModelVersions.iterateModelVersions} */
export const iterateModelVersions = ofClient('iterateModelVersions')
/** {@inheritDoc ModelVersions.setModelVersionTag} */
export const setModelVersionTag = ofClient('setModelVersionTag')
/** {@inheritDoc ModelVersions.deleteModelVersionTag} */
export const deleteModelVersionTag = ofClient('deleteModelVersionTag')
/** {@inheritDoc Stages.transitionStage} */
export const transitionStage = ofClient('transitionStage')
/** {@inheritDoc Stages.rollback} */
export const rollback = ofClient('rollback')
/** {@inheritDoc Stages.getStageHistory} */
export const getStageHistory = ofClient('getStageHistory')
/** {@inheritDoc Approvals.approveModelVersion} */
export const approveModelVersion = ofClient('approveModelVersion')
/** {@inheritDoc Approvals.rejectModelVersion} */
export const rejectModelVersion = ofClient('rejectModelVersion')
/** {@inheritDoc Approvals.getApprovals} */
export const getApprovals = ofClient('getApprovals')
