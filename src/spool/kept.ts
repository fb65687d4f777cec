import { join } from 'node:path'
import { checkSum } from '../disk/sums.js'
import { namesIn } from '../disk/walk.js'
import { removeDir } from '../disk/write.js'
import type { Step } from './steps.js'

type Carrying = Extract<Step, { artifact: unknown } | { model: unknown }>

/** Where what a step carries lies, beside the log of a folder. */
export const keptAt = (dir: string, step: Carrying): string =>
  join(dir, 'model' in step ? step.model.folder : step.artifact.file)

/** What lies beside the log for these steps. */
export const keptFor = (dir: string, steps: readonly Step[]): string[] =>
  steps.flatMap((step) => ('model' in step || 'artifact' in step ? [keptAt(dir, step)] : []))

/** Throws when what a step carries is not what was kept for it, as far as that was written down. */
export async function checkKept(dir: string, step: Carrying, signal: AbortSignal): Promise<void> {
  const path = keptAt(dir, step)
  if ('artifact' in step) {
    if (step.artifact.sum) await checkSum(path, step.artifact.sum, signal)
    return
  }
  for (const [name, sum] of Object.entries(step.model.sums ?? {})) await checkSum(join(path, name), sum, signal)
}

/**
 * What was put beside a log for a step that it has not, or not any more. A model may lie there without one, when its
 * process was killed while it was packaged or on its way past the log: it counts only where the log is `damaged`.
 */
export const leftBeside = (dir: string, damaged: boolean): string[] =>
  namesIn(dir)
    .filter((name) => FILE.test(name) || (damaged && MODEL.test(name)))
    .map((name) => join(dir, name))

const FILE = /^file-\d+$/
const MODEL = /^model-[0-9a-f-]{36}$/

/** Removes what has arrived. */
export function clearKept(path: string): void {
  try {
    removeDir(path)
    removeDir(`${path}.sent`)
  } catch {
    // It goes with the whole folder.
  }
}
