import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkRelativePath } from '../../core/relative-path.js'
import type { ModelInput, ModelOutput } from '../../core/tensor.js'
import { copyNew, makeDirs } from '../../disk/files.js'
import { sizeInside } from '../../disk/inside.js'
import { tree } from '../../disk/tree.js'
import { IntegrityError, InvalidParameterError, NotFoundError, PermissionDeniedError } from '../../errors.js'
import type { Flavor } from '../flavor.js'
import { lifetime } from '../lifetime.js'

/** What `node` saves: a folder, and the module in it that brings the model to life. */
export interface NodeModel {
  /** The folder; all files in it are packaged, `node_modules` too if it is there. */
  readonly dir: string
  /** Path of the module below `dir`; it exports `load(dir)`, which answers `{ predict, dispose? }`. */
  readonly module: string
}

/** What a module's `load(dir)` answers. */
export interface NodePredictor {
  predict(input: ModelInput): ModelOutput | Promise<ModelOutput>
  dispose?(): void | Promise<void>
}

const FOLDER = 'data'
type Exports = Readonly<Record<string, unknown>>

const isModel = (model: unknown): model is NodeModel =>
  typeof model === 'object' &&
  model !== null &&
  'dir' in model &&
  typeof model.dir === 'string' &&
  'module' in model &&
  typeof model.module === 'string'

function loaderOf(exports: Exports, where: string): (dir: string) => unknown {
  // A CommonJS module's exports may stand under `default` alone.
  const load = exports.load ?? (exports.default as Exports | undefined)?.load
  if (typeof load === 'function') return load as (dir: string) => unknown
  throw new IntegrityError(`${where} exports no function "load"; it must answer { predict, dispose? }`)
}

/**
 * Models that are code of the user's own: a folder and a module in it. Loading one runs that module, so it needs
 * `allowCode: true`; without, `PermissionDeniedError`. A link in the folder that leads out of it is an
 * `UnsafePathError`.
 */
export const node = (): Flavor => ({
  name: 'node',
  accepts: isModel,
  async save(model, dir) {
    if (!isModel(model))
      throw new InvalidParameterError('The node flavor saves { dir, module }: a folder and a module in it')
    checkRelativePath(model.module, 'The module of a node model')
    const from = resolve(model.dir)
    const files = await tree(from)
    if (!files.some(({ path }) => path === model.module))
      throw new NotFoundError(`The module ${JSON.stringify(model.module)} is not in ${from}`)
    for (const { path, file } of files) {
      const to = join(dir, FOLDER, path)
      await makeDirs(dirname(to))
      await copyNew(file, to)
    }
    return { config: { data: FOLDER, module: model.module, node_version: process.versions.node } }
  },
  async load(dir, config, { allowCode }) {
    const { data = FOLDER, module } = config
    if (typeof module !== 'string' || typeof data !== 'string')
      throw new IntegrityError('The node flavor of this model names no module')
    if (allowCode !== true)
      throw new PermissionDeniedError(
        `Loading this model runs the code in ${JSON.stringify(module)} that came with it; if you trust its source, pass { allowCode: true }`,
      )
    await sizeInside(dir, `${data}/${module}`)
    const folder = join(dir, data)
    const url = pathToFileURL(join(folder, module)).href
    const load = loaderOf((await import(url)) as Exports, module)
    const native = (await load(folder)) as Partial<NodePredictor> | null | undefined
    if (typeof native?.predict !== 'function')
      throw new IntegrityError(`load(dir) of ${module} must answer an object with a function "predict"`)
    return lifetime({
      native,
      predict: async (input) => native.predict!(input),
      dispose: async () => native.dispose?.(),
    })
  },
})
