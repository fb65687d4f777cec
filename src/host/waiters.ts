/** Calls that wait until something has come as far as each of them needs it. */
export interface Waiters<T> {
  readonly size: number
  /** Resolves to whether it came as far as `target`, at the latest after `timeoutMs` milliseconds, or when the signal is aborted. */
  add(target: T, timeoutMs: number, signal?: AbortSignal): Promise<boolean>
  /** Lets those go on whose wait is over; all of them when it comes no further. */
  tell(isDone: (target: T) => boolean, isOver?: boolean): void
}

/** Holds calls that wait for something until they are told how far it has come. */
export function waiters<T>(): Waiters<T> {
  const all = new Set<{ readonly target: T; readonly resolve: (isDone: boolean) => void }>()
  return {
    get size() {
      return all.size
    },
    async add(target, timeoutMs, signal) {
      let leave = (): void => {}
      const isDone = await new Promise<boolean>((resolve) => {
        const waiter = { target, resolve }
        const giveUp = () => resolve(false)
        const limit = setTimeout(giveUp, timeoutMs)
        signal?.addEventListener('abort', giveUp, { once: true })
        all.add(waiter)
        leave = () => {
          clearTimeout(limit)
          signal?.removeEventListener('abort', giveUp)
          all.delete(waiter)
        }
      })
      leave()
      return isDone
    },
    tell(isDone, isOver = false) {
      for (const { target, resolve } of all) {
        const done = isDone(target)
        if (done || isOver) resolve(done)
      }
    },
  }
}
