import { type CairnError, diskError, UnavailableError } from '../errors.js'
import type { Deliverer } from '../spool/deliverer.js'
import { TOO_LONG } from '../spool/frame.js'
import type { SpoolLog } from '../spool/log.js'
import { isChore, LINK_MODEL, type Step } from '../spool/steps.js'
import type { Delivery } from '../tracking/delivery.js'
import type { Drain } from '../tracking/metric-buffer.js'
import type { DiskHealth } from './disk-health.js'
import type { OwnFolder } from './own-folder.js'
import type { SpooledFolder } from './spooled.js'
import type { CallStep, StraightWay } from './straight.js'

/** What may have arrived stays off the disk, from where it would be sent without a look at the server. */
const SENT = new UnavailableError('it was sent already, and may have arrived')

export interface DiskWayOptions {
  readonly folder: SpooledFolder
  readonly log: SpoolLog
  readonly own: OwnFolder
  readonly deliverer: Deliverer
  /** Told whether the disk takes it. */
  readonly disk: DiskHealth
  /** The way of what the disk does not take. */
  readonly straight: StraightWay
}

/** The way of what is logged: to disk, where the deliverer is woken for it. */
export interface DiskWay {
  readonly drain: Drain
  /** Writes the points that wait in memory; false when the disk does not take them. */
  pour(): boolean
  /** Writes steps in their turn; throws what the disk says. */
  steps(steps: readonly Step[]): void
  /** Writes the run's end; where the disk is full, in the room that is set aside for that. */
  end(step: CallStep, signal?: AbortSignal): void | Promise<void>
  /** How many steps it has written that nobody logged: the run's making, links to models and its end. */
  readonly chores: number
}

/** The way into a log whose folder is ours. */
export function diskWay({ folder, log, own, deliverer, disk, straight }: DiskWayOptions): DiskWay {
  let chores = 0
  /** Steps may find room where points do not. */
  let failing: 'points' | 'steps' | undefined
  /** Those whose points found no room behind their steps. */
  const halfWritten = new WeakSet<Delivery>()

  /** Writes, or answers the reason why not; tells that the disk fails, and that it works again. Throws what is too long. */
  function write(what: 'points' | 'steps', act: () => void): CairnError | undefined {
    try {
      own.assertOurs()
      tryTwice(act)
    } catch (error) {
      if ((error as Partial<CairnError>).code === TOO_LONG) throw error
      const failure = diskError(error, `write to ${folder.dir}`)
      failing = what
      disk.fails(folder, failure)
      deliverer.wake()
      return failure
    }
    // A little fits on a disk that is full for all that waits.
    if ((failing === what || what === 'points') && log.waiting === 0) {
      failing = undefined
      disk.works(folder)
    }
    deliverer.wake()
    return undefined
  }

  /** A folder that somebody removed takes it once it is made anew. */
  function tryTwice(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!own.look()) throw error
      act()
    }
  }

  function writeSteps(steps: readonly Step[], within = (act: () => void) => act()): CairnError | undefined {
    const failure = write('steps', () => within(() => log.steps(steps)))
    if (!failure) chores += steps.filter(isChore).length
    return failure
  }

  function call(step: CallStep, signal?: AbortSignal, within?: (act: () => void) => void): void | Promise<void> {
    const failure = writeSteps([step], within)
    if (!failure) return undefined
    if (signal) assertInTime(failure, signal)
    return straight.call(step, failure, signal)
  }

  /** Who waits no longer has what the disk does not take back at once: it may do so later. */
  function assertInTime(failure: CairnError, { aborted }: AbortSignal): void {
    if (aborted) throw new UnavailableError(failure.message, { cause: failure })
  }

  function drain(delivery: Delivery, signal: AbortSignal): void | Promise<void> {
    if ('linkModel' in delivery) return call({ call: LINK_MODEL, input: { model_id: delivery.linkModel } }, signal)
    if ('deleteTag' in delivery) return call({ call: 'deleteTag', input: { key: delivery.deleteTag } }, signal)
    const { batch, again = false } = delivery
    const { metrics, params, tags } = batch
    const all: Step[] = [...params.map((param) => ({ param })), ...tags.map((tag) => ({ tag }))]
    const steps = halfWritten.has(delivery) ? [] : all
    const toDisk: typeof write = (...of) => (again ? SENT : write(...of))
    const noSteps = steps.length === 0 ? undefined : toDisk('steps', () => log.steps(steps))
    const noPoints = noSteps ?? (metrics.length === 0 ? undefined : toDisk('points', () => log.points(metrics)))
    if (noPoints === undefined) return undefined
    if (!noSteps) halfWritten.add(delivery)
    assertInTime(noPoints, signal)
    return straight.batch(noSteps ? batch : { metrics, params: [], tags: [] }, noPoints, { again, signal })
  }

  return {
    drain,
    pour: () => write('points', log.pour) === undefined,
    steps(steps) {
      const failure = writeSteps(steps)
      if (failure) throw failure
    },
    end: (step, signal) => call(step, signal, folder.endOutOfReserve),
    get chores() {
      return chores
    },
  }
}
