// A stranger's TypeScript, checked strictly against the packed types.
import {
  type ApproveOptions,
  type ArtifactOptions,
  type BatchOptions,
  type BufferOptions,
  CairnError,
  type CairnErrorOptions,
  type CallOptions,
  type Client,
  type ClientOptions,
  type CodeOptions,
  type CreateExperimentOptions,
  type CreateModelVersionOptions,
  type CreateRegisteredModelOptions,
  type CreateRunOptions,
  createClient,
  type DatasetOptions,
  type DownloadOptions,
  getMetricHistory,
  type ImageInput,
  type ImageStep,
  type InputOptions,
  type LoadModelOptions,
  type LogBatchInput,
  type LogModelOptions,
  type ModelOptions,
  type PointOptions,
  type PruneOptions,
  type RegisterModelOptions,
  type RollbackOptions,
  type Run,
  type RunData,
  type SearchExperimentsOptions,
  type SearchLoggedModelsOptions,
  type SearchModelVersionsOptions,
  type SearchRegisteredModelsOptions,
  type SearchRunsOptions,
  type Signature,
  type SpoolDeliveryOptions,
  type StartRunOptions,
  type SyncOptions,
  searchRuns,
  startRun,
  type TransferOptions,
  type TransitionOptions,
  type UpdateRegisteredModelOptions,
  type UpdateRunOptions,
} from 'cairn-ml'
import type { ServerOptions } from 'cairn-ml/server'
import type { Fault, TestServerOptions } from 'cairn-ml/testing'

async function train(run: Run): Promise<number> {
  run.logParam('rate', 0.1)
  run.logMetrics({ loss: 0.5, accuracy: 0.9 }, { step: 1 })
  await run.flush({ timeoutMs: 1000 })
  return run.stats().queued
}

export async function main(): Promise<string[]> {
  const queued: number = await startRun({ runName: 'typed', tags: { team: 'growth' } }, train)
  const client: Client = createClient({ trackingUri: './mlruns' })
  await client.close()
  const found: RunData[] = await searchRuns({
    filter: 'metrics.loss < 1',
    orderBy: ['metrics.loss ASC'],
    maxResults: 5,
  })
  try {
    const [first] = await getMetricHistory(found[0]?.info.runId ?? '', 'loss')
    const value: number | undefined = first?.value
    return [String(queued), String(value)]
  } catch (error) {
    if (error instanceof CairnError) return [error.code]
    throw error
  }
}

// @ts-expect-error a number is no run name
void startRun({ runName: 5 })

/** The options of a type that may be left out, yet not be `undefined` under `exactOptionalPropertyTypes`. */
type Exact<T> = T extends unknown
  ? {
      [K in keyof T]-?: object extends Pick<T, K> ? ({ [P in K]: undefined } extends Pick<T, K> ? never : K) : never
    }[keyof T]
  : never
type Given =
  | (ApproveOptions | ArtifactOptions | BatchOptions | BufferOptions | CairnErrorOptions | CallOptions | ClientOptions)
  | (
      | CodeOptions
      | CreateExperimentOptions
      | CreateModelVersionOptions
      | CreateRegisteredModelOptions
      | CreateRunOptions
    )
  | (DatasetOptions | DownloadOptions | Fault | Exclude<ImageInput, Uint8Array> | ImageStep | InputOptions)
  | (LoadModelOptions | LogBatchInput | LogModelOptions | ModelOptions | PointOptions | PruneOptions)
  | (RegisterModelOptions | RollbackOptions | SearchExperimentsOptions | SearchLoggedModelsOptions)
  | (SearchModelVersionsOptions | SearchRegisteredModelsOptions | SearchRunsOptions | ServerOptions | Signature)
  | (SpoolDeliveryOptions | StartRunOptions | SyncOptions | TestServerOptions | TransferOptions | TransitionOptions)
  | (UpdateRegisteredModelOptions | UpdateRunOptions)
export const noneIsExact: [Exact<Given>] extends [never] ? true : Exact<Given> = true
