import { TimeoutError } from '../errors.js'
import type { BufferStats } from '../tracking/metric-buffer.js'
import type { Outlet } from './outlet.js'

/** What a run knows at its end. */
export interface AtEnd {
  readonly stats: BufferStats
  /** How much of what was refused nobody turned down: it was given up. */
  readonly givenUp: number
  /** How much was sent when nobody could hear of it any more. */
  readonly adrift: number
  /** The calls that are not through, in words. */
  readonly calls: string | undefined
  readonly outlet: Pick<Outlet, 'isSettled' | 'isEndRefused' | 'kept' | 'remedy' | 'loss'>
  /** What was waited for in vain. */
  readonly error: unknown
}

/** What of all that was logged is not where it belongs, and what to do about it; undefined when everything is. */
export function whatIsLeft({ stats, givenUp, adrift, calls, outlet, error }: AtEnd): string | undefined {
  const { queued, inFlight, spooled } = stats
  const refused = stats.refused - givenUp
  const waiting = queued + inFlight - adrift + spooled
  const open = waiting + givenUp
  const lost = givenUp + (outlet.remedy === undefined ? 0 : Math.max(0, waiting - outlet.kept))
  const left = [
    calls,
    refused > 0 && `${refused} refused`,
    outlet.isEndRefused && 'its status refused',
    open > 0 && lost === 0 && `${open} not delivered`,
    lost > 0 && open > lost && `${open - lost} ${outlet.remedy ?? 'not delivered'}`,
    lost > 0 && `${lost} ${outlet.remedy ? 'could not be written to disk and are lost' : 'not delivered and lost'}`,
    adrift > 0 && `${adrift} sent and not answered, which may have arrived`,
    open === 0 && !outlet.isSettled && 'its status not delivered',
  ].filter((part) => part)
  if (left.length === 0) return undefined
  const isKept = (open > 0 || !outlet.isSettled) && lost === 0 && outlet.remedy
  return [left.join(', '), isKept, whyLeft({ outlet, error })].filter((part) => part).join(': ')
}

/** Why it is; the first of several reasons. A wait that was too short says less than what kept it waiting. */
export function whyLeft({ outlet, error }: Pick<AtEnd, 'outlet' | 'error'>): string | undefined {
  return outlet.loss?.message ?? reasonOf(error)
}

function reasonOf(error: unknown): string | undefined {
  const { cause } = (error ?? {}) as Error
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0])
  return (error instanceof TimeoutError && cause ? (cause as Error) : (error as Error | undefined))?.message
}
