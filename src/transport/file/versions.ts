import { join } from 'node:path'
import { createDir } from '../../disk/stage-dir.js'
import { removeFile, writeAtomic } from '../../disk/write.js'
import { textField, writeMeta } from './codec.js'
import type { HandlersOf } from './handlers.js'
import { META, type Store } from './layout.js'
import { changeMetaFile } from './meta-file.js'
import { existingModel } from './model-folder.js'
import { metaOf } from './model-meta.js'
import {
  aliasesOf,
  changing,
  checkTags,
  DELETED_STAGE,
  readAliases,
  readVersion,
  tagsOf,
  touch,
  versionFolder,
  versionNumbers,
  wireVersion,
  writeTags,
} from './registry-files.js'
import { lineageOf } from './sources.js'
import { tellModel } from './tracked.js'
import { deleteTag, setTag } from './values.js'

type Operations =
  | 'createModelVersion'
  | 'getModelVersion'
  | 'updateModelVersion'
  | 'deleteModelVersion'
  | 'getModelVersionDownloadUri'
  | 'setModelVersionTag'
  | 'deleteModelVersionTag'

/** Fills a version out of sight and gives it the first number that nobody has; the rename decides who was first. */
function placeVersion(store: Store, model: string, fill: (dir: string, number: number) => void): number {
  for (;;) {
    const number = (versionNumbers(model).at(-1) ?? 0) + 1
    if (createDir(store.root, versionFolder(model, number), (dir) => fill(dir, number))) return number
  }
}

/** Versions of registered models: created, read, described, tagged, deleted. */
export function modelVersions(store: Store): HandlersOf<Operations> {
  const shown = (name: string, version: string | number) => ({
    model_version: wireVersion(name, readVersion(store, name, version), readAliases(existingModel(store, name))),
  })

  return {
    async createModelVersion(input) {
      const { name, tags, run_link: runLink, description } = input
      metaOf(store, existingModel(store, name))
      const checked = checkTags(tags)
      const { source, storage, runId, modelId } = await lineageOf(store, input)
      const now = store.now()
      const meta = (version: number) => ({
        creation_timestamp: now,
        current_stage: 'None',
        description: description ?? null,
        last_updated_timestamp: now,
        model_id: modelId ?? null,
        name,
        run_id: runId ?? null,
        run_link: runLink ?? null,
        source,
        status: 'READY',
        status_message: null,
        storage_location: storage,
        user_id: null,
        version,
      })
      const number = changing(store, () => {
        const dir = existingModel(store, name)
        const placed = placeVersion(store, dir, (staged, version) => {
          writeAtomic(join(staged, META), writeMeta(meta(version)))
          writeTags(staged, checked)
        })
        touch(dir, name, now)
        return placed
      })
      if (modelId !== undefined) await tellModel(store, modelId, name, number)
      return shown(name, number)
    },

    async getModelVersion({ name, version }) {
      return shown(name, version)
    },

    async updateModelVersion({ name, version, description }) {
      changing(store, () => {
        const { dir } = readVersion(store, name, version)
        changeMetaFile(dir, { name, description: description ?? null, last_updated_timestamp: store.now() })
      })
      return shown(name, version)
    },

    async deleteModelVersion({ name, version }) {
      changing(store, () => {
        const { dir, number } = readVersion(store, name, version)
        const model = existingModel(store, name)
        const now = store.now()
        changeMetaFile(dir, { name, current_stage: DELETED_STAGE, last_updated_timestamp: now })
        for (const { alias, version: to } of readAliases(model))
          if (to === String(number)) removeFile(join(aliasesOf(model), alias))
        touch(model, name, now)
      })
      return {}
    },

    async getModelVersionDownloadUri({ name, version }) {
      const { meta } = readVersion(store, name, version)
      return { artifact_uri: textField(meta, 'storage_location') || textField(meta, 'source') || '' }
    },

    async setModelVersionTag({ name, version, key, value }) {
      checkTags([{ key, value }])
      changing(store, () => {
        const { dir } = readVersion(store, name, version)
        setTag(dir, tagsOf(dir), key, value)
        touch(existingModel(store, name), name, store.now())
      })
      return {}
    },

    async deleteModelVersionTag({ name, version, key }) {
      changing(store, () => {
        const { dir } = readVersion(store, name, version)
        if (deleteTag(tagsOf(dir), key)) touch(existingModel(store, name), name, store.now())
      })
      return {}
    },
  }
}
