import { diskError, TimeoutError } from '../errors.js'
import { waiters } from '../host/waiters.js'
import { openAcks } from './acks.js'
import { backlog, type Parcel } from './backlog.js'
import { carry } from './carry.js'
import type { Courier } from './courier.js'
import type { Deliverer, DeliveryEvents } from './deliverer.js'
import { anyGoesFirst } from './elders.js'
import { flights } from './flights.js'
import { MOST_AT_ONCE } from './limits.js'
import type { Written } from './log.js'
import { outcomes } from './outcomes.js'
import { pace } from './pace.js'
import { pauses } from './pauses.js'
import { dropRunDir, rememberId, type ServerPlace, type SpooledRun } from './place.js'
import type { ServerState } from './server.js'
import { openTail } from './tail.js'

export interface DeliverOptions {
  readonly dir: string
  readonly place: ServerPlace
  readonly run: SpooledRun
  readonly courier: Courier
  readonly server: ServerState
  /** The older folders of the run; none by default. */
  readonly elders?: readonly string[] | undefined
  /** Whether the folder is still ours to deliver. */
  readonly held: () => boolean
  /** How much the log has taken, while it is written to; undefined once nothing more comes. */
  readonly written: () => Written | undefined
  /** Has the log go on in its next file, once all of it is done with, if that is worth it; answers whether it did. */
  readonly turn?: (() => boolean) | undefined
  readonly watch?: DeliveryEvents | undefined
  /** Told whenever the progress may have changed. */
  readonly onMoved?: (() => void) | undefined
}

/** A request of points that is not full waits this long for more to come. */
const COMPANY_MS = 200
/** It leaves no sooner than this after the last one with points: each costs a training some of the processor. */
const APART_MS = 1_000
const DISK_MS = 1_000

/** Begins to deliver a log; requests that failed go out again as they were, for as long as it takes. */
export function deliverer(options: DeliverOptions): Deliverer {
  const { dir, place, run, courier, server, watch = {} } = options
  const acks = openAcks(dir)
  const tail = openTail(dir, () => options.written() !== undefined)
  const pausing = pauses(server, place.uri)
  const outcome = outcomes({
    ...{ dir, place, run, acks, server, pausing, watch, onMoved: options.onMoved },
    runId: () => runId,
    putBack: (parcel) => work.putBack(parcel),
  })
  const work = backlog({
    next: tail.next,
    done: acks.done,
    tried: acks.tried,
    onLost: outcome.lost,
    tally: server.tally,
  })
  const waiting = waiters<Written>()
  const pacing = pace(MOST_AT_ONCE)
  const { out, begin } = flights(dir)
  const waitsForElders = anyGoesFirst(options.elders ?? [])
  let closing = new AbortController()
  let runId = acks.runId ?? (run.local ? undefined : run.runId)
  let hurried = 0
  /** When points went last: steps that come all the time do not hold them up. */
  let pointsSentAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let knownSegment = 0
  let isClosed = false
  /** False while it waits for its turn among all runs. */
  let isNext = true
  let over = false
  let finish: (complete: boolean) => void = () => {}
  const finished = new Promise<boolean>((resolve) => {
    finish = resolve
  })
  const unsubscribe = server.onChange(() => pump())

  const mostAtOnce = () => Math.min(server.limits.atOnce, pacing.atOnce)
  const done = () => acks.done.points.size + acks.done.steps.size
  const isDone = ({ points, steps }: Written) =>
    acks.done.points.watermark >= points && acks.done.steps.watermark >= steps

  const carriage = {
    dir,
    courier,
    runId: () => runId!,
    onMade(made: string) {
      acks.mapped(made)
      rememberId(place, run.runId, made)
      runId = made
      watch.onMapped?.(made)
    },
  }

  function send(parcel: Parcel): void {
    const { stretch } = parcel
    acks.trying(stretch)
    server.sent()
    if (stretch.lane === 'points') pointsSentAt = performance.now()
    const flight = begin(parcel)
    const of = out.points
    const isTelling = parcel.points.length >= server.limits.batch.metrics && !parcel.again
    // Files take their time, and have connections of their own.
    if (!flight.carriesFiles) server.begun()
    const { signal } = closing
    // A courier that throws at once is one that fails.
    void (async () => carry(carriage, parcel, { again: parcel.again, signal }))()
      .then(
        () => {
          if (over) {
            server.answered()
            return
          }
          outcome.arrived(parcel)
          if (isTelling) pacing.answered(of, stretch.count, performance.now())
          else if (stretch.lane === 'points') pacing.slack()
          forget()
        },
        (reason: unknown) => {
          if (over) server.givenUp()
          else if (signal.aborted) outcome.givenUp(parcel, options.written() === undefined)
          else outcome.failed(parcel, reason)
        },
      )
      .finally(() => {
        flight.end()
        if (!flight.carriesFiles) server.ended()
        tellWaiters()
        pump()
      })
  }

  function pump(): void {
    if (over) return
    try {
      step()
    } catch (error) {
      // The disk cannot be read now: too many open files, say.
      outcome.stopped(diskError(error, `read ${dir}`))
      later(DISK_MS)
    }
  }

  function step(): void {
    if (!options.held()) {
      stop()
      return
    }
    fill()
    clearTimeout(timer)
    timer = undefined
    isNext = true
    for (;;) {
      const wait = pausing.wait()
      if (wait > 0) {
        if (!work.isEmpty) later(wait)
        break
      }
      isNext = work.isEmpty || server.mayBegin(pump, hurried > 0)
      const parcel = isNext ? nextParcel() : undefined
      if (!parcel) break
      send(parcel)
      fill()
      // One finds out whether the server is back.
      if (server.wait() > 0) break
    }
    const isSlack = out.points < mostAtOnce()
    if (isSlack) pacing.slack()
    if (timer === undefined && isNext && !work.isEmpty && isSlack) {
      // Steps may wait for an older folder, or for files: that is looked at sooner.
      if (hurried > 0 || work.hasSteps) later(COMPANY_MS)
      else gather()
    }
    makeRoom()
    concludeIfDone()
  }

  /** What was delivered goes file by file, and the one in hand could lie there for as long as the run is open. */
  function makeRoom(): void {
    const written = options.written()
    if (!written || !work.isEmpty || out.points + out.steps > 0 || !isDone(written)) return
    try {
      if (options.turn?.()) fill()
    } catch {
      // A disk that takes nothing: as in `forget`.
    }
  }

  /** Reads on, where there is more to read. */
  function fill(): void {
    const written = options.written()
    isClosed = written === undefined
    const segment = written?.segment ?? 0
    if (written && written.points <= work.read.points && written.steps <= work.read.steps && segment <= knownSegment)
      return
    // Short of the end it has not met the next file, and the one before cannot go.
    if (!work.fill()) return
    if (segment > knownSegment) forget()
    knownSegment = segment
  }

  function forget(): void {
    try {
      tail.forget({ points: acks.done.points.watermark, steps: acks.done.steps.watermark })
    } catch {
      // It lies there until the whole folder goes.
    }
  }

  function nextParcel(): Parcel | undefined {
    const { batch } = server.limits
    if (out.steps === 0 && !waitsForElders()) {
      const parcel = work.steps(batch)
      if (parcel) return parcel
    }
    if (runId === undefined || out.points >= mostAtOnce()) return undefined
    const mayWait = hurried === 0 && options.written() !== undefined && !work.isFull(batch)
    if (mayWait && performance.now() - pointsSentAt < APART_MS) return undefined
    return work.points(batch)
  }

  function gather(): void {
    later(Math.ceil(Math.max(COMPANY_MS, pointsSentAt + APART_MS - performance.now())))
  }

  /** What fills a request waits as well: a quick loop would share its processor with us all the time. */
  function wake(): void {
    if (timer !== undefined || !isNext) return
    if (hurried > 0) later(0)
    else gather()
  }

  function later(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(pump, ms)
    if (hurried === 0) timer.unref()
  }

  function concludeIfDone(): void {
    // As it was before the log was last read: what came between that and its end is not read yet.
    if (!isClosed || !work.isEmpty || out.points + out.steps > 0) return
    if (tail.damaged > 0) watch.onDamaged?.(tail.damaged)
    over = true
    leave()
    dropRunDir(dir)
    finish(true)
  }

  function leave(): void {
    clearTimeout(timer)
    unsubscribe()
    closing.abort(new TimeoutError('The delivery was stopped'))
    acks.close()
    tellWaiters()
  }

  function stop(): void {
    if (over) return
    over = true
    leave()
    finish(false)
  }

  function hurry(): void {
    hurried++
    pausing.lift()
    work.lift()
    server.nudge()
    pump()
  }

  function calm(): void {
    hurried--
    if (hurried === 0) timer?.unref()
  }

  function tellWaiters(): void {
    options.onMoved?.()
    waiting.tell(isDone, over)
  }

  async function until(target: Written, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (over || isDone(target)) return isDone(target)
    const waited = waiting.add(target, timeoutMs, signal)
    hurry()
    const arrived = await waited
    calm()
    if (!arrived && hurried === 0) abandon()
    return arrived
  }

  /** Files go by the thread that logs, whose sockets they would hold when nobody waits for an ended run any more. */
  function look(): void {
    if (out.files > 0 && hurried === 0 && options.written() === undefined) abandon()
    pump()
  }

  /** Gives up what is on its way, which then counts as perhaps arrived, so that no open socket holds the process. */
  function abandon(): void {
    const before = closing
    closing = new AbortController()
    pausing.rest(COMPANY_MS)
    before.abort(new TimeoutError('No answer came while there was time to wait'))
  }

  return {
    wake,
    look,
    hurry,
    calm,
    // Requests of this thread do not go on while it is blocked.
    untilNow: (target) => isDone(target),
    get progress() {
      const { points, steps } = options.written() ?? work.read
      const delivered = done() - acks.refused
      return {
        logged: points + steps,
        inFlight: out.entries,
        delivered,
        refused: acks.refused,
        refusedChores: acks.refusedChores,
        deliveredChores: outcome.choresArrived,
        retried: outcome.retried,
        lastDeliveredAt: outcome.lastDeliveredAt,
        isCarrying: out.files > 0 && outcome.lastError === undefined,
      }
    },
    refusals: outcome.refusals,
    get lastError() {
      return outcome.lastError
    },
    runId: () => runId,
    get done() {
      return { points: acks.done.points.watermark, steps: acks.done.steps.watermark }
    },
    isDone,
    finished,
    until,
    stop,
  }
}
