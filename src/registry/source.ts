import { isModelUri, isRunsUri, type ModelRef, parseModelUri, parseRunsUri } from '../core/model-uri.js'
import { NotFoundError } from '../errors.js'
import type { WireModelVersion } from '../transport/protocol.js'
import type { Transport } from '../transport/transport.js'

/** Where a version's files lie, and what made them. */
export interface Source {
  readonly source: string
  readonly runId?: string | undefined
  readonly modelId?: string | undefined
}

interface Backends {
  readonly registry: Transport
  readonly tracking: () => Promise<Transport>
  readonly signal: AbortSignal | undefined
}

/** Reads a model's URI as the source of a new version; `NotFoundError` when it names what is not there. */
export async function sourceOf(modelUri: string, backends: Backends): Promise<Source> {
  if (isRunsUri(modelUri)) return ofRun(modelUri, backends)
  return isModelUri(modelUri) ? ofModel(modelUri, backends) : { source: modelUri }
}

async function ofRun(uri: string, { tracking, signal }: Backends): Promise<Source> {
  const { runId, path } = parseRunsUri(uri)
  const backend = await tracking()
  const { run } = await backend.call('getRun', { run_id: runId }, { signal })
  const { files } = await backend.call('listArtifacts', { run_id: runId, path: path || undefined }, { signal })
  if (files.length > 0) {
    const root = run.info.artifact_uri?.replace(/\/+$/, '') ?? uri
    return { source: path === '' ? root : `${root}/${path}`, runId }
  }
  const logged = []
  for (const { model_id } of run.outputs?.model_outputs ?? [])
    logged.push((await backend.call('getLoggedModel', { model_id }, { signal })).model.info)
  const newest = logged
    .filter(({ name }) => name === path)
    .sort((a, b) => (b.creation_timestamp_ms ?? 0) - (a.creation_timestamp_ms ?? 0))[0]
  if (newest) return { source: `models:/${newest.model_id}`, runId, modelId: newest.model_id }
  const names = logged.map(({ name }) => JSON.stringify(name)).join(', ') || 'none'
  throw new NotFoundError(
    `The run ${runId} has neither artifacts below ${JSON.stringify(path)} nor a logged model of that name; its logged models: ${names}`,
  )
}

async function ofModel(uri: string, backends: Backends): Promise<Source> {
  const ref = parseModelUri(uri)
  if (ref.by === 'id') {
    const call = { signal: backends.signal }
    const { model } = await (await backends.tracking()).call('getLoggedModel', { model_id: ref.modelId }, call)
    return { source: `models:/${ref.modelId}`, modelId: ref.modelId, runId: model.info.source_run_id || undefined }
  }
  const { name, version, run_id, model_id } = await versionOf(ref, backends)
  return { source: `models:/${name}/${version}`, runId: run_id || undefined, modelId: model_id || undefined }
}

async function versionOf(
  ref: Exclude<ModelRef, { by: 'id' }>,
  { registry, signal }: Backends,
): Promise<WireModelVersion> {
  const { name } = ref
  if (ref.by === 'version')
    return (await registry.call('getModelVersion', { name, version: ref.version }, { signal })).model_version
  if (ref.by === 'alias')
    return (await registry.call('getModelVersionByAlias', { name, alias: ref.alias }, { signal })).model_version
  const stages = ref.by === 'stage' ? [ref.stage] : undefined
  const { model_versions } = await registry.call('getLatestVersions', { name, stages }, { signal })
  const newest = [...model_versions].sort((a, b) => Number(b.version) - Number(a.version))[0]
  if (newest) return newest
  throw new NotFoundError(
    `The registered model ${JSON.stringify(name)} has no version${ref.by === 'stage' ? ` in ${ref.stage}` : ''}`,
  )
}
