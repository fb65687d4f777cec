import {
  type CairnError,
  IntegrityError,
  InvalidParameterError,
  PermissionDeniedError,
  UnavailableError,
} from '../errors.js'
import type { Courier } from '../spool/courier.js'
import type { Deliverer, DeliveryEvents } from '../spool/deliverer.js'
import { sayClosed } from '../spool/elders.js'
import { openLog, type SpoolLog, type Written } from '../spool/log.js'
import type { Claim } from '../spool/owner.js'
import type { Room } from '../spool/room.js'
import { IS_GIVEN, type Step, TAKEN_UP } from '../spool/steps.js'
import { type Arrival, arrival } from './arrival.js'
import type { DiskHealth } from './disk-health.js'
import { diskWay } from './disk-way.js'
import { folderLoss } from './folder-loss.js'
import type { Outlet, RunEnd } from './outlet.js'
import { ownFolder, type Remade } from './own-folder.js'
import { standing } from './standing.js'
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
  /**
   * Makes it anew, where somebody has removed it, for a log of which so much is done with; false where that would be worth
   * nothing, since what makes the run was in it. Throws what the disk says.
   */
  remake(log: SpoolLog, done: Written): boolean
  /** Begins the delivery. */
  deliver(log: SpoolLog, watch: DeliveryEvents): Deliverer
  /** Takes what could not be written to disk straight to the server, one try. */
  readonly courier: () => Promise<Courier>
  /** The run's id on its server, when it has one. */
  readonly runId: () => string | undefined
}

/** The outlet of a run whose entries go to disk first. */
export interface SpooledOutlet extends Outlet, Pick<Arrival, 'arrive'> {
  /** Adds steps in their turn and answers how many there are now; they go to disk at once, or the error is thrown. */
  steps(steps: readonly Step[]): number
  /** Whether the first so many steps are done with. */
  isDone(steps: number): boolean
  /** Tells that something waits on disk which did not come by the drain. */
  tellSpooled(error: CairnError): void
  /** Why something waits on disk, from when that was told until it is over. */
  readonly toldAway: CairnError | undefined
  /** Why the server does not take what is logged; undefined while it does. */
  readonly awayFor: CairnError | undefined
  /** Aborted when the run ends and its server is waited for no longer: what is on its way there goes to disk. */
  readonly leaving: AbortSignal
  /** Says that it ends. */
  leave(): void
  /** Whether it takes more: until it is closed. */
  readonly isOpen: boolean
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
  readonly warn: (message: string) => void
}

/** Opens the outlet over a folder that is ours. */
export function spooledOutlet(folder: SpooledFolder, { watch, disk, warn }: SpooledOptions): SpooledOutlet {
  const log = openLog(folder.dir, { room: folder.room })
  let toldAway: CairnError | undefined
  function tellSpooled(error: CairnError): void {
    if (toldAway) return
    toldAway = error
    watch.onSpooled?.(error)
  }
  const loss = folderLoss(folder.dir, watch)
  const deliverer = folder.deliver(log, {
    ...watch,
    onSpooled: tellSpooled,
    onRecovered() {
      if (!toldAway) return
      toldAway = undefined
      watch.onRecovered?.()
    },
    onRefused(error, entries) {
      if (!(error instanceof IntegrityError)) loss.turnedDown(entries)
      watch.onRefused?.(error, entries)
    },
    onRetry(error, delayMs) {
      if (error instanceof PermissionDeniedError) waits.denied(error)
      watch.onRetry?.(error, delayMs)
    },
  })
  const own = ownFolder(folder.dir, folder.claim, {
    isOver: () => log.isClosed,
    onRemoved(isLast) {
      const made = remake(isLast)
      if (made === 'remade') warn(loss.remade(log.written, stands().left, deliverer.progress.refused))
      else loss.begin()
      // What the deliverer has read it still delivers, and then it has done what it can.
      if (made === 'lost') log.close()
      deliverer.look()
      return made
    },
    onBack: loss.back,
  })
  const straight = straightWay({
    courier: folder.courier,
    runId: folder.runId,
    isBehind: () => !own.isLost && !deliverer.isDone({ points: 0, steps: log.written.steps }),
    lostWith: () => (loss.count === undefined ? undefined : folder.dir),
  })
  const toDisk = diskWay({ folder, log, own, deliverer, disk, straight })
  const stands = () => standing(log.written, deliverer.progress, toDisk.chores)
  const waits = arrival({ log, own, deliverer, loss, standing: stands })
  let takenUpAs: string | undefined
  const leaving = new AbortController()

  function remake(isLast: boolean): Remade {
    try {
      return folder.remake(log, deliverer.done) ? 'remade' : 'lost'
    } catch (error) {
      // A link or file in its place stays there; a disk may take it later.
      return isLast || error instanceof InvalidParameterError ? 'lost' : 'away'
    }
  }

  function endStep({ status, endTime, isGiven }: RunEnd): CallStep {
    const taken = takenUpAs === undefined ? {} : { [TAKEN_UP]: takenUpAs, ...(isGiven ? { [IS_GIVEN]: true } : {}) }
    return { call: 'updateRun', input: { status, end_time: endTime, ...taken } }
  }

  const kept = (left: number) => (loss.isGone ? 0 : Math.max(0, left - loss.unkept(deliverer.done)))

  function shut(): void {
    disk.forget(folder)
    if (log.isClosed) return
    if (!loss.isGone && !deliverer.isDone(log.written)) sayClosed(folder.dir)
    log.close()
    deliverer.look()
  }

  return {
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
      pour: toDisk.pour,
      take: log.take,
      ask: () => log.stir(true),
      seenAgo: log.seenAgo,
      get isBusy() {
        return log.isBusy
      },
    },
    drain: toDisk.drain,
    flush: waits.flush,
    flushNow: waits.flushNow,
    arrive: waits.arrive,
    async finish(end, timeoutMs) {
      own.look(true)
      const signal = AbortSignal.timeout(Math.ceil(timeoutMs))
      await toDisk.end(endStep(end), signal)
      if (folder.claim.isThere()) sayClosed(folder.dir)
    },
    finishNow(end) {
      own.look(true)
      toDisk.end(endStep(end))?.catch(() => {})
    },
    stats(buffer) {
      const { left, delivered, refused, spooled } = stands()
      // What no disk has any more is on its way from memory.
      const onDisk = Math.min(spooled, kept(left))
      const { retried, lastDeliveredAt } = deliverer.progress
      const times = [lastDeliveredAt, straight.lastAt].filter((time) => time !== undefined)
      return {
        queued: buffer.queued,
        inFlight: buffer.inFlight + (loss.count === undefined ? left - onDisk : left - spooled),
        delivered: delivered + straight.arrived,
        retried: buffer.retried + retried,
        spooled: onDisk,
        refused: buffer.refused + refused + (loss.count ?? 0),
        lastDeliveredAt: times.length === 0 ? undefined : Math.max(...times),
      }
    },
    get awayMs() {
      return folder.awayMs()
    },
    get isSettled() {
      const { deliveredChores, refusedChores } = deliverer.progress
      return deliveredChores + refusedChores >= toDisk.chores
    },
    get isEndRefused() {
      return deliverer.progress.refusedChores > 0
    },
    get kept() {
      return kept(stands().left)
    },
    get noted() {
      return log.written.steps
    },
    get remedy() {
      return loss.isGone ? undefined : 'kept on disk for the next process of Cairn here, or for npx cairn-ml sync'
    },
    get loss() {
      return loss.why(deliverer.done, deliverer.progress.refused)
    },
    steps(steps) {
      if (log.isClosed && !loss.isGone) throw new InvalidParameterError('The run has ended and takes nothing more')
      toDisk.steps(steps)
      return log.written.steps
    },
    isDone: (steps) => deliverer.isDone({ points: 0, steps }),
    tellSpooled,
    get toldAway() {
      return toldAway
    },
    get awayFor() {
      return deliverer.lastError
    },
    leaving: leaving.signal,
    leave: () => leaving.abort(new UnavailableError('The run has ended before its server had taken it')),
    get isOpen() {
      own.look()
      return !log.isClosed
    },
    endsOnlyAs(mark) {
      takenUpAs = mark
    },
    async close() {
      shut()
      // What is done with is cleared away in a moment; who is in another thread has to hear of it first.
      if (deliverer.isDone(log.written)) await waits.cleared()
    },
    closeNow() {
      // Barred before, say: it gets a last chance.
      if (log.waiting > 0) toDisk.pour()
      shut()
      loss.settle(stands().spooled)
      if (log.waiting === 0 && deliverer.isDone(log.written)) folder.drop()
    },
    async stop() {
      log.close()
      await deliverer.stop()
      folder.claim.release()
    },
  }
}
