import { formatModelUri, type ModelRef } from '../core/model-uri.js'
import { IntegrityError, InvalidParameterError, NotFoundError, UnavailableError } from '../errors.js'
import type { WireModelVersion } from '../transport/protocol.js'
import type { Backend, ResolveOptions } from './backends.js'

type VersionRef = Exclude<ModelRef, { readonly by: 'id' }>

/** The version that a reference means now, in one call; `NotFoundError` when there is none, and one that is not ready is refused. */
export async function findVersion(
  registry: Backend,
  ref: VersionRef,
  options: ResolveOptions = {},
): Promise<WireModelVersion> {
  const found = await look(registry, ref, options)
  const uri = formatModelUri(ref)
  if (found.status === 'FAILED_REGISTRATION')
    throw new IntegrityError(
      `${uri} is version ${found.version}, whose registration failed: ${found.status_message ?? 'no reason given'}`,
    )
  if (found.status === 'PENDING_REGISTRATION')
    throw new UnavailableError(`${uri} is version ${found.version}, which is still being registered`)
  return found
}

async function look(registry: Backend, ref: VersionRef, options: ResolveOptions): Promise<WireModelVersion> {
  const { name } = ref
  const transport = await registry.transport()
  if (ref.by === 'version')
    return (await transport.call('getModelVersion', { name, version: ref.version }, options)).model_version
  if (ref.by === 'alias') {
    try {
      return (await transport.call('getModelVersionByAlias', { name, alias: ref.alias }, options)).model_version
    } catch (error) {
      // MLflow answers INVALID_PARAMETER_VALUE when the alias is well formed and nobody has it; of a bad name, too.
      if (!(error instanceof InvalidParameterError && /registered model alias|has no alias/i.test(error.message)))
        throw error
      throw new NotFoundError(`The model ${name} has no alias ${ref.alias}: ${error.message}`, { cause: error })
    }
  }
  const stages = ref.by === 'stage' ? { stages: [ref.stage] } : {}
  const { model_versions: versions } = await transport.call('getLatestVersions', { name, ...stages }, options)
  const newest = versions.reduce<WireModelVersion | undefined>(
    (best, next) => (best && Number(best.version) >= Number(next.version) ? best : next),
    undefined,
  )
  if (newest) return newest
  throw new NotFoundError(
    ref.by === 'stage'
      ? `No version of the model ${name} is in the stage ${ref.stage}`
      : `The model ${name} has no versions`,
  )
}
