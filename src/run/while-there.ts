import { onAbort } from '../core/shared-signal.js'
import { CairnError, UnavailableError } from '../errors.js'
import { mayWait } from './outages.js'
import type { SpooledOutlet } from './spooled.js'

/** What came of something that was tried with a server: its answer, or why the server counts as away. */
export type Tried<T> = { readonly value: T } | { readonly reason: CairnError }

/**
 * Does something with the server as long as that is not known to be away and does not go silent; answers why when it is.
 * Where the run ends meanwhile, it is kept `instead`, and only then broken off.
 */
export type WhileThere = <T>(
  signal: AbortSignal | undefined,
  /** `moved` is called with each part that the server has taken. */
  act: (signal: AbortSignal, moved: () => void) => Promise<T>,
  instead?: () => Promise<T>,
) => Promise<Tried<T>>

/** How often a call that waits for its answer looks whether the server is known to be away. */
const LOOK_MS = 250
/** From then on a server that has said nothing is asked for something small; one that answers is only slow. */
const ASK_MS = 5_000
const SILENT_MS = 10_000

/** How long a server has neither taken nor said anything, by looks; `ask` gets any answer of it. */
function silence(ask: (signal: AbortSignal) => Promise<unknown>) {
  let silentMs = 0
  let lookedAt = performance.now()
  let asking: AbortController | undefined
  const heard = (): void => {
    silentMs = 0
  }

  function askIt(): void {
    const given = new AbortController()
    asking = given
    ask(given.signal)
      .then(heard, (error: unknown) => {
        if (error instanceof CairnError && error.status !== undefined) heard()
      })
      .finally(() => {
        if (asking === given) asking = undefined
      })
  }

  return {
    heard,
    /** Whether it is gone, as far as can be told. */
    isTooLong(): boolean {
      const now = performance.now()
      // While this thread was busy nothing could be heard.
      silentMs += Math.min(now - lookedAt, 2 * LOOK_MS)
      lookedAt = now
      if (silentMs >= SILENT_MS) return true
      if (silentMs >= ASK_MS && !asking) askIt()
      return false
    },
    end: () => asking?.abort(),
  }
}

/** What a run does straight with its server, which answers when it is asked. */
export function whileThere(
  outlet: Pick<SpooledOutlet, 'awayFor' | 'leaving'>,
  ask: (signal: AbortSignal) => Promise<unknown>,
): WhileThere {
  return async <T>(
    signal: AbortSignal | undefined,
    act: (signal: AbortSignal, moved: () => void) => Promise<T>,
    instead?: () => Promise<T>,
  ): Promise<Tried<T>> => {
    const given = new AbortController()
    const silent = silence(ask)
    const look = setInterval(() => {
      const tooLong = () =>
        silent.isTooLong() && new UnavailableError(`The server has said nothing for ${SILENT_MS / 1000} s`)
      const reason = outlet.awayFor ?? tooLong()
      if (!reason) return
      clearInterval(look)
      given.abort(reason)
    }, LOOK_MS)
    let kept: Promise<{ readonly value: T } | undefined> | undefined
    const stay = onAbort(outlet.leaving, (reason) => {
      kept = instead?.().then(
        (value) => {
          given.abort(reason)
          return { value }
        },
        () => undefined,
      )
    })
    try {
      return { value: await act(signal ? AbortSignal.any([signal, given.signal]) : given.signal, silent.heard) }
    } catch (error) {
      const done = await kept
      if (done) return done
      signal?.throwIfAborted()
      // What was known then: it may be over by now.
      const reason = given.signal.aborted ? (given.signal.reason as CairnError) : undefined
      if (reason) return { reason }
      if (!mayWait(error)) throw error
      return { reason: error }
    } finally {
      clearInterval(look)
      silent.end()
      stay()
    }
  }
}
