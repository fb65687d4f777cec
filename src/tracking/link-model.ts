import { NotFoundError, PermissionDeniedError } from '../errors.js'
import type { CallOptions, Transport } from '../transport/transport.js'

/** Notes a logged model that a run logs metrics of as the run's input, unless it went in or came out already. */
export async function linkModel(
  transport: Transport,
  { runId, modelId }: { readonly runId: string; readonly modelId: string },
  options?: CallOptions,
): Promise<void> {
  if (!(await mayBeThere(transport, modelId, options))) return
  const { run } = await transport.call('getRun', { run_id: runId }, options)
  const known = [...(run.inputs?.model_inputs ?? []), ...(run.outputs?.model_outputs ?? [])]
  if (known.some(({ model_id }) => model_id === modelId)) return
  await transport.call('logInputs', { run_id: runId, models: [{ model_id: modelId }] }, options)
}

/** A server of MLflow 2 has no logged models. Of a model that is not there the failure of the points that name it tells enough. */
async function mayBeThere(transport: Transport, modelId: string, options?: CallOptions): Promise<boolean> {
  try {
    await transport.call('getLoggedModel', { model_id: modelId }, options)
  } catch (error) {
    if (error instanceof NotFoundError) return false
    // A user who may not read a model may name it.
    if (!(error instanceof PermissionDeniedError)) throw error
  }
  return true
}
