import { type Approvals, approvals } from './approvals.js'
import type { RegistryDeps } from './deps.js'
import { type RegisteredModels, registeredModels } from './models.js'
import { type Stages, stages } from './stages.js'
import { type ModelVersions, modelVersions } from './versions.js'

/** Every verb of the registry. */
export type Registry = RegisteredModels & ModelVersions & Stages & Approvals

/** The registry's verbs, over transports that are made when the first of them is called. */
export function registry(deps: RegistryDeps): Registry {
  const versions = modelVersions(deps)
  return { ...registeredModels(deps.transport), ...versions, ...approvals(deps, versions), ...stages(deps, versions) }
}
