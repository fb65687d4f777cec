import { join } from 'node:path'
import { checkAlias } from '../../core/names.js'
import { readText, removeFile, writeAtomic } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import type { HandlersOf } from './handlers.js'
import type { Store } from './layout.js'
import { existingModel } from './model-folder.js'
import { metaOf } from './model-meta.js'
import {
  aliasesOf,
  changing,
  latestOf,
  readAliases,
  readVersion,
  readVersions,
  touch,
  wireVersion,
} from './registry-files.js'

type Operations = 'setRegisteredModelAlias' | 'deleteRegisteredModelAlias' | 'getModelVersionByAlias'

/** The number an alias stands for; `latest` means the newest version. Throws as MLflow does: an absent alias is bad input. */
export function versionOfAlias(store: Store, name: string, alias: string): string {
  const model = existingModel(store, name)
  if (alias.toLowerCase() === 'latest') {
    const newest = Math.max(0, ...latestOf(readVersions(store, model)).map(({ number }) => number))
    if (newest === 0) throw new NotFoundError(`The registered model ${JSON.stringify(name)} has no version`)
    return String(newest)
  }
  const version = readText(join(aliasesOf(model), checkAlias(alias)))
  if (version === undefined)
    throw new InvalidParameterError(
      `The registered model ${JSON.stringify(name)} has no alias ${JSON.stringify(alias)}; it has ${
        readAliases(model)
          .map((one) => one.alias)
          .join(', ') || 'none'
      }`,
    )
  return version.trim()
}

/** Aliases: files in the model's folder, each holding the number it stands for. */
export function aliases(store: Store): HandlersOf<Operations> {
  return {
    async setRegisteredModelAlias({ name, alias, version }) {
      checkAlias(alias)
      changing(store, () => {
        const model = existingModel(store, name)
        metaOf(store, model)
        const { number } = readVersion(store, name, version)
        writeAtomic(join(aliasesOf(model), alias), String(number), { temp: model })
        touch(model, name, store.now())
      })
      return {}
    },

    async deleteRegisteredModelAlias({ name, alias }) {
      checkAlias(alias)
      changing(store, () => {
        const model = existingModel(store, name)
        if (removeFile(join(aliasesOf(model), alias))) touch(model, name, store.now())
      })
      return {}
    },

    async getModelVersionByAlias({ name, alias }) {
      const version = versionOfAlias(store, name, alias)
      return {
        model_version: wireVersion(name, readVersion(store, name, version), readAliases(existingModel(store, name))),
      }
    },
  }
}
