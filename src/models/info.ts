import type { MlModel } from '../core/mlmodel.js'
import type { Signature } from '../core/signature.js'

/** A logged model, as Python's `ModelInfo`. */
export interface ModelInfo {
  /**
   * `models:/m-…`; `runs:/…` on a server of MLflow 2, and for a model that waits on disk for its server, which then has
   * neither `modelId` nor `registeredModelVersion` yet.
   */
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

/** What MLmodel says of a model, and where it is. */
export function modelInfo(described: MlModel, place: Pick<ModelInfo, 'modelUri' | 'name' | 'runId'>): ModelInfo {
  const { modelId, artifactPath = '', modelUuid, flavors, signature, metadata } = described
  const { mlflowVersion, utcTimeCreated, modelSizeBytes } = described
  const said = { modelId, artifactPath, modelUuid, flavors, signature, metadata }
  return { ...place, ...said, mlflowVersion, utcTimeCreated, modelSizeBytes }
}
