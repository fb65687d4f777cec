import { join } from 'node:path'
import { upload } from '../artifacts/copy.js'
import type { OpenArtifacts } from '../artifacts/store.js'
import type { Progress } from '../core/entities.js'
import { type MlModel, readMlModel, writeMlModel } from '../core/mlmodel.js'
import { readYaml } from '../core/yaml.js'
import { readText, saveFile } from '../disk/files.js'
import { tree } from '../disk/tree.js'
import { CairnError, type CairnErrorOptions, IntegrityError, isRetryable, NotFoundError } from '../errors.js'
import type { ModelRequest } from '../spool/records.js'
import { OPERATION_TAG } from '../transport/aftermath.js'
import type { CallOptions, Transport } from '../transport/transport.js'
import { type ModelInfo, modelInfo } from './info.js'
import { type Sent, sentFiles } from './sent.js'

/** The run that a model is logged in. */
export interface ModelRun {
  readonly runId: string
  readonly experimentId: string
  readonly artifactUri?: string | undefined
  /** Its parameters as far as they are known; the logged model gets them, too. */
  readonly params?: Readonly<Record<string, string>> | undefined
}

/** What the registry is asked for when a logged model is to have a version. */
export interface RegisterRequest {
  readonly name: string
  readonly source: string
  readonly runId: string
  readonly modelId: string | undefined
  readonly stage: string | undefined
  readonly alias: string | undefined
  /** By this the version is found again when it was perhaps made. */
  readonly operationId: string | undefined
  /** The registry's address when it is not the one at hand. */
  readonly registry: string | undefined
  readonly signal: AbortSignal | undefined
}

/** What carrying a model needs of the backends. */
export interface CarryDeps {
  readonly transport: () => Promise<Transport>
  readonly openArtifacts: OpenArtifacts
  /** Makes a version, in its stage and with its alias, and answers its number. */
  readonly registerModel: (request: RegisterRequest) => Promise<string>
}

/** A model that is packaged: its folder, MLmodel included, and what it is logged with. */
export interface PackedModel {
  readonly dir: string
  readonly request: ModelRequest
  /** What its MLmodel says; read from the folder when left out. */
  readonly described?: MlModel | undefined
}

export interface CarryModelOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

const PARAMS_PER_CALL = 100

/** A run as its server knows it, for a model that is logged in it. */
export async function runOfModel(transport: Transport, runId: string, options: CallOptions): Promise<ModelRun> {
  const { info, data } = (await transport.call('getRun', { run_id: runId }, options)).run
  const params = Object.fromEntries(data.params.map(({ key, value = '' }) => [key, value]))
  return { runId: info.run_id, experimentId: info.experiment_id, artifactUri: info.artifact_uri, params }
}

/**
 * Brings a packaged model to where it belongs, the way of MLflow 3: made known, linked to its run, its files sent with
 * MLmodel last, marked ready, registered where asked; a server of MLflow 2 gets it into the run's artifacts. With an
 * operation id it goes on where an earlier call, of whatever process, stood, and makes nothing twice. When the files
 * cannot be sent and no later call will do better, it is marked UPLOAD_FAILED.
 */
export async function carryModel(
  deps: CarryDeps,
  run: ModelRun,
  packed: PackedModel,
  options: CarryModelOptions = {},
): Promise<ModelInfo> {
  const { request } = packed
  const transport = await deps.transport()
  const created = await create(transport, run, request, options)
  const info = created
    ? await sendLogged(deps, run, { ...packed, ...created }, options)
    : await sendToRun(deps, run, packed, options)
  const { version: wanted, operationId } = request
  if (!wanted) return info
  const { name, stage, alias, registry } = wanted
  const { signal } = options
  const source = info.modelUri
  const asked = { name, source, runId: run.runId, modelId: info.modelId, stage, alias, operationId, registry, signal }
  const version = await deps.registerModel(asked).catch((error: unknown) => {
    throw operationId === undefined ? error : unregistered(error, info, name)
  })
  return { ...info, registeredModelName: name, registeredModelVersion: version }
}

/** The model itself is where it belongs, and the refusal is the registry's: no credentials for the run will change it. */
function unregistered(error: unknown, { name, modelUri }: ModelInfo, registered: string): unknown {
  if (!(error instanceof CairnError) || isRetryable(error) || error.status === 401) return error
  const said = `The model ${JSON.stringify(name)} is logged as ${modelUri}, but has no version of ${JSON.stringify(registered)}: ${error.message}`
  const Kind = error.constructor as new (message: string, options: CairnErrorOptions) => CairnError
  // Without its status: what a run waits for is its own server's word.
  return new Kind(said, { cause: error, code: error.code })
}

interface Created {
  readonly modelId: string
  readonly artifactUri: string
  /** Whether an earlier call had got so far that all its files are there. */
  readonly isReady: boolean
}

/** A call that was perhaps made before is looked for first. */
const doubtful = ({ operationId }: ModelRequest, { signal }: CarryModelOptions): CallOptions => ({
  signal,
  ...(operationId === undefined ? {} : { again: true }),
})

/** The logged model, made known; `undefined` on a server that has no logged models. */
async function create(
  transport: Transport,
  run: ModelRun,
  request: ModelRequest,
  options: CarryModelOptions,
): Promise<Created | undefined> {
  const { operationId } = request
  const input = {
    experiment_id: run.experimentId,
    name: request.name,
    model_type: request.type,
    source_run_id: run.runId,
    params: paramsOf(run, request).slice(0, PARAMS_PER_CALL),
    tags: [...request.tags, ...(operationId === undefined ? [] : [{ key: OPERATION_TAG, value: operationId }])],
  }
  try {
    const { model } = await transport.call('createLoggedModel', input, doubtful(request, options))
    const { model_id: modelId, artifact_uri: artifactUri, status } = model.info
    if (!artifactUri) throw new IntegrityError(`The server does not say where the files of the model ${modelId} go`)
    return { modelId, artifactUri, isReady: status === 'LOGGED_MODEL_READY' }
  } catch (error) {
    if (error instanceof NotFoundError && error.code === 'ENDPOINT_NOT_FOUND') return undefined
    throw error
  }
}

/** The run's parameters, and the model's own over them. */
function paramsOf({ params = {} }: ModelRun, request: ModelRequest): { key: string; value: string }[] {
  const all = { ...params, ...Object.fromEntries(request.params.map(({ key, value }) => [key, value])) }
  return Object.entries(all).map(([key, value]) => ({ key, value }))
}

/** Links a logged model to its run, and gives it the parameters that the first call had no room for. */
async function link(
  transport: Transport,
  run: ModelRun,
  { modelId, request }: { modelId: string; request: ModelRequest },
  options: CarryModelOptions,
): Promise<void> {
  const how = doubtful(request, options)
  const params = paramsOf(run, request)
  for (let at = PARAMS_PER_CALL; at < params.length; at += PARAMS_PER_CALL) {
    const some = params.slice(at, at + PARAMS_PER_CALL)
    await transport.call('logLoggedModelParams', { model_id: modelId, params: some }, how)
  }
  await transport.call('logOutputs', { run_id: run.runId, models: [{ model_id: modelId, step: request.step }] }, how)
}

async function sendLogged(
  deps: CarryDeps,
  run: ModelRun,
  sending: PackedModel & Created,
  options: CarryModelOptions,
): Promise<ModelInfo> {
  const { modelId, artifactUri, request } = sending
  const transport = await deps.transport()
  const finalize = (status: 'LOGGED_MODEL_READY' | 'LOGGED_MODEL_UPLOAD_FAILED', call = {}) =>
    transport.call('finalizeLoggedModel', { model_id: modelId, status }, call)
  let described: MlModel
  try {
    await link(transport, run, sending, options)
    described = await describe(sending, {
      artifactPath: artifactUri,
      runId: run.runId,
      modelId,
      modelUuid: modelId,
    })
    if (!sending.isReady) {
      await send(deps, sending, { uri: artifactUri, path: '' }, options)
      await finalize('LOGGED_MODEL_READY', { signal: options.signal })
    }
  } catch (error) {
    const isOver = request.operationId === undefined || (error instanceof CairnError && !isRetryable(error))
    // The first failure is the one to tell; that this call fails too only leaves the model PENDING.
    if (isOver) await finalize('LOGGED_MODEL_UPLOAD_FAILED').catch(() => {})
    throw error
  }
  return modelInfo(described, { modelUri: `models:/${modelId}`, name: request.name, runId: run.runId })
}

async function sendToRun(
  deps: CarryDeps,
  run: ModelRun,
  packed: PackedModel,
  options: CarryModelOptions,
): Promise<ModelInfo> {
  const { name } = packed.request
  if (!run.artifactUri) throw new IntegrityError(`The server does not say where the artifacts of run ${run.runId} go`)
  const described = await describe(packed, { artifactPath: name, runId: run.runId })
  await send(deps, packed, { uri: run.artifactUri, path: name }, options)
  await tellRun(await deps.transport(), run.runId, described, doubtful(packed.request, options))
  return modelInfo(described, { modelUri: `runs:/${run.runId}/${name}`, name, runId: run.runId })
}

/** Notes the model with its run. A server that does not know what a signature may say by now gets it without. */
async function tellRun(transport: Transport, runId: string, described: MlModel, call: CallOptions): Promise<void> {
  const tell = async (model: MlModel): Promise<void> => {
    // Left out where it is the default: servers before 2.10 know no such field.
    const text = JSON.stringify(readYaml(writeMlModel(model), 'MLmodel')).replace(/, ?\\"required\\": ?true/g, '')
    await transport.call('logModel', { run_id: runId, model_json: text }, call)
  }
  await tell(described).catch((error: unknown) => {
    if (!described.signature || !(error instanceof CairnError) || error.status !== 500) throw error
    return tell({ ...described, signature: undefined })
  })
}

/** Writes down in MLmodel who the model is; the same ids give the same text. */
async function describe(
  { dir, described: known }: PackedModel,
  ids: Pick<MlModel, 'artifactPath' | 'runId' | 'modelId' | 'modelUuid'>,
): Promise<MlModel> {
  const file = join(dir, 'MLmodel')
  const described = { ...(known ?? readMlModel(await readText(file), file)), ...ids }
  await saveFile(file, writeMlModel(described))
  return described
}

async function send(
  deps: CarryDeps,
  { dir, request }: PackedModel,
  { uri, path }: { uri: string; path: string },
  { signal, onProgress }: CarryModelOptions,
): Promise<void> {
  const sent: Sent | undefined = request.operationId === undefined ? undefined : sentFiles(dir, `${uri}/${path}`)
  const files = (await tree(dir, { links: 'refuse' })).filter((file) => !sent?.has(file.path))
  try {
    await upload(await deps.openArtifacts(uri), files, path, {
      last: ['MLmodel'],
      signal,
      onProgress(progress) {
        sent?.add(progress.file ?? '')
        onProgress?.(progress)
      },
    })
  } finally {
    sent?.close()
  }
}
