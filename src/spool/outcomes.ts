import { refusals } from '../core/refusals.js'
import { failureKind } from '../core/retry.js'
import { type CairnError, IntegrityError } from '../errors.js'
import type { Acks, Stretch } from './acks.js'
import type { DeliveryEvents } from './deliverer.js'
import { asError, isAboutRun, isDivisible, isParking } from './failures.js'
import { clearKept, keptFor } from './kept.js'
import { isKeptAtCall, isOfFiles, kindOf } from './order.js'
import { type Halved, halves, type Parcel } from './parcel.js'
import type { Pauses } from './pauses.js'
import type { ServerPlace, SpooledRun } from './place.js'
import { keepAside, setAside } from './refused.js'
import type { ServerState } from './server.js'
import { isChore } from './steps.js'
import {
  isAlone,
  isDoubtful,
  isHopeless,
  isLikeTaken,
  MOST_FILE_MS,
  MOST_MS,
  putOff,
  type Stuck,
  setBack,
  stuckAgain,
} from './stuck.js'

export interface OutcomesOptions {
  readonly dir: string
  readonly place: ServerPlace
  readonly run: SpooledRun
  readonly acks: Acks
  readonly server: ServerState
  readonly pausing: Pauses
  readonly watch: DeliveryEvents
  /** The run's id on its server, as far as it is known. */
  readonly runId: () => string | undefined
  /** A request goes to the front of what waits. */
  readonly putBack: (parcel: Parcel) => void
  readonly onMoved?: (() => void) | undefined
}

/** What becomes of the requests of one run: done with, tried again as they were, looked into by parts, or set aside. */
export interface Outcomes {
  arrived(parcel: Parcel): void
  failed(parcel: Parcel, reason: unknown): void
  /** We waited no longer, which says nothing of the server; `isLeft` where the run has ended. */
  givenUp(parcel: Parcel, isLeft: boolean): void
  /** A part of the log is damaged. */
  lost(stretch: Stretch): void
  /** Something of the run was lost on disk that is not to be counted. */
  told(error: CairnError): void
  /** Something else than a request failed. */
  stopped(error: CairnError): void
  /** What was set aside since this was last asked, a hundred at the most. */
  refusals(): CairnError[]
  /** Why nothing goes on; undefined while it does. */
  readonly lastError: CairnError | undefined
  readonly retried: number
  /** How many steps arrived that nobody logged. */
  readonly choresArrived: number
  /** Epoch milliseconds. */
  readonly lastDeliveredAt: number | undefined
}

/** From this many points on their number may be why a server refuses them without saying so. */
const MANY = 100
/** Between the first request after an outage, which finds out, and one that was answered 500 or takes its time. */
const BEHIND_MS = 200

/** Decides what becomes of each request of one run, and notes it in `acks`. */
export function outcomes(options: OutcomesOptions): Outcomes {
  const { dir, place, run, acks, server, pausing, watch, putBack } = options
  let retried = 0
  let choresArrived = 0
  let lastDeliveredAt: number | undefined
  const whyRefused = refusals()
  let away = false
  let lastError: CairnError | undefined
  /** Of each kind of which the server takes nothing, the one that is looked into by parts. */
  const leads = new Map<string, Parcel>()

  function refuse(stretch: Stretch, error: CairnError, what: readonly unknown[], chores = 0): void {
    setAside(place.dir, run.runId, error, what)
    acks.refuse(stretch, chores)
    whyRefused.add(error)
    watch.onRefused?.(error, stretch.count)
    options.onMoved?.()
  }

  function giveUp(parcel: Parcel, error: CairnError): void {
    const { stretch, points, steps } = parcel
    refuse(stretch, error, stretch.lane === 'points' ? points : steps, steps.filter(isChore).length)
    noLead(parcel)
    for (const path of keptFor(dir, steps)) keepAside(place.dir, run.runId, path)
  }

  /** A request that may have been carried out before and is refused is not therefore undone: it is looked into by parts. */
  function refused(parcel: Parcel, error: CairnError): void {
    isBack(parcel)
    const { stretch, of } = parcel
    if (stretch.count === 1 || isAboutRun(error, options.runId()) || !isDivisible(error, parcel)) {
      giveUp(parcel, error)
      return
    }
    if (of) of.refused = true
    const isOfPoints = stretch.lane === 'points'
    if (isOfPoints && error.status === 413) server.limits.tooMany(stretch.count)
    // Of texts the number says nothing, and a few points are too many for nobody.
    const mayBeTooMany =
      isOfPoints && (of !== undefined || stretch.count >= Math.min(MANY, server.limits.batch.metrics))
    divide(parcel, mayBeTooMany ? { count: stretch.count, taken: 0, refused: false } : undefined)
  }

  /** Answers the first half. */
  function divide(parcel: Parcel, of: Halved | undefined): Parcel {
    noLead(parcel)
    acks.unsent(parcel.stretch)
    const parts = halves(parcel, of)
    for (const half of parts.toReversed()) {
      // A process that takes over has to know as well that it may have been carried out.
      if (half.again) acks.trying(half.stretch)
      putBack(half)
    }
    return parts[0]!
  }

  /** What is no more leaves its place to another one of its kind. */
  function noLead(parcel: Parcel): void {
    const kind = kindOf(parcel)
    if (leads.get(kind) === parcel) leads.delete(kind)
  }

  /** Whether its parts can tell anything: of a kind that the server takes nothing of, one is enough to find that out. */
  function mayBeDivided(parcel: Parcel, stuck: Stuck): boolean {
    const lead = leads.get(kindOf(parcel)) ?? parcel
    return parcel.stretch.count > 1 && isDoubtful(stuck) && (isLikeTaken(stuck) || lead === parcel)
  }

  /** What is wrong with a request that the server answers 500, while it takes others, lies in the request. */
  function stuckIn(parcel: Parcel, error: CairnError, stuck: Stuck): void {
    parcel.stuck = stuck
    const kind = kindOf(parcel)
    if (isAlone(stuck)) server.alone(kind, stuck.first)
    if (mayBeDivided(parcel, stuck)) {
      // Whatever its length was, that was not what the server said.
      const lead = divide(parcel, undefined)
      if (!isLikeTaken(stuck)) leads.set(kind, lead)
      server.givenUp()
    } else if (parcel.stretch.count === 1 && isHopeless(stuck) && kind !== 'create') {
      isBack(parcel)
      giveUp(parcel, error)
    } else if (isAlone(stuck)) {
      const delayMs = putOff(stuck, error.retryAfterMs, mostMsOf(parcel))
      comeAgain(parcel)
      server.givenUp()
      watch.onRetry?.(error, Math.round(delayMs))
    } else {
      tryAgain(parcel, error, false)
      if (!isOfFiles(parcel)) putOff(stuck, pausing.wait() + BEHIND_MS)
    }
  }

  const mostMsOf = (parcel: Parcel): number => (isOfFiles(parcel) ? MOST_FILE_MS : MOST_MS)

  function comeAgain(parcel: Parcel): void {
    putBack(parcel)
    retried += parcel.stretch.count
  }

  function tryAgain(parcel: Parcel, error: CairnError, isUnmade: boolean): void {
    const kind = failureKind(error)
    if (kind === 'ambiguous') parcel.again = true
    else if (!parcel.again) acks.unsent(parcel.stretch)
    comeAgain(parcel)
    const delayMs = isOfFiles(parcel) ? filesFailed(parcel, error) : pausing.after(error, kind, isUnmade)
    watch.onRetry?.(error, Math.round(delayMs))
    if (kind === 'throttled' || away) return
    away = true
    watch.onSpooled?.(error)
  }

  /** Others go before them, which find out sooner whether the server is back. */
  function filesFailed(parcel: Parcel, error: CairnError): number {
    const theirs = pausing.afterFiles(error, failureKind(error))
    if (error.status !== 500) parcel.stuck = setBack(parcel.stuck, server.tally(kindOf(parcel)))
    return putOff(parcel.stuck!, Math.max(theirs + BEHIND_MS, error.retryAfterMs ?? 0), MOST_FILE_MS)
  }

  /** What was kept where it was logged has waited too, though this is its first request. */
  function isBack(parcel: Parcel): void {
    server.answered()
    lastError = undefined
    if (!away && !isKeptAtCall(parcel)) return
    away = false
    watch.onRecovered?.()
  }

  return {
    arrived(parcel) {
      const { stretch, of, steps, stuck } = parcel
      acks.arrived(stretch)
      choresArrived += steps.filter(isChore).length
      for (const path of keptFor(dir, steps)) clearKept(path)
      if (of && ++of.taken === 2 && !of.refused) server.limits.tooMany(of.count)
      lastDeliveredAt = Date.now()
      // Who hears that the server is back may end the process.
      if (away) acks.settle()
      pausing.arrived()
      leads.delete(kindOf(parcel))
      server.took(kindOf(parcel), stuck !== undefined && stuck.failures > 0)
      server.limits.taken(stretch.count)
      isBack(parcel)
    },
    failed(parcel, reason) {
      const error = asError(reason)
      lastError = error
      // A NaN goes by itself, behind all else of its request, which may have been taken.
      if (parcel.points.some(({ value }) => Number.isNaN(value))) parcel.again = true
      const isRefused = failureKind(error) === 'refused' && !isParking(error, parcel)
      // Without the run nothing of it would be anywhere: it waits for its experiment to be restored, say.
      const isUnmade = isRefused && parcel.steps.some((step) => 'create' in step)
      const is500 = !isRefused && error.status === 500
      const kind = kindOf(parcel)
      if (isRefused && !isUnmade) refused(parcel, error)
      else if (is500) stuckIn(parcel, error, stuckAgain(parcel.stuck, server.tally(kind), server.aloneSince(kind)))
      else tryAgain(parcel, error, isUnmade)
    },
    givenUp(parcel, isLeft) {
      parcel.again = true
      putBack(parcel)
      // Or its socket would hold the process again; a wait for it has it go at once.
      if (isLeft && isOfFiles(parcel)) {
        parcel.stuck = setBack(parcel.stuck, server.tally(kindOf(parcel)))
        putOff(parcel.stuck, MOST_FILE_MS, MOST_FILE_MS)
      }
      server.givenUp()
    },
    lost(stretch) {
      const what = `${stretch.count} ${stretch.lane === 'points' ? 'points' : 'parameters, tags or other steps'}`
      const reason = `${what} of run ${run.runId} were damaged on disk, removed or moved (${dir}), and are lost`
      refuse(stretch, new IntegrityError(reason), [{ lost: stretch }])
    },
    told(error) {
      setAside(place.dir, run.runId, error, [{ lost: true }])
      whyRefused.add(error)
      watch.onRefused?.(error, 0)
    },
    stopped(error) {
      lastError = error
    },
    refusals: whyRefused.take,
    get lastError() {
      return lastError
    },
    get retried() {
      return retried
    },
    get choresArrived() {
      return choresArrived
    },
    get lastDeliveredAt() {
      return lastDeliveredAt
    },
  }
}
