import { renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { diskError } from '../errors.js'
import { errno } from './errno.js'
import { listEntries } from './walk.js'
import { exists, freshPath, makeDirs, stateOf } from './write.js'

/** A folder in the making, out of sight until it is put in its place. */
export interface StagedDir {
  /** Where to fill it. */
  readonly dir: string
  /** Renames it into place; false, and it is removed, when something stands there already. */
  place(target: string): boolean
  /** Gives it up. */
  drop(): void
}

/** Name of the folder in a store's root for what is in the making; MLflow skips folders whose name ends so. */
export const STAGING = '.cairn.trash'

/** Name of the folder for locks in the staging folder. */
export const LOCKS = 'locks'

/** Opens an empty staging folder in `<root>/.cairn.trash/`; it becomes visible whole, by `place`, or not at all. */
export function stageDir(root: string): StagedDir {
  const dir = freshPath(join(root, STAGING))
  try {
    makeDirs(dir)
  } catch (error) {
    throw diskError(error, `make the folder ${dir}`)
  }
  const drop = () => rmSync(dir, { recursive: true, force: true })
  return {
    dir,
    drop,
    place(target) {
      try {
        makeDirs(dirname(target))
        // A rename takes the place of an empty folder: one that another program has just made must stay its own.
        if (exists(target)) {
          drop()
          return false
        }
        renameSync(dir, target)
        return true
      } catch (error) {
        drop()
        if (['ENOTEMPTY', 'EEXIST'].includes(errno(error) ?? '')) return false
        throw diskError(error, `make ${target}`)
      }
    },
  }
}

/** Stages a folder, lets `fill` fill it and puts it in place; false when something stands there. */
export function createDir(root: string, target: string, fill: (dir: string) => void): boolean {
  const staged = stageDir(root)
  try {
    fill(staged.dir)
  } catch (error) {
    staged.drop()
    throw error
  }
  return staged.place(target)
}

const OLD_MS = 24 * 60 * 60 * 1000

/** Removes what killed processes left in the staging of a store a day ago or longer; what cannot be removed stays. */
export function sweepStaging(root: string): void {
  for (const dir of [join(root, STAGING), join(root, STAGING, LOCKS)]) sweep(dir)
}

function sweep(dir: string): void {
  for (const { name } of listEntries(dir)) {
    const path = join(dir, name)
    const state = name.startsWith('.cairn-') ? stateOf(path) : undefined
    if (!state || Date.now() - state.mtimeMs < OLD_MS) continue
    try {
      rmSync(path, { recursive: true, force: true })
    } catch {
      // Another's leftovers in a store that is only read: no reason to fail.
    }
  }
}
