import { UnavailableError } from '../errors.js'
import type { CarryOptions, Courier } from './courier.js'
import { PARENT_FIRST } from './failures.js'
import { checkKept, keptAt } from './kept.js'
import { batchOf, type Parcel } from './parcel.js'
import type { NewRun, Step } from './steps.js'

/** What a parcel of one run needs to be sent. */
export interface SendParcelDeps {
  readonly dir: string
  readonly courier: Courier
  /** The run's id on its server; undefined while it is not made. */
  readonly runId: () => string | undefined
  /** The run has been made on its server. */
  readonly onMade: (runId: string) => void
}

/** Sends a parcel to its server, once. */
export async function sendParcel(
  { dir, courier, runId, onMade }: SendParcelDeps,
  parcel: Parcel,
  how: CarryOptions,
): Promise<void> {
  const made = (): string => {
    const id = runId()
    if (id !== undefined) return id
    throw new UnavailableError('The run has to be made first', { code: PARENT_FIRST, notSent: true })
  }
  const [step] = parcel.steps
  const isBatch = parcel.stretch.lane === 'points' || !step || 'param' in step || 'tag' in step
  return isBatch ? courier.batch(made(), batchOf(parcel), how) : sendStep(step)

  async function sendStep(single: Exclude<Step, { param: unknown } | { tag: unknown }>): Promise<void> {
    if ('create' in single) return make(single.create)
    if ('call' in single) return courier.call(made(), single.call, single.input, how)
    const lies = keptAt(dir, single)
    await checkKept(dir, single, how.signal)
    const kept = 'model' in single ? { ...single.model, folder: lies } : { ...single.artifact, file: lies }
    return courier.artifact(made(), kept, how)
  }

  async function make(run: NewRun): Promise<void> {
    // Its start may have made it before the server was given up.
    const theirs = await courier.create(run, { ...how, again: how.again || run.neverAsked !== true })
    // Also where that cannot be written down: it is looked for then, and not made once more.
    parcel.again = true
    onMade(theirs)
  }
}
