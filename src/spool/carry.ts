import { batchOf, type Parcel } from './backlog.js'
import type { CarryOptions, Courier } from './courier.js'
import { keptAt } from './kept.js'
import type { NewRun, Step } from './steps.js'

/** What a parcel of one run needs to be carried. */
export interface Carriage {
  readonly dir: string
  readonly courier: Courier
  /** The run's id on its server; there is one for all that follows its making. */
  readonly runId: () => string
  /** The run has been made on its server. */
  readonly onMade: (runId: string) => void
}

/** Carries a parcel to its server, once. */
export function carry({ dir, courier, runId, onMade }: Carriage, parcel: Parcel, how: CarryOptions): Promise<void> {
  const [step] = parcel.steps
  const isBatch = parcel.stretch.lane === 'points' || !step || 'param' in step || 'tag' in step
  return isBatch ? courier.batch(runId(), batchOf(parcel), how) : carryStep(step)

  async function carryStep(single: Exclude<Step, { param: unknown } | { tag: unknown }>): Promise<void> {
    if ('create' in single) return make(single.create)
    if ('call' in single) return courier.call(runId(), single.call, single.input, how)
    const lies = keptAt(dir, single)
    const kept = 'model' in single ? { ...single.model, folder: lies } : { ...single.artifact, file: lies }
    return courier.artifact(runId(), kept, how)
  }

  async function make(run: NewRun): Promise<void> {
    // Its start may have made it before the server was given up.
    const made = await courier.create(run, { ...how, again: how.again || run.neverAsked !== true })
    // Also where that cannot be written down: it is looked for then, and not made once more.
    parcel.again = true
    onMade(made)
  }
}
