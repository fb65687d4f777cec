import { relative } from 'node:path'
import { InvalidParameterError } from '../errors.js'

/** A file that a glob found, and its path below the part of the glob that is no pattern. */
export interface Found {
  readonly path: string
  readonly file: string
}

const slashes = (path: string): string => (process.platform === 'win32' ? path.replaceAll('\\', '/') : path)

/** The files that a glob finds, by fast-glob, dot files included; none is an `InvalidParameterError`. */
export async function globFiles(pattern: string, cwd = process.cwd()): Promise<Found[]> {
  if (typeof pattern !== 'string' || pattern === '') throw new InvalidParameterError('A glob is a text, not empty')
  const { default: glob } = await import('fast-glob')
  const options = { cwd, absolute: true, dot: true, onlyFiles: true, followSymbolicLinks: false }
  const found: Found[] = []
  for (const task of glob.generateTasks(slashes(pattern), { cwd })) {
    const base = slashes(task.base.startsWith('/') ? task.base : `${cwd}/${task.base}`)
    for (const file of await glob(task.patterns, options)) found.push({ path: slashes(relative(base, file)), file })
  }
  if (found.length > 0) return found
  throw new InvalidParameterError(`${JSON.stringify(pattern)} is neither a folder nor a glob that finds a file`)
}
