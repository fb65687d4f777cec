/** Where the files of a model lie: a store's URI, and the path of the model below it. */
export interface ModelPlace {
  readonly artifactUri: string
  /** `''` when the model is the store's root. */
  readonly path: string
}

/** What a reference to a model means at this moment. */
export interface ResolvedModel extends Omit<KeptModel, 'identity'> {
  /** What tells these bytes from all others, where that is known without reading them; else the MLmodel's text decides. */
  readonly identity?: readonly string[] | undefined
  /** Where the files are; asks the backend only when called, and once. */
  place(): Promise<ModelPlace>
}

/** The part of a resolved reference that is kept on disk for times without a network. */
export interface KeptModel {
  readonly kind: 'version' | 'logged' | 'files' | 'folder' | 'bundle'
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly runId?: string | undefined
  readonly modelId?: string | undefined
  /** What the registry says the model was made from; for other references the reference itself. */
  readonly source: string
  /** Epoch milliseconds. */
  readonly creationTimestamp?: number | undefined
  readonly identity: readonly string[]
}

/** Finds what a model reference means now. */
export type ResolveModel = (
  uri: string,
  options?: { readonly signal?: AbortSignal | undefined },
) => Promise<ResolvedModel>
