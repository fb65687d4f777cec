import { checkStage } from '../../core/names.js'
import { InvalidParameterError } from '../../errors.js'
import type { HandlersOf } from './handlers.js'
import type { Store } from './layout.js'
import { changeMetaFile } from './meta-file.js'
import { existingModel } from './model-folder.js'
import {
  changing,
  latestOf,
  readAliases,
  readVersion,
  readVersions,
  stageOf,
  touch,
  wireVersion,
} from './registry-files.js'

const ACTIVE: readonly string[] = ['Staging', 'Production']

/** Stages: a version's move, and the newest version of each. */
export function stages(store: Store): HandlersOf<'transitionModelVersionStage' | 'getLatestVersions'> {
  return {
    async transitionModelVersionStage({ name, version, stage: given, archive_existing_versions: archive }) {
      const stage = checkStage(given)
      if (archive && !ACTIVE.includes(stage))
        throw new InvalidParameterError(
          `Existing versions cannot be archived by a move to ${stage}: only ${ACTIVE.join(' and ')} allow it; leave archive_existing_versions out`,
        )
      changing(store, () => {
        const { dir, number } = readVersion(store, name, version)
        const model = existingModel(store, name)
        const now = store.now()
        // The newcomer first: killed in between, the stage has two holders and the newest counts, never none.
        changeMetaFile(dir, { name, current_stage: stage, last_updated_timestamp: now })
        for (const other of archive ? readVersions(store, model) : [])
          if (other.number !== number && stageOf(other.meta) === stage)
            changeMetaFile(other.dir, { name, current_stage: 'Archived', last_updated_timestamp: now })
        touch(model, name, now)
      })
      const moved = readVersion(store, name, version)
      return { model_version: wireVersion(name, moved, readAliases(existingModel(store, name))) }
    },

    async getLatestVersions({ name, stages: wanted }) {
      const model = existingModel(store, name)
      const aliases = readAliases(model)
      const latest = latestOf(readVersions(store, model), wanted)
      return { model_versions: latest.map((version) => wireVersion(name, version, aliases)) }
    },
  }
}
