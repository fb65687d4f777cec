/** An experiment: a named place for runs. Times are epoch milliseconds. */
export interface Experiment {
  readonly experimentId: string
  readonly name: string
  readonly artifactLocation: string | undefined
  readonly lifecycleStage: string
  readonly creationTime: number | undefined
  readonly lastUpdateTime: number | undefined
  readonly tags: Readonly<Record<string, string>>
}

/** How a run stands or how it ended. */
export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED'
/** Which lifecycle a search looks at. */
export type ViewType = 'ACTIVE_ONLY' | 'DELETED_ONLY' | 'ALL'
/** A step: a whole number; past 2^53 a bigint, so that nothing is rounded. */
export type Step = number | bigint
/** When a point was measured: epoch milliseconds; past 2^53, where another client logged nanoseconds, a bigint. */
export type Timestamp = number | bigint

/** What a run is, apart from what was logged to it; times are epoch milliseconds. */
export interface RunInfo {
  readonly runId: string
  readonly runName: string | undefined
  readonly experimentId: string
  readonly status: RunStatus
  /** Epoch milliseconds. */
  readonly startTime: number | undefined
  /** Epoch milliseconds; absent while the run goes on. */
  readonly endTime: number | undefined
  readonly artifactUri: string | undefined
  readonly lifecycleStage: string
  readonly userId: string | undefined
}

/** One point of a metric. */
export interface Metric {
  readonly key: string
  readonly value: number
  /** Epoch milliseconds. */
  readonly timestamp: Timestamp
  readonly step: Step
}

/** What a run was trained or judged on. `source`, `schema` and `profile` are JSON text. */
export interface Dataset {
  readonly name: string
  readonly digest: string
  readonly sourceType: string
  readonly source: string
  readonly schema?: string | undefined
  readonly profile?: string | undefined
}

/** A dataset that went into a run, and what it was there for (`mlflow.data.context`). */
export interface DatasetInput {
  readonly dataset: Dataset
  readonly tags: Readonly<Record<string, string>>
}

/** A logged model that came out of a run, and at which step. */
export interface ModelOutput {
  readonly modelId: string
  readonly step: Step
}

/** A run as it stands: metrics are the latest value of each key (greatest step, then time, then value). */
export interface RunData {
  readonly info: RunInfo
  readonly data: {
    readonly params: Readonly<Record<string, string>>
    readonly metrics: Readonly<Record<string, number>>
    readonly tags: Readonly<Record<string, string>>
  }
  readonly inputs?:
    | { readonly datasetInputs: readonly DatasetInput[]; readonly modelInputs: readonly { readonly modelId: string }[] }
    | undefined
  readonly outputs?: { readonly modelOutputs: readonly ModelOutput[] } | undefined
}

/** A model logged by MLflow 3's way: it lives beside runs and has an id of its own, `m-…`. Times are epoch milliseconds. */
export interface LoggedModelInfo {
  readonly modelId: string
  readonly experimentId: string
  readonly name: string
  readonly status: 'PENDING' | 'READY' | 'UPLOAD_FAILED' | 'UNSPECIFIED'
  readonly modelType: string | undefined
  /** The run that logged it. */
  readonly sourceRunId: string | undefined
  /** Where its files lie. */
  readonly artifactUri: string | undefined
  readonly creationTimestamp: number | undefined
  readonly lastUpdatedTimestamp: number | undefined
  readonly tags: Readonly<Record<string, string>>
  readonly params: Readonly<Record<string, string>>
  /** Points of its metrics, and the runs that logged them. */
  readonly metrics: readonly (Metric & { readonly runId?: string | undefined })[]
}

/** One version of a registered model; `version` is a string of digits, times are epoch milliseconds. */
export interface ModelVersion {
  readonly name: string
  readonly version: string
  readonly currentStage: string
  readonly description: string | undefined
  readonly source: string | undefined
  readonly runId: string | undefined
  readonly runLink: string | undefined
  readonly modelId: string | undefined
  readonly status: string
  readonly statusMessage: string | undefined
  readonly userId: string | undefined
  readonly creationTimestamp: number | undefined
  readonly lastUpdatedTimestamp: number | undefined
  readonly tags: Readonly<Record<string, string>>
  readonly aliases: readonly string[]
}

/** A name in the registry, its aliases and the latest version in each stage. */
export interface RegisteredModel {
  readonly name: string
  readonly description: string | undefined
  readonly creationTimestamp: number | undefined
  readonly lastUpdatedTimestamp: number | undefined
  /** The newest version of each stage. */
  readonly latestVersions: readonly ModelVersion[]
  readonly tags: Readonly<Record<string, string>>
  /** Alias → version. */
  readonly aliases: Readonly<Record<string, string>>
}

/** One entry of a listing of artifacts. */
export interface FileInfo {
  /** From the place that was listed from — a run's artifacts, a model — with `/` between names. */
  readonly path: string
  readonly isDir: boolean
  /** Bytes; absent for directories. */
  readonly fileSize: number | undefined
}

/** How far a long transfer of files is. */
export interface Progress {
  /** Bytes of all files so far. */
  readonly loaded: number
  /** Bytes of all files; absent where a store does not say how large they are. */
  readonly total?: number | undefined
  /** The file that the last bytes were of. */
  readonly file?: string | undefined
}
