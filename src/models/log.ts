import { tmpdir } from 'node:os'
import { upload } from '../artifacts/copy.js'
import type { OpenArtifacts } from '../artifacts/store.js'
import type { Progress } from '../core/entities.js'
import { type MlModel, writeMlModel } from '../core/mlmodel.js'
import { checkAlias, checkLoggedModelName, checkModelName, checkStage } from '../core/names.js'
import type { Signature } from '../core/signature.js'
import { readYaml } from '../core/yaml.js'
import { inStage } from '../disk/stage.js'
import { IntegrityError, InvalidParameterError, NotFoundError } from '../errors.js'
import type { Transport } from '../transport/transport.js'
import { type ModelOptions, type PackageDeps, type Packaged, packageModel } from './package.js'

export interface LogModelOptions extends ModelOptions {
  /** The model's name in its run; none of / : . % " '. */
  readonly name: string
  /** Parameters of the model, over those of the run. */
  readonly params?: Readonly<Record<string, unknown>> | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** The step of the run that the model stands for; 0 unless said. */
  readonly step?: number | undefined
  /** Registers the model under this name, too. */
  readonly registeredModelName?: string | undefined
  /** The stage its version is put in; needs `registeredModelName`. */
  readonly stage?: string | undefined
  /** The alias its version gets; needs `registeredModelName`. */
  readonly alias?: string | undefined
  /** Hears how far the bytes are. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** A logged model, as Python's `ModelInfo`. */
export interface ModelInfo {
  /** `models:/m-…`, or `runs:/…` on a server of MLflow 2. */
  readonly modelUri: string
  readonly modelId: string | undefined
  readonly name: string
  /** URI of the model's files; on a server of MLflow 2 the path below the run's artifacts. */
  readonly artifactPath: string
  readonly runId: string
  readonly modelUuid: string | undefined
  /** Entry of each flavor in MLmodel. */
  readonly flavors: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly signature: Signature | undefined
  readonly metadata: Readonly<Record<string, unknown>> | undefined
  readonly mlflowVersion: string | undefined
  /** `YYYY-MM-DD HH:MM:SS.ffffff`, UTC. */
  readonly utcTimeCreated: string | undefined
  /** Bytes of all files but MLmodel. */
  readonly modelSizeBytes: number | undefined
  readonly registeredModelName?: string | undefined
  readonly registeredModelVersion?: string | undefined
}

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
  readonly signal: AbortSignal | undefined
}

export interface LogModelDeps extends PackageDeps {
  readonly transport: () => Promise<Transport>
  readonly openArtifacts: OpenArtifacts
  /** Makes a version, in its stage and with its alias, and answers its number. */
  readonly registerModel: (request: RegisterRequest) => Promise<string>
  /** Where models are put together before they are sent; the system's temporary folder unless said. */
  readonly tempDir?: string | undefined
}

const PARAMS_PER_CALL = 100

/**
 * Logs a model the way of MLflow 3: packaged, made known, its files sent with MLmodel last, marked ready, registered where
 * asked. When the files cannot be sent it is marked UPLOAD_FAILED and the failure thrown; a server of MLflow 2 gets it into
 * the run's artifacts.
 */
export async function logModel(
  deps: LogModelDeps,
  run: ModelRun,
  model: unknown,
  options: LogModelOptions,
): Promise<ModelInfo> {
  checkOptions(options)
  options.signal?.throwIfAborted()
  const work = async (stage: string): Promise<ModelInfo> => {
    const packaged = await packageModel(deps, stage, model, options)
    options.signal?.throwIfAborted()
    const created = await create(deps, run, packaged.flavor, options)
    return created
      ? sendLogged(deps, run, { ...created, stage, packaged }, options)
      : sendToRun(deps, run, stage, packaged, options)
  }
  const info = await inStage(deps.tempDir ?? tmpdir(), work, 0o700)
  if (options.registeredModelName === undefined) return info
  const version = await deps.registerModel({
    name: options.registeredModelName,
    source: info.modelUri,
    runId: run.runId,
    modelId: info.modelId,
    stage: options.stage,
    alias: options.alias,
    signal: options.signal,
  })
  return { ...info, registeredModelName: options.registeredModelName, registeredModelVersion: version }
}

/** All that can be wrong with the options, before anything is made known: a version in no stage would stay behind. */
function checkOptions({ name, registeredModelName, stage, alias, step = 0 }: LogModelOptions): void {
  checkLoggedModelName(name)
  if (!Number.isSafeInteger(step)) throw new InvalidParameterError(`The step of a model is a whole number, not ${step}`)
  if (stage !== undefined) checkStage(stage)
  if (alias !== undefined) checkAlias(alias)
  if (registeredModelName !== undefined) checkModelName(registeredModelName)
  else if (stage !== undefined || alias !== undefined)
    throw new InvalidParameterError('A stage or an alias is given to a version, so say registeredModelName too')
}

const pairs = (record: Readonly<Record<string, unknown>>): { key: string; value: string }[] =>
  Object.entries(record).map(([key, value]) => ({
    key,
    value: typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value),
  }))

interface Created {
  readonly modelId: string
  readonly artifactUri: string
}

/** The logged model, made known; `undefined` on a server that has no logged models. */
async function create(
  deps: LogModelDeps,
  run: ModelRun,
  flavor: string,
  options: LogModelOptions,
): Promise<Created | undefined> {
  const transport = await deps.transport()
  const input = {
    experiment_id: run.experimentId,
    name: options.name,
    model_type: flavor,
    source_run_id: run.runId,
    params: paramsOf(run, options).slice(0, PARAMS_PER_CALL),
    tags: pairs(options.tags ?? {}),
  }
  try {
    const { model } = await transport.call('createLoggedModel', input, { signal: options.signal })
    const { model_id: modelId, artifact_uri: artifactUri } = model.info
    if (!artifactUri) throw new IntegrityError(`The server does not say where the files of the model ${modelId} go`)
    return { modelId, artifactUri }
  } catch (error) {
    if (error instanceof NotFoundError && error.code === 'ENDPOINT_NOT_FOUND') return undefined
    throw error
  }
}

const paramsOf = (run: ModelRun, { params }: LogModelOptions) => pairs({ ...run.params, ...params })

/** Links a logged model to its run, and gives it the parameters that the first call had no room for. */
async function link(transport: Transport, run: ModelRun, modelId: string, options: LogModelOptions): Promise<void> {
  const { signal, step = 0 } = options
  const params = paramsOf(run, options)
  for (let at = PARAMS_PER_CALL; at < params.length; at += PARAMS_PER_CALL) {
    const some = params.slice(at, at + PARAMS_PER_CALL)
    await transport.call('logLoggedModelParams', { model_id: modelId, params: some }, { signal })
  }
  await transport.call('logOutputs', { run_id: run.runId, models: [{ model_id: modelId, step }] }, { signal })
}

interface Sending extends Created {
  readonly stage: string
  readonly packaged: Packaged
}

async function sendLogged(
  deps: LogModelDeps,
  run: ModelRun,
  sending: Sending,
  options: LogModelOptions,
): Promise<ModelInfo> {
  const { modelId, artifactUri, stage, packaged } = sending
  const transport = await deps.transport()
  const { signal, onProgress } = options
  const finalize = (status: 'LOGGED_MODEL_READY' | 'LOGGED_MODEL_UPLOAD_FAILED', call = {}) =>
    transport.call('finalizeLoggedModel', { model_id: modelId, status }, call)
  let described: MlModel
  try {
    await link(transport, run, modelId, options)
    described = await packaged.finish({ artifactPath: artifactUri, runId: run.runId, modelId })
    await upload(await deps.openArtifacts(artifactUri), stage, '', { last: ['MLmodel'], signal, onProgress })
    await finalize('LOGGED_MODEL_READY', { signal })
  } catch (error) {
    // The first failure is the one to tell; that this call fails too only leaves the model PENDING.
    await finalize('LOGGED_MODEL_UPLOAD_FAILED').catch(() => {})
    throw error
  }
  return infoOf(described, { modelUri: `models:/${modelId}`, name: options.name, runId: run.runId })
}

async function sendToRun(
  deps: LogModelDeps,
  run: ModelRun,
  stage: string,
  packaged: Packaged,
  options: LogModelOptions,
): Promise<ModelInfo> {
  const { name, signal, onProgress } = options
  if (!run.artifactUri) throw new IntegrityError(`The server does not say where the artifacts of run ${run.runId} go`)
  const described = await packaged.finish({ artifactPath: name, runId: run.runId })
  await upload(await deps.openArtifacts(run.artifactUri), stage, name, { last: ['MLmodel'], signal, onProgress })
  const json = JSON.stringify(readYaml(writeMlModel(described), 'MLmodel'))
  await (await deps.transport()).call('logModel', { run_id: run.runId, model_json: json }, { signal })
  return infoOf(described, { modelUri: `runs:/${run.runId}/${name}`, name, runId: run.runId })
}

function infoOf(described: MlModel, place: { modelUri: string; name: string; runId: string }): ModelInfo {
  const {
    modelId,
    artifactPath = '',
    modelUuid,
    flavors,
    signature,
    metadata,
    mlflowVersion,
    utcTimeCreated,
  } = described
  const { modelSizeBytes } = described
  return {
    ...place,
    modelId,
    artifactPath,
    modelUuid,
    flavors,
    signature,
    metadata,
    mlflowVersion,
    utcTimeCreated,
    modelSizeBytes,
  }
}
