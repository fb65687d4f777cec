import { aliasFacts } from './registry/aliases.js'
import type { ContractOptions, Make } from './registry/facts.js'
import { loggedModelSearchFacts } from './registry/logged-model-search.js'
import { loggedModelFacts } from './registry/logged-models.js'
import { registeredModelFacts } from './registry/models.js'
import { registrySearchFacts } from './registry/search.js'
import { sourceFacts } from './registry/sources.js'
import { stageFacts } from './registry/stages.js'
import { versionFacts } from './registry/versions.js'

export type { ContractOptions, Made, Make } from './registry/facts.js'

/** Registered models, versions, stages, aliases, tags: what every backend with MLflow's registry does. */
export function registryContract(make: Make, options: ContractOptions = {}): void {
  registeredModelFacts(make, options)
  versionFacts(make, options)
  sourceFacts(make, options)
  stageFacts(make, options)
  aliasFacts(make, options)
  registrySearchFacts(make, options)
}

/** Logged models: what every backend from MLflow 3 on does. */
export function loggedModelContract(make: Make, options: ContractOptions = {}): void {
  loggedModelFacts(make, options)
  loggedModelSearchFacts(make, options)
}
