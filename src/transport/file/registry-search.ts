import { join } from 'node:path'
import { matches, type Subject } from '../../core/filter/matches.js'
import { parseFilter, withoutPrompts } from '../../core/filter/parse.js'
import { parseOrderBy, sortBy } from '../../core/order.js'
import { page, pageSize } from '../../core/page.js'
import { listDirs } from '../../disk/walk.js'
import { type Meta, numberField, textField } from './codec.js'
import type { HandlersOf } from './handlers.js'
import { registryDir, type Store } from './layout.js'
import { metaIfReadable } from './model-meta.js'
import { readAliases, readVersions, tagsOf, type VersionOnDisk, wireModel, wireVersion } from './registry-files.js'
import { readValue } from './values.js'

interface ModelOnDisk {
  readonly name: string
  readonly dir: string
}

/** The folders of the registry, whether or not they can be read; links to folders count, as for MLflow. */
const modelFolders = (store: Store): ModelOnDisk[] =>
  listDirs(registryDir(store), { links: true }).map((name) => ({ name, dir: join(registryDir(store), name) }))

/** A subject that reads a tag only when asked for it. */
const subject = (dir: string, attribute: Subject['attribute']): Subject => ({
  attribute,
  metric: () => undefined,
  param: () => undefined,
  tag: (key) => readValue(tagsOf(dir), key),
  datasets: () => [],
})

const modelSubject = ({ name, dir, meta }: ModelOnDisk & { meta: Meta }): Subject =>
  subject(dir, (key) => (key === 'name' ? name : numberField(meta, key)))

type FoundVersion = VersionOnDisk & { readonly name: string; readonly model: string }

const versionSubject = ({ name, number, dir, meta }: FoundVersion): Subject =>
  subject(dir, (key) => {
    if (key === 'name') return name
    if (key === 'version_number') return number
    if (key === 'source_path') return textField(meta, 'source')
    return key === 'run_id' ? textField(meta, key) : numberField(meta, key)
  })

/** The searches of the registry. The filter is read before the disk; tags are read only where it asks, wholes for the page. */
export function registrySearch(store: Store): HandlersOf<'searchRegisteredModels' | 'searchModelVersions'> {
  return {
    async searchRegisteredModels({ filter, order_by: terms, max_results: most, page_token: token }) {
      const fits = matches(withoutPrompts(parseFilter(filter, 'registeredModels')))
      const order = parseOrderBy(terms, 'registeredModels')
      const size = pageSize('registeredModels', most)
      const found = modelFolders(store).flatMap((model) => {
        const meta = metaIfReadable(store, model.dir)
        const whole = meta && { ...model, meta }
        return whole && fits(modelSubject(whole)) ? [whole] : []
      })
      const { items, ...rest } = page(sortBy(found, modelSubject, order), size, token)
      return { registered_models: items.map(({ name, dir }) => wireModel(store, name, dir)), ...rest }
    },

    async searchModelVersions({ filter, order_by: terms, max_results: most, page_token: token }) {
      const clauses = withoutPrompts(parseFilter(filter, 'modelVersions'))
      const order = parseOrderBy(terms, 'modelVersions')
      const size = pageSize('modelVersions', most)
      const fits = matches(clauses)
      // Most searches are for one model's versions: the others' folders need not be opened.
      const named = matches(clauses.filter(({ entity, key }) => entity === 'attribute' && key === 'name'))
      const found = modelFolders(store)
        .filter(({ name, dir }) => named(subject(dir, () => name)))
        .flatMap(({ name, dir: model }) => readVersions(store, model).map((version) => ({ ...version, name, model })))
        .filter((version) => fits(versionSubject(version)))
      const { items, ...rest } = page(sortBy(found, versionSubject, order), size, token)
      const known = new Map<string, ReturnType<typeof readAliases>>()
      const aliasesOf = (model: string) => {
        const aliases = known.get(model) ?? readAliases(model)
        known.set(model, aliases)
        return aliases
      }
      const versions = items.map((version) => wireVersion(version.name, version, aliasesOf(version.model)))
      return { model_versions: versions, ...rest }
    },
  }
}
