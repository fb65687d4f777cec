import { TimeoutError } from '../errors.js'
import type { Courier } from './courier.js'
import { type Flights, flights } from './flights.js'
import { MOST_AT_ONCE } from './limits.js'
import type { Outcomes, OutcomesOptions } from './outcomes.js'
import { pace } from './pace.js'
import type { Parcel } from './parcel.js'
import { rememberId } from './place.js'
import { sendParcel } from './send-parcel.js'

/** The requests of one run that are on their way. */
export interface Sender {
  /** The run's id on its server, once it has one. */
  runId(): string | undefined
  readonly out: Flights['out']
  /** Whether fewer requests with points are under way than may be. */
  isSlack(): boolean
  /** Notes that nothing makes it otherwise now: of the server the answers say less than they could. */
  slack(): void
  send(parcel: Parcel): void
  /** Gives up what is on its way, which then counts as perhaps arrived. */
  abandon(): void
  /** Gives it up for good; what comes back says something of the server alone. */
  stop(): void
}

export interface SenderOptions extends Omit<OutcomesOptions, 'runId' | 'putBack'> {
  readonly courier: Courier
  readonly outcome: Outcomes
  /** Whether nothing more is logged. */
  readonly isLeft: () => boolean
  readonly onArrived: () => void
  /** Told the run's id when its server has made it. */
  readonly onMade: (runId: string) => void
  /** Called after each request, whatever came of it. */
  readonly onBack: () => void
}

/** After requests that were given up. */
const REST_MS = 200

/** Sends the requests of one run and passes on what came of them. */
export function sender(options: SenderOptions): Sender {
  const { dir, place, run, acks, server, outcome, isLeft, onArrived, onBack } = options
  const pacing = pace(MOST_AT_ONCE)
  const { out, begin } = flights(dir)
  let runId = acks.runId ?? (run.local ? undefined : run.runId)
  let closing = new AbortController()
  let over = false

  const deps = {
    dir,
    courier: options.courier,
    runId: () => runId,
    onMade(made: string) {
      acks.mapped(made)
      rememberId(place, run.runId, made)
      runId = made
      options.onMade(made)
      options.watch.onMapped?.(made)
    },
  }

  function send(parcel: Parcel): void {
    const { stretch } = parcel
    acks.trying(stretch)
    server.sent()
    const flight = begin(parcel)
    const of = out.points
    const isTelling = parcel.points.length >= server.limits.batch.metrics && !parcel.again
    // Files take their time, and have connections of their own.
    if (!flight.carriesFiles) server.begun()
    const { signal } = closing
    // A courier that throws at once is one that fails.
    void (async () => sendParcel(deps, parcel, { again: parcel.again, signal }))()
      .then(
        () => {
          if (over) {
            server.answered()
            return
          }
          outcome.arrived(parcel)
          if (isTelling) pacing.answered(of, stretch.count, performance.now())
          else if (stretch.lane === 'points') pacing.slack()
          onArrived()
        },
        (reason: unknown) => {
          if (over) server.givenUp()
          else if (signal.aborted) outcome.givenUp(parcel, isLeft())
          else outcome.failed(parcel, reason)
        },
      )
      .finally(() => {
        flight.end()
        if (!flight.carriesFiles) server.ended()
        onBack()
      })
  }

  return {
    runId: () => runId,
    out,
    isSlack: () => out.points < Math.min(server.limits.atOnce, pacing.atOnce),
    slack: pacing.slack,
    send,
    abandon() {
      const before = closing
      closing = new AbortController()
      options.pausing.rest(REST_MS)
      before.abort(new TimeoutError('No answer came while there was time to wait'))
    },
    stop() {
      over = true
      closing.abort(new TimeoutError('The delivery was stopped'))
    },
  }
}
