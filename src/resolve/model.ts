import { checkSource, isLocal, localPath, schemeOf } from '../artifacts/location.js'
import { givenUri, isModelUri, isRunsUri, modelIdOf, parseModelUri, parseRunsUri } from '../core/model-uri.js'
import { InvalidParameterError } from '../errors.js'
import type { ModelPlace, ResolvedModel } from '../models/resolved.js'
import type { WireModelVersion } from '../transport/protocol.js'
import type { Backends, ResolveOptions } from './backends.js'
import { getLoggedModel, loggedModelPlace, placeInRun, placeOf } from './place.js'
import { findVersion } from './version.js'

/**
 * What a model reference means now: `models:/name/3`, `/Production`, `/latest`, `models:/name@alias`, `models:/m-<id>`,
 * `runs:/<id>/<path>`, a folder, a bundle (`.tgz`) or the URI of an artifact store. Never cached: references move. Throws
 * `NotFoundError` for what is not there, `UnsafePathError` for a source that a remote registry has no business to name.
 */
export async function resolveModel(
  backends: Backends,
  uri: string,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  options.signal?.throwIfAborted()
  if (typeof uri !== 'string' || uri === '')
    throw new InvalidParameterError('A model reference is a text, like models:/name/Production or a folder')
  if (isModelUri(uri)) return ofRegistry(backends, uri, options)
  if (isRunsUri(uri)) return ofRun(backends, uri, options)
  if (isLocal(uri)) return ofDisk(uri)
  if (schemeOf(uri) === 'models' || schemeOf(uri) === 'runs')
    throw new InvalidParameterError(`${JSON.stringify(uri)} lacks the slash after the colon: ${schemeOf(uri)}:/…`)
  const place: ModelPlace = { artifactUri: checkSource(uri, true), path: '' }
  return { kind: 'files', source: uri, place: async () => place }
}

async function ofRegistry(backends: Backends, uri: string, options: ResolveOptions): Promise<ResolvedModel> {
  const ref = parseModelUri(uri)
  const ours = givenUri(backends.registry.uri)
  if (ref.registryUri !== undefined && ref.registryUri !== ours)
    throw new InvalidParameterError(
      `${JSON.stringify(uri)} names the registry ${ref.registryUri}, but this client has ${ours}; set it with setRegistryUri`,
    )
  if (ref.by === 'id') {
    // Asked before the cache is: it may be deleted.
    const found = await getLoggedModel(backends, ref.modelId, options)
    return loggedModel(backends, { modelId: ref.modelId, source: uri }, async () => placeOf(backends, found))
  }
  return ofVersion(backends, await findVersion(backends.registry, ref, options), options)
}

const once = (find: () => Promise<ModelPlace>): (() => Promise<ModelPlace>) => {
  let found: Promise<ModelPlace> | undefined
  return () => {
    found ??= find()
    return found
  }
}

function loggedModel(
  backends: Backends,
  { modelId, source }: { readonly modelId: string; readonly source: string },
  place: () => Promise<ModelPlace>,
): ResolvedModel {
  return { kind: 'logged', modelId, source, identity: ['logged', backends.tracking.uri, modelId], place }
}

function ofVersion(backends: Backends, found: WireModelVersion, options: ResolveOptions): ResolvedModel {
  const { name, version, source = '', run_id: runId, creation_timestamp: creationTimestamp } = found
  const { registry } = backends
  return {
    kind: 'version',
    name,
    version,
    runId: runId || undefined,
    modelId: modelIdOf(found),
    source,
    creationTimestamp,
    identity: ['version', registry.uri, name, version, source, String(creationTimestamp ?? '')],
    place: once(async () => {
      const transport = await registry.transport()
      const { artifact_uri: place } = await transport.call('getModelVersionDownloadUri', { name, version }, options)
      return followed(backends, place, options)
    }),
  }
}

/** A place as a registry names it; `models:/m-…` and `runs:/…` are followed to where the files are. */
async function followed(backends: Backends, uri: string, options: ResolveOptions): Promise<ModelPlace> {
  if (isModelUri(uri)) {
    const ref = parseModelUri(uri)
    if (ref.by === 'id') return loggedModelPlace(backends, ref.modelId, options)
    const version = await findVersion(backends.registry, ref, options)
    const { artifact_uri: place } = await (await backends.registry.transport()).call(
      'getModelVersionDownloadUri',
      { name: version.name, version: version.version },
      options,
    )
    if (isModelUri(place) && parseModelUri(place).by !== 'id')
      throw new InvalidParameterError(`The source of ${uri} is ${place}, which leads to yet another version`)
    return followed(backends, place, options)
  }
  if (isRunsUri(uri)) return (await placeInRun(backends, parseRunsUri(uri), options)).place
  return { artifactUri: checkSource(uri, backends.registry.sharesDisk), path: '' }
}

async function ofRun(backends: Backends, uri: string, options: ResolveOptions): Promise<ResolvedModel> {
  const ref = parseRunsUri(uri)
  const { place, modelId, below } = await placeInRun(backends, ref, options)
  if (modelId !== undefined && below === '')
    return { ...loggedModel(backends, { modelId, source: uri }, async () => place), runId: ref.runId }
  return { kind: 'files', runId: ref.runId, source: uri, place: async () => place }
}

function ofDisk(uri: string): ResolvedModel {
  const path = localPath(uri)
  const kind = /\.(?:tgz|tar\.gz)$/i.test(path) ? 'bundle' : 'folder'
  return { kind, source: uri, place: async () => ({ artifactUri: path, path: '' }) }
}
