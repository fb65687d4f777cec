import { type CairnError, TimeoutError } from '../errors.js'
import { waiters } from '../host/waiters.js'

/** How much has left each line that is served from the front. */
export interface Gone {
  /** Points that waited in the queue. */
  readonly queued: number
  /** Points that took the way past it. */
  readonly past: number
  /** Parameters, tags and removals. */
  readonly entries: number
}

/** Those that wait for what was logged before to be done with. */
export interface Flushes {
  readonly size: number
  /**
   * Resolves when all lines have got that far and nothing that left them is still being tried; rejects with `TimeoutError`,
   * whose text begins with what `left` says, and whose cause is what `last` says.
   */
  until(target: Gone, timeoutMs: number, left: () => string, last: () => CairnError | undefined): Promise<void>
  /** Lets those go on whose time has come. */
  tell(): void
}

/** Waits for lines to be done with; `gone` says how far the lines have got, `isTrying` whether something that left them is neither delivered nor refused. */
export function flushes(gone: () => Gone, isTrying: () => boolean): Flushes {
  const waiting = waiters<Gone>()

  // By lines, since what is logged later may overtake by another, and be delivered before what was logged first.
  function reached(target: Gone): boolean {
    const { queued, past, entries } = gone()
    return queued >= target.queued && past >= target.past && entries >= target.entries
  }

  return {
    get size() {
      return waiting.size
    },
    async until(target, timeoutMs, left, last) {
      if (!isTrying() && reached(target)) return
      if (await waiting.add(target, timeoutMs)) return
      const waited = `after ${Math.round(timeoutMs)} ms`
      throw new TimeoutError(`${left()} have not arrived ${waited}; they are still being tried`, { cause: last() })
    },
    tell() {
      if (!isTrying()) waiting.tell(reached)
    },
  }
}
