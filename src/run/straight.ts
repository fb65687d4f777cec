import type { Batch } from '../core/batch.js'
import { IntegrityError, UnavailableError } from '../errors.js'
import type { Courier } from '../spool/courier.js'
import { asError } from '../spool/failures.js'
import type { Step } from '../spool/steps.js'

export interface StraightOptions {
  readonly courier: () => Promise<Courier>
  /** The run's id on its server, when it has one. */
  readonly runId: () => string | undefined
  /** Whether steps wait on disk that come before any other. */
  readonly isBehind: () => boolean
  /** Where what was to make the run is lost with. */
  readonly lostWith: () => string | undefined
}

/** The way of what the disk does not take: to the server in one try, behind what waits on disk where the order counts. */
export interface StraightWay {
  /** Rejects with the reason when it has not arrived. */
  send(batch: Batch, steps: readonly Step[]): Promise<void>
  /** So many entries have arrived this way, the last of them at that time. */
  readonly arrived: number
  readonly lastAt: number | undefined
}

const LIMIT_MS = 10_000

/** Nothing has gone that way yet. */
export function straightWay({ courier, runId, isBehind, lostWith }: StraightOptions): StraightWay {
  let arrived = 0
  let lastAt: number | undefined

  function idOnServer(): string {
    const id = runId()
    if (id !== undefined) return id
    const place = lostWith()
    if (place !== undefined)
      throw new IntegrityError(`The run is not made on its server: what was to make it was lost with ${place}`)
    throw new UnavailableError('The run is not made on its server yet')
  }

  return {
    async send(batch, steps) {
      const options = { again: false, signal: AbortSignal.timeout(LIMIT_MS) }
      if (steps.length > 0 && isBehind()) throw new UnavailableError('What was logged before is still on its way')
      const id = idOnServer()
      const [first] = steps
      try {
        const way = await courier()
        if (first && 'call' in first) await way.call(id, first.call, first.input, options)
        else await way.batch(id, batch, options)
      } catch (error) {
        throw asError(error)
      }
      arrived += batch.metrics.length + steps.length
      lastAt = Date.now()
    },
    get arrived() {
      return arrived
    },
    get lastAt() {
      return lastAt
    },
  }
}
