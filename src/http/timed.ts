import { onAbort } from '../core/shared-signal.js'
import { InvalidParameterError, TimeoutError } from '../errors.js'

/** A limit in time over one call. */
export interface Timed {
  /** Aborts at the limit, or with the caller's own signal. */
  readonly signal: AbortSignal
  /** Lifts the limit and leaves the caller's signal. */
  open(): void
  /** The call is over. */
  clear(): void
}

/** One limit in time over a call, joined with the caller's signal; one in the `background` does not hold the process. */
export function timed(outer: AbortSignal | undefined, ms: number, url: string, background = false): Timed {
  if (!(ms > 0)) throw new InvalidParameterError(`A time limit is a number of milliseconds above 0, not ${ms}`)
  const own = new AbortController()
  const timer = setTimeout(
    () => own.abort(new TimeoutError(`${url} did not answer within ${ms} ms`, { url })),
    Math.min(ms, 0x7fffffff),
  )
  if (background) timer.unref()
  const leave = onAbort(outer, (reason) => own.abort(reason))
  return {
    signal: own.signal,
    open: () => clearTimeout(timer),
    clear() {
      clearTimeout(timer)
      leave()
    },
  }
}
