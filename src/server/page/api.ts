import { byName } from '../../core/filter/by-name.js'

/** What the server refused, in its own words. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
  ) {
    super(message)
  }
}

export interface Pair {
  readonly key: string
  readonly value: string
}
export interface Metric {
  readonly key: string
  readonly value: number | string
  readonly step?: number
  readonly timestamp?: number
}
export interface RunInfo {
  readonly run_id: string
  readonly run_name?: string
  readonly experiment_id: string
  readonly status: string
  readonly start_time?: number
  readonly end_time?: number
  readonly user_id?: string
  readonly artifact_uri?: string
  readonly lifecycle_stage?: string
}
export interface DatasetInput {
  readonly tags?: readonly Pair[]
  readonly dataset: {
    readonly name: string
    readonly digest: string
    readonly source_type?: string
    readonly source?: string
    readonly schema?: string
    readonly profile?: string
  }
}
export interface Run {
  readonly info: RunInfo
  readonly data: {
    readonly metrics?: readonly Metric[]
    readonly params?: readonly Pair[]
    readonly tags?: readonly Pair[]
  }
  readonly inputs?: { readonly dataset_inputs?: readonly DatasetInput[] }
}
export interface Experiment {
  readonly experiment_id: string
  readonly name: string
  readonly artifact_location?: string
  readonly creation_time?: number
  readonly last_update_time?: number
  readonly tags?: readonly Pair[]
}
export interface FileEntry {
  readonly path: string
  readonly is_dir?: boolean
  readonly file_size?: number
}
export interface Version {
  readonly name: string
  readonly version: string
  readonly current_stage?: string
  readonly description?: string
  readonly source?: string
  readonly run_id?: string
  readonly status?: string
  readonly creation_timestamp?: number
  readonly last_updated_timestamp?: number
  readonly tags?: readonly Pair[]
}
export interface Model {
  readonly name: string
  readonly description?: string
  readonly last_updated_timestamp?: number
  readonly creation_timestamp?: number
  readonly latest_versions?: readonly Version[]
  readonly aliases?: readonly { readonly alias: string; readonly version: string }[]
  readonly tags?: readonly Pair[]
}
export interface StageEvent {
  readonly version: string
  readonly timestamp: number
  readonly from?: string
  readonly to: string
  readonly alias?: string
  readonly by?: string
  readonly comment?: string
  readonly rollback: boolean
}
export interface Curve {
  readonly run_id: string
  readonly key: string
  readonly total: number
  readonly from: number
  readonly step: readonly number[]
  readonly time: readonly number[]
  readonly value: readonly (number | string)[]
  /** Why it cannot be drawn. */
  readonly error?: string
}

/** A part of an axis. */
export interface Stretch {
  readonly by: 'step' | 'time'
  readonly from: number
  readonly to: number
}
export interface CurveWanted {
  readonly run_id: string
  readonly key: string
  readonly since?: number
  readonly within?: Stretch
}

/** Told when the server stops answering, and when it does again. */
export const reach = new EventTarget()
let reached = true
function note(now: boolean): void {
  if (now === reached) return
  reached = now
  reach.dispatchEvent(new Event(now ? 'found' : 'lost'))
}

const MLFLOW = '/ajax-api/2.0/mlflow/'

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(path, init).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    note(false)
    throw new ApiError('The server does not answer', 0, 'UNREACHABLE')
  })
  note(true)
  const text = await response.text()
  let body: unknown
  try {
    body = text === '' ? {} : JSON.parse(text)
  } catch {
    body = {}
  }
  if (response.ok) return body as T
  const { message, error_code } = body as { message?: string; error_code?: string }
  throw new ApiError(message ?? (text.slice(0, 300) || response.statusText), response.status, error_code ?? '')
}

const get = <T>(path: string, query: Record<string, string | undefined>, signal?: AbortSignal): Promise<T> => {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return ask<T>(`${path}?${new URLSearchParams(given)}`, signal ? { signal } : {})
}

const send = <T>(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<T> =>
  ask<T>(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })

export interface RunsPage {
  readonly runs?: readonly Run[]
  readonly next_page_token?: string
}

/** Those that are there, or those that were deleted. */
export type View = 'ACTIVE_ONLY' | 'DELETED_ONLY'

export interface RunsAsked {
  readonly experiment_ids: readonly string[]
  readonly filter?: string | undefined
  readonly order_by?: readonly string[] | undefined
  readonly max_results?: number
  readonly page_token?: string | undefined
  readonly run_view_type?: View
}

/** Every question the page asks. */
export const api = {
  about: () => get<{ title: string }>('/cairn/about', {}),
  experiments: (view_type: View, signal?: AbortSignal) =>
    send<{ experiments?: readonly Experiment[] }>(
      'POST',
      `${MLFLOW}experiments/search`,
      { max_results: 5000, order_by: ['last_update_time DESC'], view_type },
      signal,
    ),
  experiment: (experiment_id: string, signal?: AbortSignal) =>
    get<{ experiment: Experiment }>(`${MLFLOW}experiments/get`, { experiment_id }, signal),
  searchRuns: (asked: RunsAsked, signal?: AbortSignal) => send<RunsPage>('POST', `${MLFLOW}runs/search`, asked, signal),
  runs: (run_ids: readonly string[], signal?: AbortSignal) =>
    send<{ runs: readonly Run[] }>('POST', '/cairn/runs', { run_ids }, signal),
  curves: (curves: readonly CurveWanted[], points: number, signal?: AbortSignal) =>
    send<{ curves: readonly Curve[] }>('POST', '/cairn/curves', { curves, points }, signal),
  setTag: (tag: { run_id: string; key: string; value: string }) => send('POST', `${MLFLOW}runs/set-tag`, tag),
  deleteTag: (tag: { run_id: string; key: string }) => send('POST', `${MLFLOW}runs/delete-tag`, tag),
  deleteRun: (run: { run_id: string }) => send('POST', `${MLFLOW}runs/delete`, run),
  restoreRun: (run: { run_id: string }) => send('POST', `${MLFLOW}runs/restore`, run),
  deleteExperiment: (one: { experiment_id: string }) => send('POST', `${MLFLOW}experiments/delete`, one),
  restoreExperiment: (one: { experiment_id: string }) => send('POST', `${MLFLOW}experiments/restore`, one),
  files: (run_id: string, path: string, signal?: AbortSignal) =>
    get<{ files?: readonly FileEntry[] }>(`${MLFLOW}artifacts/list`, { run_id, path: path || undefined }, signal),
  models: (filter: string | undefined, page_token: string | undefined, signal?: AbortSignal) =>
    get<{ registered_models?: readonly Model[]; next_page_token?: string }>(
      `${MLFLOW}registered-models/search`,
      { filter, page_token, max_results: '200' },
      signal,
    ),
  model: (name: string, signal?: AbortSignal) =>
    get<{ registered_model: Model }>(`${MLFLOW}registered-models/get`, { name }, signal),
  versions: (name: string, page_token: string | undefined, signal?: AbortSignal) =>
    get<{ model_versions?: readonly Version[]; next_page_token?: string }>(
      `${MLFLOW}model-versions/search`,
      { filter: byName(name), max_results: '1000', page_token },
      signal,
    ),
  history: (name: string, signal?: AbortSignal) =>
    send<{ events: readonly StageEvent[] }>('POST', '/cairn/history', { name }, signal),
  transition: (asked: {
    name: string
    version: string
    stage: string | { alias: string }
    archiveExisting?: boolean
    comment?: string
  }) => send('POST', '/cairn/transition', asked),
  rollback: (asked: { name: string; stage: string | { alias: string }; comment?: string }) =>
    send<{ version: string }>('POST', '/cairn/rollback', asked),
}

/** Where the bytes of a run's file are. */
export const fileUrl = (run_id: string, path: string): string =>
  `/get-artifact?${new URLSearchParams({ run_id, path })}`

export const record = (pairs: readonly Pair[] | undefined): Record<string, string> =>
  Object.fromEntries((pairs ?? []).map(({ key, value }) => [key, value]))

export const metricsOf = (run: Run): Record<string, number> =>
  Object.fromEntries((run.data.metrics ?? []).map(({ key, value }) => [key, Number(value)]))

export const nameOf = (run: Run): string => run.info.run_name || run.info.run_id.slice(0, 8)
