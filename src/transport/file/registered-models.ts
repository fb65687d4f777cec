import { join } from 'node:path'
import { createDir, STAGING } from '../../disk/stage-dir.js'
import { exists, freshPath, move, removeDir, writeAtomic } from '../../disk/write.js'
import { AlreadyExistsError, CairnError } from '../../errors.js'
import { writeMeta } from './codec.js'
import type { HandlersOf } from './handlers.js'
import { META, type Store } from './layout.js'
import { changeMetaFile } from './meta-file.js'
import { checkModelFolder, existingModel, modelFolder } from './model-folder.js'
import { metaOf } from './model-meta.js'
import {
  changing,
  checkTags,
  tagsOf,
  touch,
  versionFolder,
  versionNumbers,
  wireModel,
  writeTags,
} from './registry-files.js'
import { deleteTag, setTag } from './values.js'

type Operations =
  | 'createRegisteredModel'
  | 'getRegisteredModel'
  | 'renameRegisteredModel'
  | 'updateRegisteredModel'
  | 'deleteRegisteredModel'
  | 'setRegisteredModelTag'
  | 'deleteRegisteredModelTag'

const taken = (name: string): never => {
  throw new AlreadyExistsError(`A registered model ${JSON.stringify(name)} exists already`)
}

/** Gives the folder and all in it the new name. Readers go by the folder's name, so a cut here leaves nothing unreadable. */
function rename(store: Store, name: string, newName: string): string {
  const dir = existingModel(store, name)
  metaOf(store, dir)
  const target = modelFolder(store, newName)
  if (exists(target)) return taken(newName)
  move(dir, target)
  const changes = { name: newName, last_updated_timestamp: store.now() }
  changeMetaFile(target, changes)
  for (const number of versionNumbers(target)) changeIfReadable(versionFolder(target, number), changes)
  return target
}

function changeIfReadable(dir: string, changes: Readonly<Record<string, unknown>>): void {
  try {
    changeMetaFile(dir, changes)
  } catch (error) {
    // What cannot be read has no name to be set right.
    if (!(error instanceof CairnError)) throw error
  }
}

/** Registered models: created, read, renamed, described, tagged, deleted. */
export function registeredModels(store: Store): HandlersOf<Operations> {
  const shown = (name: string) => {
    const dir = existingModel(store, name)
    return { registered_model: wireModel(store, name, dir) }
  }

  return {
    async createRegisteredModel({ name, tags, description }) {
      const dir = modelFolder(store, name)
      const checked = checkTags(tags)
      const now = store.now()
      const meta = {
        name,
        creation_timestamp: now,
        last_updated_timestamp: now,
        description: description ?? null,
      }
      const fill = (staged: string): void => {
        writeAtomic(join(staged, META), writeMeta(meta))
        writeTags(staged, checked)
      }
      if (exists(dir) || !createDir(store.root, dir, fill)) return taken(name)
      return shown(name)
    },

    async getRegisteredModel({ name }) {
      return shown(name)
    },

    async renameRegisteredModel({ name, new_name: newName }) {
      checkModelFolder(newName)
      changing(store, () => rename(store, name, newName))
      return shown(newName)
    },

    async updateRegisteredModel({ name, description }) {
      changing(store, () =>
        changeMetaFile(existingModel(store, name), {
          name,
          description: description ?? null,
          last_updated_timestamp: store.now(),
        }),
      )
      return shown(name)
    },

    async deleteRegisteredModel({ name }) {
      const aside = freshPath(join(store.root, STAGING))
      changing(store, () => move(existingModel(store, name), aside))
      removeDir(aside)
      return {}
    },

    async setRegisteredModelTag({ name, key, value }) {
      checkTags([{ key, value }])
      changing(store, () => {
        const dir = existingModel(store, name)
        metaOf(store, dir)
        setTag(dir, tagsOf(dir), key, value)
        touch(dir, name, store.now())
      })
      return {}
    },

    async deleteRegisteredModelTag({ name, key }) {
      changing(store, () => {
        const dir = existingModel(store, name)
        if (deleteTag(tagsOf(dir), key)) touch(dir, name, store.now())
      })
      return {}
    },
  }
}
