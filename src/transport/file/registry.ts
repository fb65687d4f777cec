import { aliases } from './aliases.js'
import type { Store } from './layout.js'
import { registeredModels } from './registered-models.js'
import { registrySearch } from './registry-search.js'
import { stages } from './stages.js'
import { modelVersions } from './versions.js'

/** The model registry on disk, as MLflow's own file store keeps it: every operation on registered models and versions. */
export const registry = (store: Store) => ({
  ...registeredModels(store),
  ...modelVersions(store),
  ...stages(store),
  ...aliases(store),
  ...registrySearch(store),
})
