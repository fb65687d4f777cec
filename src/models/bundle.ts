import { randomUUID } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { shown } from '../core/options.js'
import { factsOf, makeDirs, move, removeAll } from '../disk/files.js'
import { tree } from '../disk/tree.js'
import { CairnError, IntegrityError, InvalidParameterError, NotFoundError } from '../errors.js'
import { type FolderDeps, type FolderOptions, modelFolder } from './folder.js'

/** Packs the model that a reference means into one file, `.tgz`, that `loadModel` takes where no registry can be reached. */
export async function packModel(
  deps: FolderDeps,
  uri: string,
  file: string,
  options: FolderOptions = {},
): Promise<string> {
  if (typeof file !== 'string' || !/\.(?:tgz|tar\.gz)$/i.test(file))
    throw new InvalidParameterError(`A bundle's name ends in .tgz, unlike ${shown(file)}`)
  const { dir } = await modelFolder(deps, uri, options)
  if (!(await factsOf(join(dir, 'MLmodel')))) throw new NotFoundError(`There is no model in ${dir} (no MLmodel)`)
  const files = await tree(dir)
  const to = resolve(file)
  const partial = join(dirname(to), `.cairn-${randomUUID()}.partial`)
  await makeDirs(dirname(to))
  const { create } = await import('tar')
  try {
    options.signal?.throwIfAborted()
    // A name that begins with "@" would be taken for an archive to read from.
    const names = files.map(({ path }) => `./${path}`)
    const fixed = { portable: true, mtime: new Date(0), follow: true, strict: true }
    await create({ ...fixed, gzip: { level: 6 }, cwd: dir, file: partial, noDirRecurse: true }, names)
    options.signal?.throwIfAborted()
    await move(partial, to)
  } catch (error) {
    options.signal?.throwIfAborted()
    throw error instanceof CairnError
      ? error
      : new IntegrityError(`${uri} could not be packed: ${(error as Error).message}`, { cause: error })
  } finally {
    await removeAll(partial)
  }
  return to
}
