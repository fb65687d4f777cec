import { type MlModel, writeMlModel } from '../core/mlmodel.js'
import { readYaml } from '../core/yaml.js'
import { CairnError, IntegrityError } from '../errors.js'
import type { CallOptions, Transport } from '../transport/transport.js'
import { type ModelInfo, modelInfo } from './info.js'
import { type CarryDeps, type CarryModelOptions, doubtful, type ModelRun, type PackedModel } from './packed-model.js'
import { describe, send } from './send-folder.js'

/** Brings a packaged model into the artifacts of its run, as clients of MLflow 2 do. */
export async function sendToRun(
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
