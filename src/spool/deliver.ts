import { basename } from 'node:path'
import { diskError, IntegrityError } from '../errors.js'
import { waiters } from '../host/waiters.js'
import { type Acks, openAcks } from './acks.js'
import type { Courier } from './courier.js'
import type { Deliverer, DeliveryEvents, Progress } from './deliverer.js'
import { anyGoesFirst } from './elders.js'
import { leftBeside } from './kept.js'
import type { Written } from './log.js'
import { LOST } from './making.js'
import { type Outcomes, outcomes } from './outcomes.js'
import type { Parcel } from './parcel.js'
import { pauses } from './pauses.js'
import { dropRunDir, type ServerPlace, type SpooledRun } from './place.js'
import { reader } from './reader.js'
import { keepAside } from './refused.js'
import { schedule } from './schedule.js'
import { type Sender, sender } from './sender.js'
import type { ServerState } from './server.js'
import { isEmptied } from './whose.js'

export interface DeliverOptions {
  readonly dir: string
  readonly place: ServerPlace
  readonly run: SpooledRun
  readonly courier: Courier
  readonly server: ServerState
  /** The folders of the run that go before it; none by default. */
  readonly elders?: readonly string[] | undefined
  /** Whether the folder is still ours to deliver. */
  readonly held: () => boolean
  /** How much the log has taken, while it is written to; undefined once nothing more comes. */
  readonly written: () => Written | undefined
  /** Has the log go on in its next file, once all of it is done with, if that is worth it; answers whether it did. */
  readonly turn?: (() => boolean) | undefined
  /** Has files of the log removed that are done with, by what answers how many bytes that were. */
  readonly free?: ((remove: () => number) => void) | undefined
  readonly watch?: DeliveryEvents | undefined
  /** Told whenever the progress may have changed. */
  readonly onMoved?: (() => void) | undefined
}

/** After a disk that could not be read. */
const DISK_MS = 1_000

/** Begins to deliver a log; requests that failed go out again as they were, for as long as it takes. */
export function deliverer(options: DeliverOptions): Deliverer {
  const { dir, place, run, courier, server, written, turn, free, watch = {}, onMoved } = options
  const acks = openAcks(dir)
  const pausing = pauses(server, place.uri)
  const parts = { dir, place, run, acks, server, pausing, watch, onMoved }
  const outcome = outcomes({
    ...parts,
    runId: () => sending.runId(),
    putBack: (parcel) => work.putBack(parcel),
  })
  let isRemade = false
  const onRemade = () => {
    isRemade = true
  }
  const making = run.local && acks.runId === undefined ? { place, onRemade } : undefined
  const reading = reader({ dir, acks, written, turn, free, making, onLost: outcome.lost, tally: server.tally })
  const { work } = reading
  const sending = sender({
    ...parts,
    courier,
    outcome,
    isLeft: () => written() === undefined,
    onArrived: reading.forget,
    onMade(made) {
      if (isRemade) outcome.told(new IntegrityError(`The start of run ${made} was damaged on disk: ${LOST}`))
    },
    onBack() {
      // What goes out next takes the note of what arrived along.
      pump()
      acks.settle()
      tellWaiters()
    },
  })
  const { out } = sending
  const timing = schedule(server, pausing, pump)
  const waitsForElders = anyGoesFirst(options.elders ?? [])
  const waiting = waiters<Written>()
  let over = false
  let finish: (complete: boolean) => void = () => {}
  const finished = new Promise<boolean>((resolve) => {
    finish = resolve
  })

  const isDone = ({ points, steps }: Written) =>
    acks.done.points.watermark >= points && acks.done.steps.watermark >= steps
  /** Whether all that was read has come to its end. */
  const isIdle = () => work.isEmpty && out.points + out.steps === 0

  function pump(): void {
    if (over) return
    try {
      step()
    } catch (error) {
      // The disk cannot be read now: too many open files, say.
      outcome.stopped(diskError(error, `read ${dir}`))
      timing.later(DISK_MS)
    }
  }

  function step(): void {
    if (!options.held()) {
      leave(false)
      return
    }
    reading.fill()
    timing.begin()
    sendAll()
    const isSlack = sending.isSlack()
    if (isSlack) sending.slack()
    // Steps may wait for an older folder, or for files.
    if (isSlack && !work.isEmpty) timing.again(work.hasSteps)
    const logged = written()
    if (logged && isIdle() && isDone(logged)) reading.turn()
    if (!reading.isClosed() || !isIdle()) return
    if (reading.damaged() > 0) watch.onDamaged?.(reading.damaged())
    setStraysAside()
    leave(true)
  }

  /** Files of steps that the log has lost. */
  function setStraysAside(): void {
    for (const path of leftBeside(dir, reading.damaged() > 0 || isEmptied(dir))) {
      const to = keepAside(place.dir, run.runId, path)
      outcome.told(
        new IntegrityError(
          `What says where ${basename(path)} of run ${run.runId} goes was damaged on disk; it lies in ${to}`,
        ),
      )
    }
  }

  /** Sends what may go now. */
  function sendAll(): void {
    while (!work.isEmpty && timing.mayGo()) {
      const parcel = nextParcel()
      if (!parcel) return
      if (parcel.stretch.lane === 'points') timing.pointsLeave()
      sending.send(parcel)
      reading.fill()
      // One finds out whether the server is back.
      if (server.wait() > 0) return
    }
  }

  function nextParcel(): Parcel | undefined {
    const { batch } = server.limits
    if (out.steps === 0 && !waitsForElders()) {
      const parcel = work.steps(batch)
      if (parcel) return parcel
    }
    if (sending.runId() === undefined || !sending.isSlack()) return undefined
    if (timing.isTooSoon() && written() !== undefined && !work.isFull(batch)) return undefined
    return work.points(batch)
  }

  function leave(complete: boolean): void {
    over = true
    timing.stop()
    sending.stop()
    acks.close()
    tellWaiters()
    if (complete) dropRunDir(dir)
    finish(complete)
  }

  function tellWaiters(): void {
    onMoved?.()
    waiting.tell(isDone, over)
  }

  function hurry(): void {
    work.lift()
    timing.hurry()
    pump()
  }

  async function until(target: Written, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (over || isDone(target)) return isDone(target)
    const waited = waiting.add(target, timeoutMs, signal)
    hurry()
    const arrived = await waited
    timing.calm()
    if (!arrived && !timing.isHurried()) sending.abandon()
    return arrived
  }

  return {
    wake: timing.wake,
    look() {
      // Files go by the thread that logs, whose sockets they would hold when nobody waits for an ended run any more.
      if (out.files > 0 && !timing.isHurried() && written() === undefined) sending.abandon()
      pump()
    },
    hurry,
    calm: timing.calm,
    // Requests of this thread do not go on while it is blocked.
    untilNow: () => false,
    get progress() {
      return progress(acks, out, outcome)
    },
    refusals: outcome.refusals,
    get lastError() {
      return outcome.lastError
    },
    runId: sending.runId,
    get done() {
      return { points: acks.done.points.watermark, steps: acks.done.steps.watermark }
    },
    isDone,
    finished,
    until,
    stop() {
      if (!over) leave(false)
    },
  }
}

function progress(acks: Acks, out: Sender['out'], outcome: Outcomes): Progress {
  return {
    inFlight: out.entries,
    delivered: acks.done.points.size + acks.done.steps.size - acks.refused,
    refused: acks.refused,
    refusedChores: acks.refusedChores,
    deliveredChores: outcome.choresArrived,
    retried: outcome.retried,
    lastDeliveredAt: outcome.lastDeliveredAt,
    isCarrying: out.files > 0 && outcome.lastError === undefined,
  }
}
