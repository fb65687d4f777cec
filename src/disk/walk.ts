import { type Dirent, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'
import { diskError } from '../errors.js'
import { isAbsent } from './errno.js'
import { stateOf } from './write.js'

/** One entry of a folder, as it stands there: a link is a link. */
export interface Entry {
  readonly name: string
  readonly kind: 'file' | 'dir' | 'link' | 'other'
}

const kindOf = (entry: Dirent): Entry['kind'] =>
  entry.isFile() ? 'file' : entry.isDirectory() ? 'dir' : entry.isSymbolicLink() ? 'link' : 'other'

function read(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
  } catch (error) {
    if (isAbsent(error)) return []
    throw diskError(error, `list ${dir}`)
  }
}

/** The entries of a folder, sorted by name; none when it is not there. */
export const listEntries = (dir: string): Entry[] =>
  read(dir)
    .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))

/** The names of the folders in a folder, in no order; with `links` also of links that lead to one. */
export function listDirs(dir: string, options: { readonly links?: boolean } = {}): string[] {
  const names: string[] = []
  for (const entry of read(dir)) {
    if (entry.isDirectory()) names.push(entry.name)
    else if (options.links && entry.isSymbolicLink() && stateOf(join(dir, entry.name))?.isDirectory)
      names.push(entry.name)
  }
  return names
}

/** The names of the folders and of the regular files in a folder, in no order; links are neither. */
export function listNames(dir: string): { readonly dirs: string[]; readonly files: string[] } {
  const dirs: string[] = []
  const files: string[] = []
  for (const entry of read(dir))
    if (entry.isFile()) files.push(entry.name)
    else if (entry.isDirectory()) dirs.push(entry.name)
  return { dirs, files }
}

/** The names in a folder, sorted; an absent one has none. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort()
  } catch (error) {
    if (isAbsent(error)) return []
    throw diskError(error, `list ${dir}`)
  }
}

/** Whether a folder, and no link to one, is there. */
export function isRealDir(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  } catch (error) {
    if (isAbsent(error)) return false
    throw diskError(error, `look at ${path}`)
  }
}

/** The paths of all regular files below a folder, with `/` between the parts, in no order; links are not followed. */
export function walkFiles(dir: string): string[] {
  const found: string[] = []
  const open: string[] = ['']
  for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop())
    for (const entry of read(prefix ? join(dir, prefix) : dir)) {
      const path = prefix ? `${prefix}/${entry.name}` : entry.name
      if (entry.isFile()) found.push(path)
      else if (entry.isDirectory()) open.push(path)
    }
  return found
}

/** Whether a path, all links followed, is `root` itself or lies below it; false when it is not there. */
export function isInside(root: string, path: string): boolean {
  try {
    const real = realpathSync(path)
    const base = realpathSync(root)
    return real === base || real.startsWith(base.endsWith(sep) ? base : base + sep)
  } catch (error) {
    if (isAbsent(error)) return false
    throw diskError(error, `look at ${path}`)
  }
}
