import type { Batch } from '../core/batch.js'
import { type CairnError, IntegrityError, UnavailableError } from '../errors.js'
import type { CarryOptions, Courier } from '../spool/courier.js'
import { asError } from '../spool/failures.js'
import { isChore, type Step } from '../spool/steps.js'

/** A step that goes as a call of its own. */
export type CallStep = Extract<Step, { readonly call: string }>

export interface StraightOptions {
  readonly courier: () => Promise<Courier>
  /** The run's id on its server, when it has one. */
  readonly runId: () => string | undefined
  /** Whether steps wait on disk that come before any other. */
  readonly isBehind: () => boolean
  /** The folder with which the run's creation record was lost. */
  readonly lostWith: () => string | undefined
}

/**
 * The way of what the disk does not take: to the server in one try, behind what waits on disk where the order counts. None
 * of it holds the process: who waits for it does.
 */
export interface StraightWay {
  /** Both reject with the reason when it has not arrived; `failure` is why the disk does not take it. */
  batch(batch: Batch, failure: CairnError, how: CarryOptions): Promise<void>
  call(step: CallStep, failure: CairnError, signal?: AbortSignal): Promise<void>
  /** So much of what was logged has arrived this way, the last of it at that time. */
  readonly arrived: number
  readonly lastAt: number | undefined
}

/** What is sent: how many steps, how many entries that were logged, and why it does not go to disk. */
interface Sending {
  readonly steps: number
  readonly logged: number
  readonly failure: CairnError
  readonly how: CarryOptions
}

/** Nothing has gone that way yet. */
export function straightWay({ courier, runId, isBehind, lostWith }: StraightOptions): StraightWay {
  let arrived = 0
  let lastAt: number | undefined

  const notNow = (why: string, { message }: CairnError) =>
    new UnavailableError(`${why}, and it cannot be kept on disk meanwhile: ${message}`, { notSent: true })

  function idOnServer(failure: CairnError): string {
    const id = runId()
    if (id !== undefined) return id
    const place = lostWith()
    if (place !== undefined)
      throw new IntegrityError(`The run is not made on its server: what was to make it was lost with ${place}`)
    throw notNow('The run is not made on its server yet', failure)
  }

  async function send(
    { steps, logged, failure, how }: Sending,
    act: (way: Courier, id: string) => Promise<void>,
  ): Promise<void> {
    if (steps > 0 && isBehind()) throw notNow('What was logged before is still on its way', failure)
    const id = idOnServer(failure)
    try {
      await act(await courier(), id)
    } catch (error) {
      throw asError(error)
    }
    // What was given up meanwhile is counted by who gave it up.
    if (how.signal.aborted) return
    arrived += logged
    lastAt = Date.now()
  }

  return {
    batch(batch, failure, how) {
      const steps = batch.params.length + batch.tags.length
      return send({ steps, logged: steps + batch.metrics.length, failure, how }, (way, id) => way.batch(id, batch, how))
    },
    call(step, failure, signal = new AbortController().signal) {
      const how = { again: false, signal }
      const { call, input } = step
      return send({ steps: 1, logged: isChore(step) ? 0 : 1, failure, how }, (way, id) =>
        way.call(id, call, input, how),
      )
    },
    get arrived() {
      return arrived
    },
    get lastAt() {
      return lastAt
    },
  }
}
