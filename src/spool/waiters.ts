import type { Written } from './log.js'

/** Those who wait until a log is done with up to some place. */
export interface Waiters {
  /** Resolves to whether the log is done with up to there, at the latest after so long, or when the signal says so. */
  add(target: Written, timeoutMs: number, signal?: AbortSignal): Promise<boolean>
  /** Lets those go on whose wait is over; all of them when nothing more will be. */
  tell(isDone: (target: Written) => boolean, isOver: boolean): void
}

/** Nobody yet. */
export function waiters(): Waiters {
  const all = new Set<{ readonly target: Written; readonly resolve: (arrived: boolean) => void }>()
  return {
    async add(target, timeoutMs, signal) {
      let limit: NodeJS.Timeout | undefined
      let waiter: { target: Written; resolve: (arrived: boolean) => void } | undefined
      const waited = new Promise<boolean>((resolve) => {
        waiter = { target, resolve }
        all.add(waiter)
        limit = setTimeout(() => resolve(false), timeoutMs)
        signal?.addEventListener('abort', () => resolve(false), { once: true })
      })
      const arrived = await waited
      clearTimeout(limit)
      if (waiter) all.delete(waiter)
      return arrived
    },
    tell(isDone, isOver) {
      for (const { target, resolve } of all) if (isOver || isDone(target)) resolve(isDone(target))
    },
  }
}
