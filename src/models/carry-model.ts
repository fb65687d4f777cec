import { CairnError, isRetryable, reworded } from '../errors.js'
import type { ModelInfo } from './info.js'
import type { CarryDeps, CarryModelOptions, ModelRun, PackedModel } from './packed-model.js'
import { create, sendLogged } from './to-logged-model.js'
import { sendToRun } from './to-run.js'

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
  const said = `The model ${JSON.stringify(name)} is logged as ${modelUri}, but its registration as ${JSON.stringify(registered)} failed: ${error.message}`
  // Without its status: what a run waits for is its own server's word.
  return reworded(error, said, { cause: error, status: undefined })
}
