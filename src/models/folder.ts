import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { download } from '../artifacts/download.js'
import { joinPath } from '../artifacts/paths.js'
import type { ArtifactStore, OpenArtifacts } from '../artifacts/store.js'
import type { Progress } from '../core/entities.js'
import { isModelUri, parseModelUri } from '../core/model-uri.js'
import { writeYaml, YAML_LIMIT } from '../core/yaml.js'
import { factsBehind, saveFile, sha256Of } from '../disk/files.js'
import { IntegrityError, InvalidParameterError, isRetryable, NotFoundError } from '../errors.js'
import type { ModelCache } from './cache.js'
import type { KeptModel, ModelPlace, ResolvedModel, ResolveModel } from './resolved.js'
import { readBundle } from './unpack.js'

/** What fetching models needs of those around it. */
export interface FolderDeps {
  readonly resolve: ResolveModel
  readonly openArtifacts: OpenArtifacts
  readonly cache: ModelCache
  /** What references are relative to: the tracking and the registry URI. */
  readonly scope: readonly string[]
  readonly warn?: ((message: string) => void) | undefined
}

export interface FolderOptions {
  /** `never` asks the registry (default); `fallback` takes what it said last when it can't be reached; `only` never asks. */
  readonly offline?: 'never' | 'fallback' | 'only' | undefined
  /** What of a cached model is hashed again: what moved (`changed`, default), or all (`always`). */
  readonly verify?: 'changed' | 'always' | undefined
  readonly signal?: AbortSignal | undefined
  /** Hears how far the bytes are. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** Looks at the text of a model's MLmodel before anything else of it is fetched, and throws when the rest is of no use. */
export type AcceptModel = (mlmodel: string, uri: string) => void

/** A model's files on this machine. */
export interface ModelFolder {
  readonly dir: string
  readonly model: Omit<KeptModel, 'identity'>
  /** Whether a moving reference was taken from memory, since its registry was not asked. */
  readonly stale: boolean
}

const MLMODEL_LIMIT = 4 * YAML_LIMIT
/** Python's name for the file that says which version a downloaded model is. */
export const REGISTERED_META = 'registered_model_meta'

/**
 * The folder of the model that a reference means: as it is where it lies on this disk, else from the cache, filled when need be
 * (`accept` may refuse it by its MLmodel before the rest is fetched).
 */
export async function modelFolder(
  deps: FolderDeps,
  uri: string,
  options: FolderOptions = {},
  accept: AcceptModel = () => {},
): Promise<ModelFolder> {
  const { offline = 'never', verify = 'changed' } = options
  if (!['never', 'fallback', 'only'].includes(offline))
    throw new InvalidParameterError(`offline is "never", "fallback" or "only", not ${JSON.stringify(offline)}`)
  if (!['changed', 'always'].includes(verify))
    throw new InvalidParameterError(`verify is "changed" or "always", not ${JSON.stringify(verify)}`)
  if (offline === 'only') return (await remembered(deps, uri, options, 'offline is "only"')) ?? neverSeen(deps, uri)
  try {
    const model = await deps.resolve(uri, { signal: options.signal })
    return { dir: await fetched(deps, { uri, model, options, accept }), model, stale: false }
  } catch (error) {
    if (offline !== 'fallback' || !isRetryable(error)) throw error
    const found = await remembered(deps, uri, options, (error as Error).message)
    if (!found) throw error
    deps.warn?.(
      `${uri} is served from the cache as it was last known, for its backend cannot be reached: ${(error as Error).message}`,
    )
    return found
  }
}

function neverSeen(deps: FolderDeps, uri: string): never {
  throw new NotFoundError(
    `${uri} was never loaded into the cache ${deps.cache.dir}; load it once with a network, or pack it with packModel`,
  )
}

const isMoving = (uri: string): boolean => isModelUri(uri) && !['version', 'id'].includes(parseModelUri(uri).by)

async function remembered(
  deps: FolderDeps,
  uri: string,
  options: FolderOptions,
  why: string,
): Promise<ModelFolder | undefined> {
  const model = (await deps.cache.recall([...deps.scope, uri])) as KeptModel | undefined
  if (!model) {
    // What lies on this disk was never fetched: nothing is asked but the file system.
    const local = await localOnly(deps, uri)
    return local ? { dir: await onDisk(deps, local, options), model: local, stale: false } : undefined
  }
  const { verify, signal } = options
  const dir = await deps.cache.cached(keyOf(model, model.identity), async () => {}, { verify, signal, offline: why })
  return { dir, model, stale: isMoving(uri) }
}

async function localOnly(deps: FolderDeps, uri: string): Promise<ResolvedModel | undefined> {
  if (/^(?:models|runs):/.test(uri)) return undefined
  const model = await deps.resolve(uri)
  return model.kind === 'folder' || model.kind === 'bundle' ? model : undefined
}

interface Fetching {
  readonly uri: string
  readonly model: ResolvedModel
  readonly options: FolderOptions
  readonly accept: AcceptModel
}

async function fetched(deps: FolderDeps, fetching: Fetching): Promise<string> {
  const { uri, model, options } = fetching
  if (model.kind === 'folder' || model.kind === 'bundle') return onDisk(deps, model, options)
  const { signal, verify } = options
  const identity = model.identity ?? (await identityByText(deps, await model.place(), uri, signal))
  const fill = (to: string, shared: AbortSignal) => fetchInto(deps, fetching, to, shared)
  const dir = await deps.cache.cached(keyOf(model, identity), fill, { verify, signal })
  const { kind, name, version, runId, modelId, source, creationTimestamp } = model
  const kept: KeptModel = { kind, name, version, runId, modelId, source, creationTimestamp, identity }
  await deps.cache.remember([...deps.scope, uri], kept)
  return dir
}

async function fetchInto(deps: FolderDeps, fetching: Fetching, to: string, signal: AbortSignal): Promise<void> {
  const { uri, model, options, accept } = fetching
  const place = await model.place()
  const store = await deps.openArtifacts(place.artifactUri)
  accept(await mlModelText(store, place, uri, signal), uri)
  await download(store, place.path, to, { signal, onProgress: options.onProgress })
  const { name, version } = model
  if (name !== undefined)
    await saveFile(join(to, REGISTERED_META), writeYaml({ model_name: name, model_version: version }))
}

function keyOf(model: Omit<KeptModel, 'identity'>, identity: readonly string[]) {
  const { name, version, modelId, runId, kind } = model
  return { name: name ?? modelId ?? runId ?? kind, label: version ?? kind, parts: identity }
}

/** Files whose reference is no identity (they may be written anew) are told apart by the text of their MLmodel, which holds its time. */
async function identityByText(
  deps: FolderDeps,
  place: ModelPlace,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const text = await mlModelText(await deps.openArtifacts(place.artifactUri), place, uri, signal)
  return ['files', place.artifactUri, place.path, createHash('sha256').update(text).digest('hex')]
}

async function mlModelText(
  store: ArtifactStore,
  { artifactUri, path }: ModelPlace,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    const stream = await store.read(joinPath(path, 'MLmodel'), { signal })
    for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength
      if (size > MLMODEL_LIMIT) throw new IntegrityError(`The MLmodel of ${uri} has over ${MLMODEL_LIMIT} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    throw new NotFoundError(`${uri} leads to ${joinPath(artifactUri, path)}, where there is no model (no MLmodel)`, {
      cause: error,
    })
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function onDisk(deps: FolderDeps, model: ResolvedModel, options: FolderOptions): Promise<string> {
  const { artifactUri: path } = await model.place()
  const facts = await factsBehind(path)
  if (!facts) throw new NotFoundError(`There is no model at ${path}`)
  if (model.kind === 'folder') {
    if (facts.kind !== 'directory')
      throw new InvalidParameterError(`${path} is neither a model's folder nor a bundle (.tgz)`)
    return path
  }
  const { signal, verify } = options
  const key = { name: basename(path), label: 'bundle', parts: ['bundle', await sha256Of(path)] }
  return deps.cache.cached(key, (to, shared) => readBundle(path, to, { signal: shared }), { verify, signal })
}
