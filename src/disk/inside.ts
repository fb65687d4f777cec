import { lstat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkRelativePath } from '../core/relative-path.js'
import { diskError, NotFoundError, UnsafePathError } from '../errors.js'
import { makeDirs, readBytes } from './files.js'

export interface InsideOptions {
  /** Whether a file that is also known under another name may be read; default true. */
  readonly hardLinks?: boolean
}

/**
 * Size in bytes of the regular file at a relative path inside a folder. Throws `UnsafePathError` when the path leads out of
 * the folder or any part of it is a symbolic link, `NotFoundError` when nothing is there.
 */
export async function sizeInside(dir: string, path: string, { hardLinks = true }: InsideOptions = {}): Promise<number> {
  checkRelativePath(path, 'The file')
  const segments = path.split('/')
  for (let depth = 1; ; depth++) {
    const part = segments.slice(0, depth).join('/')
    const info = await lstat(join(dir, part)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
        throw new NotFoundError(`${JSON.stringify(path)} is not in ${dir}`, { cause: error })
      throw diskError(error, `look at ${join(dir, part)}`)
    })
    if (info.isSymbolicLink())
      throw new UnsafePathError(`${JSON.stringify(part)} in ${dir} is a link; links are not followed`)
    if (depth < segments.length) continue
    if (!info.isFile()) throw new UnsafePathError(`${JSON.stringify(part)} in ${dir} is not a file`)
    if (info.nlink > 1 && !hardLinks)
      throw new UnsafePathError(`${JSON.stringify(part)} in ${dir} is a hard link to another file`)
    return info.size
  }
}

/** The bytes of a file inside a folder, under the rules of `sizeInside`; more than `limit` bytes are an `IntegrityError`. */
export async function readInside(dir: string, path: string, limit = 2 ** 31): Promise<Uint8Array> {
  await sizeInside(dir, path)
  return readBytes(join(dir, path), limit)
}

/** Writes a file inside a folder, with the directories it needs; for staging folders, where nobody looks yet. */
export async function writeInside(dir: string, path: string, data: Uint8Array | string): Promise<void> {
  const target = join(dir, checkRelativePath(path, 'The file'))
  try {
    await makeDirs(dirname(target))
    await writeFile(target, data)
  } catch (error) {
    throw diskError(error, `write ${target}`)
  }
}
