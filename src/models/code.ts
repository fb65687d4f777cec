import { basename, dirname, join, resolve } from 'node:path'
import { copyNew, factsBehind, makeDirs } from '../disk/files.js'
import { tree } from '../disk/tree.js'
import { NotFoundError } from '../errors.js'

/** Copies files and folders of code into `<dir>/code` and answers that folder's name; `undefined` when there are none. */
export async function copyCode(dir: string, code: string | readonly string[] | undefined): Promise<string | undefined> {
  const paths = code === undefined ? [] : typeof code === 'string' ? [code] : code
  for (const given of paths) {
    const from = resolve(given)
    const facts = await factsBehind(from)
    if (!facts) throw new NotFoundError(`There is no code at ${from}`)
    const files =
      facts.kind === 'directory'
        ? (await tree(from)).map(({ path, file }) => ({ path: join(basename(from), path), file }))
        : [{ path: basename(from), file: from }]
    for (const { path, file } of files) {
      const to = join(dir, 'code', path)
      await makeDirs(dirname(to))
      await copyNew(file, to)
    }
  }
  return paths.length > 0 ? 'code' : undefined
}
