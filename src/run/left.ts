import type { BufferStats } from '../tracking/metric-buffer.js'
import type { Outlet } from './outlet.js'

/** What a run knows at its end. */
export interface AtEnd {
  readonly stats: BufferStats
  /** The calls that are not through, in words. */
  readonly calls: string | undefined
  readonly outlet: Pick<Outlet, 'isSettled' | 'isEndRefused' | 'kept' | 'remedy' | 'loss'>
  /** What was waited for in vain. */
  readonly error: unknown
}

/** What of all that was logged is not where it belongs, and what to do about it; undefined when everything is. */
export function whatIsLeft({ stats, calls, outlet, error }: AtEnd): string | undefined {
  const { queued, inFlight, spooled, refused } = stats
  const open = queued + inFlight + spooled
  const lost = outlet.remedy === undefined ? 0 : Math.max(0, open - outlet.kept)
  const left = [
    calls,
    refused > 0 && `${refused} refused`,
    outlet.isEndRefused && 'its status refused',
    open > 0 && lost === 0 && `${open} not delivered`,
    lost > 0 && open > lost && `${open - lost} ${outlet.remedy}`,
    lost > 0 && `${lost} could not be written to disk and are lost`,
    open === 0 && !outlet.isSettled && 'its status not delivered',
  ].filter((part) => part)
  if (left.length === 0) return undefined
  const isKept = (open > 0 || !outlet.isSettled) && lost === 0 && outlet.remedy
  // A wait that was too short says less than what kept it waiting.
  const { message } = (outlet.loss ?? (error as Error | undefined)?.cause ?? error ?? { message: '' }) as Error
  return [left.join(', '), isKept, message].filter((part) => part).join(': ')
}
