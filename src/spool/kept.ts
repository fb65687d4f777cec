import { join } from 'node:path'
import { removeDir } from '../disk/write.js'
import type { Step } from './steps.js'

type Carrying = Extract<Step, { artifact: unknown } | { model: unknown }>

/** Where what a step carries lies, beside the log of a folder. */
export const keptAt = (dir: string, step: Carrying): string =>
  join(dir, 'model' in step ? step.model.folder : step.artifact.file)

/** What lies beside the log for these steps. */
export const keptFor = (dir: string, steps: readonly Step[]): string[] =>
  steps.flatMap((step) => ('model' in step || 'artifact' in step ? [keptAt(dir, step)] : []))

/** Removes what has arrived. */
export function clearKept(path: string): void {
  try {
    removeDir(path)
    removeDir(`${path}.sent`)
  } catch {
    // It goes with the whole folder.
  }
}
