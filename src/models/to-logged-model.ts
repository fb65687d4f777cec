import type { MlModel } from '../core/mlmodel.js'
import { LIMITS } from '../core/names.js'
import { toPairs, toRecord } from '../core/pairs.js'
import { OPERATION_TAG } from '../core/tags.js'
import { IntegrityError, isUnknown } from '../errors.js'
import type { ModelRequest } from '../spool/steps.js'
import type { Transport } from '../transport/transport.js'
import { type ModelInfo, modelInfo } from './info.js'
import { type CarryDeps, type CarryModelOptions, doubtful, type ModelRun, type PackedModel } from './packed-model.js'
import { describe, send } from './send-folder.js'

/** How long a server that has just failed is given to hear of it. */
const LAST_WORD_MS = 5_000

/** A logged model as it was made known. */
export interface Created {
  readonly modelId: string
  readonly artifactUri: string
  /** Whether an earlier call had got so far that all its files are there. */
  readonly isReady: boolean
}

/** The logged model, made known; `undefined` on a server that has no logged models. */
export async function create(
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
    params: paramsOf(run, request).slice(0, LIMITS.modelParamsPerCall),
    tags: [...request.tags, ...(operationId === undefined ? [] : [{ key: OPERATION_TAG, value: operationId }])],
  }
  try {
    const { model } = await transport.call('createLoggedModel', input, doubtful(request, options))
    const { model_id: modelId, artifact_uri: artifactUri, status } = model.info
    if (!artifactUri) throw new IntegrityError(`The server does not say where the files of the model ${modelId} go`)
    return { modelId, artifactUri, isReady: status === 'LOGGED_MODEL_READY' }
  } catch (error) {
    if (isUnknown(error)) return undefined
    throw error
  }
}

/** The run's parameters, and the model's own over them. */
function paramsOf({ params = {} }: ModelRun, request: ModelRequest): { key: string; value: string }[] {
  const all = { ...params, ...toRecord(request.params) }
  return toPairs(all)
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
  for (let at = LIMITS.modelParamsPerCall; at < params.length; at += LIMITS.modelParamsPerCall) {
    const some = params.slice(at, at + LIMITS.modelParamsPerCall)
    await transport.call('logLoggedModelParams', { model_id: modelId, params: some }, how)
  }
  await transport.call('logOutputs', { run_id: run.runId, models: [{ model_id: modelId, step: request.step }] }, how)
}

/** Links a logged model to its run, sends its files and marks it ready. */
export async function sendLogged(
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
    // The first failure is the one to tell; that this call fails too only leaves the model PENDING.
    if (!options.goesOn?.(error))
      await finalize('LOGGED_MODEL_UPLOAD_FAILED', { signal: AbortSignal.timeout(LAST_WORD_MS) }).catch(() => {})
    throw error
  }
  return modelInfo(described, { modelUri: `models:/${modelId}`, name: request.name, runId: run.runId })
}
