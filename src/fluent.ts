import { AsyncLocalStorage } from 'node:async_hooks'
import { type Client, createClient } from './client.js'
import type { Step } from './core/entities.js'
import { described } from './core/options.js'
import { InvalidParameterError, NoActiveRunError } from './errors.js'
import type { EndStatus, LiveRun, Run } from './run/handle.js'
import { namingVariable } from './run/naming-variable.js'
import type { StartRunOptions } from './run/start.js'
import type { RunVerbs } from './run/verbs.js'
import { leaveTrackingUri, takeRunId } from './settings.js'
import type { PointOptions } from './tracking/values.js'

/** The runs that are active in one scope; the last is the one that bare verbs act on. */
interface Scope {
  stack: LiveRun[]
  /** How many starts without a function are on their way: their runs are to be on the stack in a moment. */
  starting: number
}

const scopes = new AsyncLocalStorage<Scope>()
const processScope: Scope = { stack: [], starting: 0 }
const scope = (): Scope => scopes.getStore() ?? processScope

let uris: { trackingUri?: string; registryUri?: string } = {}
let client: Client | undefined

/** The client behind the module's functions, made from the environment on first use. */
function defaultClient(): Client {
  client ??= createClient(uris)
  return client
}

function change(which: keyof typeof uris, uri: string): void {
  if (typeof uri !== 'string')
    throw new InvalidParameterError(
      `The ${which} must be a text, like './mlruns' or 'http://localhost:5000', not ${described(uri)}; if it comes from a variable, that one is not set`,
    )
  const next = { ...uris, [which]: uri }
  // Made at once, so that a URI without a transport is an error here; open runs keep the client they have.
  client = createClient(next)
  uris = next
}

/**
 * Sets where runs go: a path or `file:` URI (local store), `http(s)://…` (MLflow server). Child processes inherit it. A
 * database URI is an `InvalidParameterError` that names the way out. Open runs stay where they are.
 */
export function setTrackingUri(uri: string): void {
  change('trackingUri', uri)
  leaveTrackingUri(uri)
}

/** Sets where names and versions of models are kept; the tracking URI by default. */
export function setRegistryUri(uri: string): void {
  change('registryUri', uri)
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
  throw new NoActiveRunError(
    scope().starting > 0
      ? 'No run is active yet, but a startRun() is on its way: await it'
      : 'No run is active; start one with startRun(), or call the verb on a run you hold',
  )
}

/**
 * Starts a run, as Python's `start_run`. Without a function it becomes active until `endRun()`, or until the block ends
 * with `await using`; another one that is active or on its way is an `InvalidParameterError`, unless `nested`. With one it
 * is active inside, ends `FINISHED`, or `FAILED` when the function throws (the error comes back untouched), and an inner one
 * is the outer one's child. `MLFLOW_RUN_ID` is resumed by the first run that starts.
 * A worker thread learns of neither a signal nor the main thread's exit: what its runs logged is delivered by the next
 * process, but they stay RUNNING. End runs in the thread that started them, or log from the main thread.
 */
export function startRun(options?: StartRunOptions): Promise<Run>
export function startRun<T>(options: StartRunOptions, body: (run: Run) => T | Promise<T>): Promise<T>
export function startRun<T>(body: (run: Run) => T | Promise<T>): Promise<T>
export async function startRun<T>(
  first: StartRunOptions | ((run: Run) => T | Promise<T>) = {},
  second?: (run: Run) => T | Promise<T>,
): Promise<Run | T> {
  const [options, body] = typeof first === 'function' ? [{}, first] : [first, second]
  if (typeof options !== 'object' || options === null)
    throw new InvalidParameterError("startRun takes options, like { runName: 'first' }, and a function to run")
  if (body === undefined) return unscoped(options)
  if (typeof body !== 'function')
    throw new InvalidParameterError(`startRun calls its second argument, so it takes a function, not ${typeof body}`)
  return scoped(options, body)
}

async function scoped<T>(options: StartRunOptions, body: (run: Run) => T | Promise<T>): Promise<T> {
  const inner: Scope = { stack: [], starting: 0 }
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
  const here = scope()
  if (here.starting > 0 && !options.nested)
    throw new InvalidParameterError(
      'Another startRun() is on its way: await it, or give startRun a function, so that each run has a scope of its own',
    )
  here.starting++
  try {
    return await begin(options, here)
  } finally {
    here.starting--
  }
}

/** Starts a run as the child of the active one and puts it on a stack until it ends. */
async function begin(options: StartRunOptions, into: Scope): Promise<LiveRun> {
  const left = options.runId === undefined ? takeRunId() : undefined
  const runId = options.runId ?? left
  const parentRunId = options.parentRunId ?? activeRun()?.runId
  const starting = defaultClient().startRun({ ...options, runId, parentRunId })
  const run = (await starting.catch((error: unknown) => {
    throw left === undefined ? error : namingRunId(left, error)
  })) as LiveRun
  into.stack.push(run)
  return run
}

/** What is wrong with a run that the environment names says so, and what is wrong with an option beside it does not. */
function namingRunId(left: string, error: unknown): unknown {
  // Of a long id a message shows the beginning.
  const shown = JSON.stringify(left.slice(0, 60)).slice(1, -1)
  const isOfOption = error instanceof InvalidParameterError && !error.message.includes(shown)
  return isOfOption ? error : namingVariable('MLFLOW_RUN_ID', left, error)
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
/** {@inheritDoc RunVerbs.logParam} @function */
export const logParam: Run['logParam'] = ofRun('logParam')
/** {@inheritDoc RunVerbs.logParams} @function */
export const logParams: Run['logParams'] = ofRun('logParams')
/** {@inheritDoc RunVerbs.logMetrics} @function */
export const logMetrics: Run['logMetrics'] = ofRun('logMetrics')
/** {@inheritDoc RunVerbs.setTag} @function */
export const setTag: Run['setTag'] = ofRun('setTag')
/** {@inheritDoc RunVerbs.setTags} @function */
export const setTags: Run['setTags'] = ofRun('setTags')
/** {@inheritDoc RunVerbs.deleteTag} @function */
export const deleteTag: Run['deleteTag'] = ofRun('deleteTag')
/** {@inheritDoc RunVerbs.logArtifact} @function */
export const logArtifact: Run['logArtifact'] = ofRun('logArtifact')
/** {@inheritDoc RunVerbs.logArtifacts} @function */
export const logArtifacts: Run['logArtifacts'] = ofRun('logArtifacts')
/** {@inheritDoc RunVerbs.logText} @function */
export const logText: Run['logText'] = ofRun('logText')
/** {@inheritDoc RunVerbs.logJson} @function */
export const logJson: Run['logJson'] = ofRun('logJson')
/** {@inheritDoc RunVerbs.logDict} @function */
export const logDict: Run['logDict'] = ofRun('logDict')
/** {@inheritDoc RunVerbs.logFigure} @function */
export const logFigure: Run['logFigure'] = ofRun('logFigure')
/** {@inheritDoc RunVerbs.logImage} @function */
export const logImage: Run['logImage'] = ofRun('logImage')
/** {@inheritDoc RunVerbs.logTable} @function */
export const logTable: Run['logTable'] = ofRun('logTable')
/** {@inheritDoc RunVerbs.logInput} @function */
export const logInput: Run['logInput'] = ofRun('logInput')
/** {@inheritDoc RunVerbs.logOutputs} @function */
export const logOutputs: Run['logOutputs'] = ofRun('logOutputs')
/** {@inheritDoc RunVerbs.logCode} @function */
export const logCode: Run['logCode'] = ofRun('logCode')
/** {@inheritDoc RunVerbs.flush} @function */
export const flush: Run['flush'] = ofRun('flush')
/** {@inheritDoc RunVerbs.stats} @function */
export const stats: Run['stats'] = ofRun('stats')
/** {@inheritDoc Run.logModel} @function */
export const logModel: Run['logModel'] = ofRun('logModel')

type ClientVerb = Exclude<keyof Client, 'startRun' | 'on' | 'flush' | 'close' | typeof Symbol.asyncDispose>
/** A verb of the default client. */
const ofClient = <K extends ClientVerb>(name: K): Client[K] =>
  ((...args: never[]) => (defaultClient()[name] as (...args: never[]) => unknown)(...args)) as Client[K]

/** {@inheritDoc Client.getTrackingUri} @function */
export const getTrackingUri: Client['getTrackingUri'] = ofClient('getTrackingUri')
/** {@inheritDoc Client.getRegistryUri} @function */
export const getRegistryUri: Client['getRegistryUri'] = ofClient('getRegistryUri')
/** {@inheritDoc Client.setExperiment} @function */
export const setExperiment: Client['setExperiment'] = ofClient('setExperiment')
/** {@inheritDoc Client.saveModel} @function */
export const saveModel: Client['saveModel'] = ofClient('saveModel')
/** {@inheritDoc Client.loadModel} @function */
export const loadModel: Client['loadModel'] = ofClient('loadModel')
/** {@inheritDoc Client.packModel} @function */
export const packModel: Client['packModel'] = ofClient('packModel')
/** {@inheritDoc Client.listArtifacts} @function */
export const listArtifacts: Client['listArtifacts'] = ofClient('listArtifacts')
/** {@inheritDoc Client.downloadArtifacts} @function */
export const downloadArtifacts: Client['downloadArtifacts'] = ofClient('downloadArtifacts')
/** {@inheritDoc Client.doctor} @function */
export const doctor: Client['doctor'] = ofClient('doctor')
/** {@inheritDoc Client.sync} @function */
export const sync: Client['sync'] = ofClient('sync')
/** {@inheritDoc Client.cacheInfo} @function */
export const cacheInfo: Client['cacheInfo'] = ofClient('cacheInfo')
/** {@inheritDoc Client.pruneCache} @function */
export const pruneCache: Client['pruneCache'] = ofClient('pruneCache')
/** {@inheritDoc Experiments.createExperiment} @function */
export const createExperiment: Client['createExperiment'] = ofClient('createExperiment')
/** {@inheritDoc Experiments.getExperiment} @function */
export const getExperiment: Client['getExperiment'] = ofClient('getExperiment')
/** {@inheritDoc Experiments.getExperimentByName} @function */
export const getExperimentByName: Client['getExperimentByName'] = ofClient('getExperimentByName')
/** {@inheritDoc Experiments.searchExperiments} @function */
export const searchExperiments: Client['searchExperiments'] = ofClient('searchExperiments')
/** {@inheritDoc Experiments.iterateExperiments} @function */
export const iterateExperiments: Client['iterateExperiments'] = ofClient('iterateExperiments')
/** {@inheritDoc Experiments.renameExperiment} @function */
export const renameExperiment: Client['renameExperiment'] = ofClient('renameExperiment')
/** {@inheritDoc Experiments.deleteExperiment} @function */
export const deleteExperiment: Client['deleteExperiment'] = ofClient('deleteExperiment')
/** {@inheritDoc Experiments.restoreExperiment} @function */
export const restoreExperiment: Client['restoreExperiment'] = ofClient('restoreExperiment')
/** {@inheritDoc Experiments.setExperimentTag} @function */
export const setExperimentTag: Client['setExperimentTag'] = ofClient('setExperimentTag')
/** {@inheritDoc Experiments.setExperimentTags} @function */
export const setExperimentTags: Client['setExperimentTags'] = ofClient('setExperimentTags')
/** {@inheritDoc Experiments.deleteExperimentTag} @function */
export const deleteExperimentTag: Client['deleteExperimentTag'] = ofClient('deleteExperimentTag')
/** {@inheritDoc Runs.getRun} @function */
export const getRun: Client['getRun'] = ofClient('getRun')
/** {@inheritDoc Runs.searchRuns} @function */
export const searchRuns: Client['searchRuns'] = ofClient('searchRuns')
/** {@inheritDoc Runs.iterateRuns} @function */
export const iterateRuns: Client['iterateRuns'] = ofClient('iterateRuns')
/** {@inheritDoc Runs.getMetricHistory} @function */
export const getMetricHistory: Client['getMetricHistory'] = ofClient('getMetricHistory')
/** {@inheritDoc Runs.iterateMetricHistory} @function */
export const iterateMetricHistory: Client['iterateMetricHistory'] = ofClient('iterateMetricHistory')
/** {@inheritDoc Runs.createRun} @function */
export const createRun: Client['createRun'] = ofClient('createRun')
/** {@inheritDoc Runs.updateRun} @function */
export const updateRun: Client['updateRun'] = ofClient('updateRun')
/** {@inheritDoc Runs.setTerminated} @function */
export const setTerminated: Client['setTerminated'] = ofClient('setTerminated')
/** {@inheritDoc Runs.logBatch} @function */
export const logBatch: Client['logBatch'] = ofClient('logBatch')
/** {@inheritDoc Runs.deleteRun} @function */
export const deleteRun: Client['deleteRun'] = ofClient('deleteRun')
/** {@inheritDoc Runs.restoreRun} @function */
export const restoreRun: Client['restoreRun'] = ofClient('restoreRun')
/** {@inheritDoc Runs.getLoggedModel} @function */
export const getLoggedModel: Client['getLoggedModel'] = ofClient('getLoggedModel')
/** {@inheritDoc Runs.searchLoggedModels} @function */
export const searchLoggedModels: Client['searchLoggedModels'] = ofClient('searchLoggedModels')
/** {@inheritDoc Runs.iterateLoggedModels} @function */
export const iterateLoggedModels: Client['iterateLoggedModels'] = ofClient('iterateLoggedModels')
/** {@inheritDoc Runs.deleteLoggedModel} @function */
export const deleteLoggedModel: Client['deleteLoggedModel'] = ofClient('deleteLoggedModel')
/** {@inheritDoc Runs.setLoggedModelTags} @function */
export const setLoggedModelTags: Client['setLoggedModelTags'] = ofClient('setLoggedModelTags')
/** {@inheritDoc Runs.logLoggedModelParams} @function */
export const logLoggedModelParams: Client['logLoggedModelParams'] = ofClient('logLoggedModelParams')
/** {@inheritDoc RegisteredModels.createRegisteredModel} @function */
export const createRegisteredModel: Client['createRegisteredModel'] = ofClient('createRegisteredModel')
/** {@inheritDoc RegisteredModels.getRegisteredModel} @function */
export const getRegisteredModel: Client['getRegisteredModel'] = ofClient('getRegisteredModel')
/** {@inheritDoc RegisteredModels.renameRegisteredModel} @function */
export const renameRegisteredModel: Client['renameRegisteredModel'] = ofClient('renameRegisteredModel')
/** {@inheritDoc RegisteredModels.updateRegisteredModel} @function */
export const updateRegisteredModel: Client['updateRegisteredModel'] = ofClient('updateRegisteredModel')
/** {@inheritDoc RegisteredModels.deleteRegisteredModel} @function */
export const deleteRegisteredModel: Client['deleteRegisteredModel'] = ofClient('deleteRegisteredModel')
/** {@inheritDoc RegisteredModels.searchRegisteredModels} @function */
export const searchRegisteredModels: Client['searchRegisteredModels'] = ofClient('searchRegisteredModels')
/** {@inheritDoc RegisteredModels.iterateRegisteredModels} @function */
export const iterateRegisteredModels: Client['iterateRegisteredModels'] = ofClient('iterateRegisteredModels')
/** {@inheritDoc RegisteredModels.getLatestVersions} @function */
export const getLatestVersions: Client['getLatestVersions'] = ofClient('getLatestVersions')
/** {@inheritDoc RegisteredModels.setRegisteredModelTag} @function */
export const setRegisteredModelTag: Client['setRegisteredModelTag'] = ofClient('setRegisteredModelTag')
/** {@inheritDoc RegisteredModels.deleteRegisteredModelTag} @function */
export const deleteRegisteredModelTag: Client['deleteRegisteredModelTag'] = ofClient('deleteRegisteredModelTag')
/** {@inheritDoc RegisteredModels.setRegisteredModelAlias} @function */
export const setRegisteredModelAlias: Client['setRegisteredModelAlias'] = ofClient('setRegisteredModelAlias')
/** {@inheritDoc RegisteredModels.deleteRegisteredModelAlias} @function */
export const deleteRegisteredModelAlias: Client['deleteRegisteredModelAlias'] = ofClient('deleteRegisteredModelAlias')
/** {@inheritDoc RegisteredModels.getModelVersionByAlias} @function */
export const getModelVersionByAlias: Client['getModelVersionByAlias'] = ofClient('getModelVersionByAlias')
/** {@inheritDoc ModelVersions.registerModel} @function */
export const registerModel: Client['registerModel'] = ofClient('registerModel')
/** {@inheritDoc ModelVersions.createModelVersion} @function */
export const createModelVersion: Client['createModelVersion'] = ofClient('createModelVersion')
/** {@inheritDoc ModelVersions.getModelVersion} @function */
export const getModelVersion: Client['getModelVersion'] = ofClient('getModelVersion')
/** {@inheritDoc ModelVersions.updateModelVersion} @function */
export const updateModelVersion: Client['updateModelVersion'] = ofClient('updateModelVersion')
/** {@inheritDoc ModelVersions.deleteModelVersion} @function */
export const deleteModelVersion: Client['deleteModelVersion'] = ofClient('deleteModelVersion')
/** {@inheritDoc ModelVersions.searchModelVersions} @function */
export const searchModelVersions: Client['searchModelVersions'] = ofClient('searchModelVersions')
/** {@inheritDoc ModelVersions.iterateModelVersions} @function */
export const iterateModelVersions: Client['iterateModelVersions'] = ofClient('iterateModelVersions')
/** {@inheritDoc ModelVersions.setModelVersionTag} @function */
export const setModelVersionTag: Client['setModelVersionTag'] = ofClient('setModelVersionTag')
/** {@inheritDoc ModelVersions.deleteModelVersionTag} @function */
export const deleteModelVersionTag: Client['deleteModelVersionTag'] = ofClient('deleteModelVersionTag')
/** {@inheritDoc Stages.transitionStage} @function */
export const transitionStage: Client['transitionStage'] = ofClient('transitionStage')
/** {@inheritDoc Stages.rollback} @function */
export const rollback: Client['rollback'] = ofClient('rollback')
/** {@inheritDoc Stages.getStageHistory} @function */
export const getStageHistory: Client['getStageHistory'] = ofClient('getStageHistory')
/** {@inheritDoc Approvals.approveModelVersion} @function */
export const approveModelVersion: Client['approveModelVersion'] = ofClient('approveModelVersion')
/** {@inheritDoc Approvals.rejectModelVersion} @function */
export const rejectModelVersion: Client['rejectModelVersion'] = ofClient('rejectModelVersion')
/** {@inheritDoc Approvals.getApprovals} @function */
export const getApprovals: Client['getApprovals'] = ofClient('getApprovals')
