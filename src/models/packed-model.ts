import type { OpenArtifacts } from '../artifacts/store.js'
import type { Progress } from '../core/entities.js'
import type { MlModel } from '../core/mlmodel.js'
import { toRecord } from '../core/pairs.js'
import type { ModelRequest } from '../spool/steps.js'
import type { CallOptions, Transport } from '../transport/transport.js'

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
  /** Whether a later call goes on after this failure; none does by default. */
  readonly goesOn?: ((error: unknown) => boolean) | undefined
}

/** A run as its server knows it, for a model that is logged in it. */
export async function runOfModel(transport: Transport, runId: string, options: CallOptions): Promise<ModelRun> {
  const { info, data } = (await transport.call('getRun', { run_id: runId }, options)).run
  const params = toRecord(data.params)
  return { runId: info.run_id, experimentId: info.experiment_id, artifactUri: info.artifact_uri, params }
}

/** A call that was perhaps made before is looked for first. */
export const doubtful = ({ operationId }: ModelRequest, { signal }: CarryModelOptions): CallOptions => ({
  signal,
  ...(operationId === undefined ? {} : { again: true }),
})
