import {
  type CairnError,
  diskError,
  InvalidParameterError,
  PermissionDeniedError,
  UnavailableError,
} from '../errors.js'
import type { Courier } from '../spool/courier.js'
import type { Deliverer, DeliveryEvents } from '../spool/deliverer.js'
import { sayClosed } from '../spool/elders.js'
import { TOO_LONG } from '../spool/frame.js'
import { openLog, type SpoolLog } from '../spool/log.js'
import type { Claim } from '../spool/owner.js'
import type { Room } from '../spool/room.js'
import { IS_GIVEN, isChore, LINK_MODEL, type Step, TAKEN_UP } from '../spool/steps.js'
import { type Delivery, together } from '../tracking/delivery.js'
import type { DiskHealth } from './disk-health.js'
import { folderLoss } from './folder-loss.js'
import { notArrived, type Outlet, type RunEnd } from './outlet.js'
import { ownFolder } from './own-folder.js'
import { type CallStep, straightWay } from './straight.js'

/** The folder of one run in the spool, and who delivers what is in it. */
export interface SpooledFolder {
  readonly dir: string
  readonly claim: Claim
  /** How much the spool may hold. */
  readonly room?: Room | undefined
  /** How long its server is known to be away already, in milliseconds. */
  awayMs(): number
  /** Writes the run's end; where the disk is full, in the room that is set aside for that. */
  endOutOfReserve(write: () => void): void
  /** Removes it: all that was in it is done with. */
  drop(): void
  /** Begins the delivery. */
  deliver(log: SpoolLog, watch: DeliveryEvents): Deliverer
  /** Takes what could not be written to disk straight to the server, one try. */
  readonly courier: () => Promise<Courier>
  /** The run's id on its server, when it has one. */
  readonly runId: () => string | undefined
}

/** The outlet of a run whose entries go to disk first. */
export interface SpooledOutlet extends Outlet {
  /** Adds steps in their turn and answers how many there are now; they go to disk at once, or the error is thrown. */
  steps(steps: readonly Step[]): number
  /** Whether the first so many steps are done with. */
  isDone(steps: number): boolean
  /** Tells that something waits on disk which did not come by the drain. */
  tellSpooled(error: CairnError): void
  /** Why the server does not take what is logged; undefined while it does. */
  readonly awayFor: CairnError | undefined
  /** Aborted when the run ends and its server is waited for no longer: what is on its way there goes to disk. */
  readonly leaving: AbortSignal
  /** Says that it ends. */
  leave(): void
  /** Whether it takes more: until it is closed. */
  readonly isOpen: boolean
  /** As `flush`, for the arrival alone: what was refused stays for `flush` to tell. */
  arrive(timeoutMs: number): Promise<void>
  /** From now on the run is only ended if it was taken up under this mark, or with a status that was given. */
  endsOnlyAs(mark: string): void
  readonly folder: SpooledFolder
  /** Stops delivering; what is left can be taken over by anybody. */
  stop(): Promise<void>
}

export interface SpooledOptions {
  readonly watch: DeliveryEvents
  /** Told whether the disk takes what this run logs. */
  readonly disk: DiskHealth
}

const CLEAR_MS = 1_000

/** Waits, and keeps the process alive for that, but no longer than it has to. */
async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let limit: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    limit = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(limit)
}

/** Opens the outlet over a folder that is ours. */
export function spooledOutlet(folder: SpooledFolder, { watch, disk }: SpooledOptions): SpooledOutlet {
  const log: SpoolLog = openLog(folder.dir, { room: folder.room })
  /** Those who wait as long as they may write to the run. */
  const flushing = new Set<AbortController>()
  let isAway = false
  function tellSpooled(error: CairnError): void {
    if (isAway) return
    isAway = true
    watch.onSpooled?.(error)
  }
  const deliverer = folder.deliver(log, {
    ...watch,
    onSpooled: tellSpooled,
    onRecovered() {
      if (!isAway) return
      isAway = false
      watch.onRecovered?.()
    },
    onRetry(error, delayMs) {
      if (error instanceof PermissionDeniedError) for (const one of flushing) one.abort(error)
      watch.onRetry?.(error, delayMs)
    },
  })
  /** Steps may find room where points do not. */
  let failing: 'points' | 'steps' | undefined
  const loss = folderLoss(folder.dir, watch)
  const own = ownFolder(folder.dir, folder.claim, {
    isOver: () => log.isClosed,
    onRemoved() {
      loss.begin()
      // What the deliverer has read it still delivers, and then it has done what it can.
      log.close()
      deliverer.look()
    },
  })
  const straight = straightWay({
    courier: folder.courier,
    runId: folder.runId,
    isBehind: () => !own.isLost && !deliverer.isDone({ points: 0, steps: log.written.steps }),
    lostWith: () => (loss.count === undefined ? undefined : folder.dir),
  })
  /** Steps in the log that nobody logged: the run's making, links to models and its end. */
  let chores = 0
  let takenUpAs: string | undefined
  const leaving = new AbortController()

  /** Writes, or answers the reason why not; tells that the disk fails, and that it works again. Throws what is too long. */
  function write(what: 'points' | 'steps', act: () => void): CairnError | undefined {
    try {
      own.assertOurs()
      act()
    } catch (error) {
      if ((error as Partial<CairnError>).code === TOO_LONG) throw error
      const failure = diskError(error, `write to ${folder.dir}`)
      own.look()
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

  const settled = deliverer.finished.then(() => loss.settle(standing().spooled))

  /** Of what was logged and the log has taken, each entry counted once, while the deliverer counts chores as well. */
  function standing() {
    const { progress } = deliverer
    const done = progress.deliveredChores + progress.refusedChores
    const { points, steps } = log.written
    const left = Math.max(0, points + steps - progress.delivered - progress.refused - (chores - done))
    // What is answered is in flight still, for a moment.
    const inFlight = Math.min(progress.inFlight, left)
    return {
      ...{ left, inFlight, spooled: left - inFlight },
      delivered: progress.delivered - progress.deliveredChores,
      refused: progress.refused - progress.refusedChores,
    }
  }

  /** Notes in its turn what nobody logged. */
  function chore(
    step: CallStep,
    { within = (act: () => void) => act(), signal }: { within?: (act: () => void) => void; signal?: AbortSignal },
  ): void | Promise<void> {
    const failure = write('steps', () => within(() => log.steps([step])))
    if (failure) return straight.call(step, failure, signal)
    chores++
  }

  function drain(delivery: Delivery, signal: AbortSignal): void | Promise<void> {
    if ('linkModel' in delivery) return chore({ call: LINK_MODEL, input: { model_id: delivery.linkModel } }, { signal })
    if ('deleteTag' in delivery) {
      const step = { call: 'deleteTag', input: { key: delivery.deleteTag } }
      const failure = write('steps', () => log.steps([step]))
      return failure && straight.call(step, failure, signal)
    }
    const { metrics, params, tags } = delivery.batch
    const steps: Step[] = [...params.map((param) => ({ param })), ...tags.map((tag) => ({ tag }))]
    const noSteps = steps.length === 0 ? undefined : write('steps', () => log.steps(steps))
    const noPoints = noSteps ?? (metrics.length === 0 ? undefined : write('points', () => log.points(metrics)))
    if (noPoints === undefined) return undefined
    return straight.batch(noSteps ? delivery.batch : { metrics, params: [], tags: [] }, noPoints, signal)
  }

  /** Waits until the log is done with up to where it stands. */
  async function arrive(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    own.look()
    const target = log.written
    if (deliverer.isDone(target)) return
    const ended = await deliverer.until(target, timeoutMs, signal)
    if (ended) return
    signal?.throwIfAborted()
    own.look()
    if (loss.isGone) await atMost(CLEAR_MS, settled)
    if (loss.count !== undefined) return
    throw notArrived(standing().left, timeoutMs, deliverer.lastError, loss.error?.message)
  }

  async function flush(timeoutMs: number, { untilDenied = false } = {}): Promise<void> {
    const denied = new AbortController()
    if (untilDenied) flushing.add(denied)
    const late = await arrive(timeoutMs, denied.signal).then(
      () => [],
      (error: CairnError) => [error],
    )
    flushing.delete(denied)
    const errors = [...late, ...deliverer.refusals(), ...loss.untold()]
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : together(errors)
  }

  function endStep({ status, endTime, isGiven }: RunEnd): CallStep {
    const taken = takenUpAs === undefined ? {} : { [TAKEN_UP]: takenUpAs, ...(isGiven ? { [IS_GIVEN]: true } : {}) }
    return { call: 'updateRun', input: { status, end_time: endTime, ...taken } }
  }

  function shut(): void {
    disk.forget(folder)
    if (log.isClosed) return
    if (!deliverer.isDone(log.written)) sayClosed(folder.dir)
    log.close()
    deliverer.look()
  }

  const outlet: SpooledOutlet = {
    folder,
    way: {
      addKey: log.addKey,
      put: log.put,
      get waiting() {
        return log.waiting
      },
      get passed() {
        return log.poured
      },
      pour: () => write('points', log.pour) === undefined,
      take: log.take,
      leave: () => log.stir(true),
    },
    drain,
    flush,
    async finish(end, timeoutMs) {
      const signal = AbortSignal.timeout(Math.ceil(timeoutMs))
      await chore(endStep(end), { within: folder.endOutOfReserve, signal })
      if (folder.claim.isThere()) sayClosed(folder.dir)
    },
    finishNow: (end) => void chore(endStep(end), { within: folder.endOutOfReserve })?.catch(() => {}),
    flushNow(timeoutMs) {
      own.look()
      if (loss.count === undefined)
        deliverer.untilNow(log.written, loss.isGone ? Math.min(CLEAR_MS, timeoutMs) : timeoutMs)
    },
    stats(buffer) {
      const { inFlight, delivered, refused, spooled } = standing()
      const { retried, lastDeliveredAt } = deliverer.progress
      const times = [lastDeliveredAt, straight.lastAt].filter((time) => time !== undefined)
      return {
        queued: buffer.queued,
        inFlight: buffer.inFlight + inFlight,
        delivered: delivered + straight.arrived,
        retried: buffer.retried + retried,
        spooled: loss.count === undefined ? spooled : 0,
        refused: buffer.refused + refused + (loss.count ?? 0),
        lastDeliveredAt: times.length === 0 ? undefined : Math.max(...times),
      }
    },
    get awayMs() {
      return folder.awayMs()
    },
    get isSettled() {
      const { deliveredChores, refusedChores } = deliverer.progress
      return deliveredChores + refusedChores >= chores
    },
    get isEndRefused() {
      return deliverer.progress.refusedChores > 0
    },
    get kept() {
      return loss.isGone ? 0 : standing().left
    },
    get remedy() {
      return loss.isGone ? undefined : 'kept on disk for the next process of Cairn here, or for npx cairn-ml sync'
    },
    get loss() {
      return loss.error
    },
    steps(steps) {
      if (log.isClosed && !loss.isGone) throw new InvalidParameterError('The run has ended and takes nothing more')
      const failure = write('steps', () => log.steps(steps))
      if (failure) throw failure
      chores += steps.filter(isChore).length
      return log.written.steps
    },
    isDone: (steps) => deliverer.isDone({ points: 0, steps }),
    tellSpooled,
    get awayFor() {
      return deliverer.lastError
    },
    leaving: leaving.signal,
    leave: () => leaving.abort(new UnavailableError('The run has ended before its server had taken it')),
    get isOpen() {
      return !log.isClosed
    },
    arrive,
    endsOnlyAs(mark) {
      takenUpAs = mark
    },
    async close() {
      shut()
      // What is done with is cleared away in a moment; who is in another thread has to hear of it first.
      if (deliverer.isDone(log.written)) await atMost(CLEAR_MS, deliverer.finished)
    },
    closeNow() {
      // Barred before, say: it gets a last chance.
      if (log.waiting > 0) write('points', log.pour)
      shut()
      loss.settle(standing().spooled)
      if (log.waiting === 0 && deliverer.isDone(log.written)) folder.drop()
    },
    async stop() {
      log.close()
      await deliverer.stop()
      folder.claim.release()
    },
  }
  return outlet
}
