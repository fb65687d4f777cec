import type { Pauses } from './pauses.js'
import type { ServerState } from './server.js'

/** When the requests of one run go out: points wait for company, unless somebody waits for them. */
export interface Schedule {
  /** Now is the time: what was planned is no more. */
  begin(): void
  /** Whether a request may go out now, of all runs; if not, it is planned for when it may. */
  mayGo(): boolean
  /** Whether points went out so lately that others wait, unless they fill a request. */
  isTooSoon(): boolean
  pointsLeave(): void
  /** There is more to send. */
  wake(): void
  /** Something was left that could not be sent yet; `isBarred` where it may wait for something else. */
  again(isBarred: boolean): void
  later(ms: number): void
  /** Somebody waits from now on, and the process stays for it. */
  hurry(): void
  /** As it was before a `hurry`. */
  calm(): void
  isHurried(): boolean
  stop(): void
}

/** A request of points that is not full waits this long for more to come. */
const COMPANY_MS = 200
/** It leaves no sooner than this after the last one with points: each costs a training some of the processor. */
const APART_MS = 1_000

/** Decides when the requests of one run leave; `goOn` is called whenever it is time. */
export function schedule(server: ServerState, pausing: Pauses, goOn: () => void): Schedule {
  let hurried = 0
  /** When points went last: steps that come all the time do not hold them up. */
  let pointsSentAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  /** False while it waits for its turn among all runs. */
  let isNext = true
  const unsubscribe = server.onChange(goOn)

  function later(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(goOn, ms)
    if (hurried === 0) timer.unref()
  }

  /** Points that would go now wait at least this long. */
  const gather = () => Math.ceil(Math.max(COMPANY_MS, pointsSentAt + APART_MS - performance.now()))

  return {
    begin() {
      clearTimeout(timer)
      timer = undefined
      isNext = true
    },
    mayGo() {
      const wait = pausing.wait()
      if (wait > 0) later(wait)
      else isNext = server.mayBegin(goOn, hurried > 0)
      return wait <= 0 && isNext
    },
    isTooSoon: () => hurried === 0 && performance.now() - pointsSentAt < APART_MS,
    pointsLeave() {
      pointsSentAt = performance.now()
    },
    // What fills a request waits as well: a quick loop would share its processor with us all the time.
    wake() {
      if (timer === undefined && isNext) later(hurried > 0 ? 0 : gather())
    },
    again(isBarred) {
      if (timer === undefined && isNext) later(hurried > 0 || isBarred ? COMPANY_MS : gather())
    },
    later,
    hurry() {
      hurried++
      pausing.lift()
      server.nudge()
    },
    calm() {
      hurried--
      if (hurried === 0) timer?.unref()
    },
    isHurried: () => hurried > 0,
    stop() {
      clearTimeout(timer)
      unsubscribe()
    },
  }
}
