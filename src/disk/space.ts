import { readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The bytes of all files below a folder, links not followed; what goes away meanwhile, or may not be read, counts for nothing. */
export function sizeOf(dir: string): number {
  let total = 0
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name)
      if (entry.isDirectory()) total += sizeOf(path)
      else if (entry.isFile()) total += statSync(path, { throwIfNoEntry: false })?.size ?? 0
    }
  } catch {
    // What cannot be listed counts for nothing.
  }
  return total
}

/** The bytes that are free for us on the disk of a folder; undefined where that cannot be told. */
export function freeBytes(dir: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dir)
    return bavail * bsize
  } catch {
    return undefined
  }
}
