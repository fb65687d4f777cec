import type { CairnError } from '../errors.js'
import { isOutage } from './offline.js'
import type { SpooledOutlet } from './spooled.js'

/** What came of something that was tried with a server: its answer, or why the server counts as away. */
export type Tried<T> = { readonly value: T } | { readonly reason: CairnError }

/**
 * Does something with the server as long as that is not known to be away; answers why when it is. Where the run ends
 * meanwhile, it is kept `instead`, and only then broken off.
 */
export type WhileThere = <T>(
  signal: AbortSignal | undefined,
  act: (signal: AbortSignal) => Promise<T>,
  instead?: () => Promise<T>,
) => Promise<Tried<T>>

/** How often one that waits for its answer looks whether the server is known to be away. */
const LOOK_MS = 250

/** What a run does straight with its server. */
export function whileThere(outlet: Pick<SpooledOutlet, 'awayFor' | 'leaving'>): WhileThere {
  /** What to do when the run ends. */
  const leavers = new Set<() => void>()
  outlet.leaving.addEventListener('abort', () => {
    for (const leave of leavers) leave()
  })

  return async <T>(
    signal: AbortSignal | undefined,
    act: (signal: AbortSignal) => Promise<T>,
    instead?: () => Promise<T>,
  ): Promise<Tried<T>> => {
    const given = new AbortController()
    const look = setInterval(() => outlet.awayFor && given.abort(outlet.awayFor), LOOK_MS)
    let kept: Promise<{ readonly value: T } | undefined> | undefined
    const leave = (): void => {
      kept = instead?.().then(
        (value) => {
          given.abort(outlet.leaving.reason)
          return { value }
        },
        () => undefined,
      )
    }
    leavers.add(leave)
    try {
      return { value: await act(signal ? AbortSignal.any([signal, given.signal]) : given.signal) }
    } catch (error) {
      const done = await kept
      if (done) return done
      signal?.throwIfAborted()
      // What was known then: it may be over by now.
      const reason = given.signal.aborted ? (given.signal.reason as CairnError) : undefined
      if (reason) return { reason }
      if (!isOutage(error)) throw error
      return { reason: error }
    } finally {
      clearInterval(look)
      leavers.delete(leave)
    }
  }
}
