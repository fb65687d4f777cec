import { join, sep } from 'node:path'
import { IntegrityError, InvalidParameterError, UnsafePathError } from '../errors.js'
import { type FileFacts, factsBehind, factsOf, namesIn, realPathOf } from './files.js'
import { isPartial } from './partial.js'

/** One regular file of a tree. */
export interface TreeFile extends FileFacts {
  /** Below the root, `/` between segments. */
  readonly path: string
  /** Where it lies. */
  readonly file: string
}

export interface TreeOptions {
  /** `within`: links are followed while they stay below the root. `refuse`: any link is an error. */
  readonly links?: 'within' | 'refuse'
  readonly maxFiles?: number
}

const MAX_DEPTH = 100

/** Whether a path lies in a root or is it; both with links resolved. */
export const liesIn = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)

/**
 * All regular files below a directory, sorted by path. A link that leads out of the root is an `UnsafePathError`; a pipe,
 * socket or device an `InvalidParameterError` (reading one never ends); a cycle of links an `IntegrityError`.
 */
export async function tree(
  root: string,
  { links = 'within', maxFiles = 1_000_000 }: TreeOptions = {},
): Promise<TreeFile[]> {
  const realRoot = await realPathOf(root)
  if (realRoot === undefined) throw new InvalidParameterError(`There is no directory ${root}`)
  const files: TreeFile[] = []

  async function visit(dir: string, prefix: string, above: readonly string[]): Promise<void> {
    if (above.length > MAX_DEPTH) throw new IntegrityError(`${dir} is nested more than ${MAX_DEPTH} directories deep`)
    for (const name of (await namesIn(dir)).sort()) {
      if (isPartial(name)) continue
      const file = join(dir, name)
      const path = prefix + name
      const facts = await factsOf(file)
      if (!facts) continue
      const seen = facts.kind === 'link' ? await follow(file, path) : facts
      if (seen.kind === 'file') {
        if (files.push({ ...seen, path, file }) > maxFiles)
          throw new IntegrityError(`${root} holds more than ${maxFiles} files`)
      } else if (seen.kind === 'directory') {
        const real = (await realPathOf(file)) ?? file
        if (above.includes(real)) throw new IntegrityError(`The link ${file} leads back to a directory above it`)
        await visit(file, `${path}/`, [...above, real])
      } else
        throw new InvalidParameterError(`${file} is a pipe, socket or device; only files and directories are copied`)
    }
  }

  async function follow(file: string, path: string): Promise<FileFacts> {
    if (links === 'refuse') throw new UnsafePathError(`${path} is a link; none is allowed in ${root}`)
    const real = await realPathOf(file)
    if (real === undefined) throw new InvalidParameterError(`The link ${file} leads to nothing`)
    if (!liesIn(realRoot as string, real))
      throw new UnsafePathError(
        `The link ${path} leads out of ${root}, to ${real}; copy the file into the directory instead`,
      )
    return (await factsBehind(file)) as FileFacts
  }

  await visit(root, '', [realRoot])
  return files
}
