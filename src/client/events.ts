import { EventEmitter } from 'node:events'
import { guarded } from '../core/guarded.js'
import type { CairnError } from '../errors.js'
import type { DeliveryEvents } from '../spool/deliverer.js'
import { checkListening } from './arguments.js'

/** What a client tells its listeners. */
export interface ClientEvents {
  /** A request was not taken and is tried again after `delayMs`. */
  retry: { readonly runId: string; readonly error: CairnError; readonly delayMs: number }
  /** Points, parameters or tags were turned down for good. */
  refused: { readonly runId: string; readonly error: CairnError; readonly count: number }
  /** The server does not take what is logged: it waits on disk. */
  spooled: { readonly runId: string; readonly error: CairnError }
  /** The backend takes what is logged again after an outage. */
  recovered: { readonly runId: string }
}

/** Where runs tell what happens to them, and who listens. */
export interface Listening {
  on<E extends keyof ClientEvents>(event: E, listener: (detail: ClientEvents[E]) => void): () => void
  /** What one run tells. */
  of(runId: string): Pick<DeliveryEvents, 'onRetry' | 'onRefused' | 'onSpooled' | 'onRecovered'>
}

/** Passes on what runs tell to whoever listens; a listener that fails is warned of and stops nothing. */
export function listening(warn: (message: string) => void): Listening {
  const events = new EventEmitter()
  const tell = <E extends keyof ClientEvents>(event: E, detail: ClientEvents[E]) => void events.emit(event, detail)
  return {
    on(event, listener) {
      checkListening(event, listener)
      const heard = guarded(listener, (error) => {
        const why = (error as Error | undefined)?.message ?? String(error)
        warn(`A listener of ${JSON.stringify(event)} failed (${why}); it is called again, and told of no more`)
      })
      events.on(event, heard)
      return () => void events.off(event, heard)
    },
    of: (runId) => ({
      onRetry: (error, delayMs) => tell('retry', { runId, error, delayMs }),
      onRefused: (error, count) => tell('refused', { runId, error, count }),
      onSpooled: (error) => tell('spooled', { runId, error }),
      onRecovered: () => tell('recovered', { runId }),
    }),
  }
}
