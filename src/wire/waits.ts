/** What this thread waits for another one to do. */
export interface Waits {
  /** Asks, and resolves when that was answered; after `ms` milliseconds at the latest. */
  answer(ask: () => void, ms: number): Promise<void>
  /** Resolves when `isSo()`, which is asked whenever the other thread tells of anything; after `ms` milliseconds at the latest. */
  until(isSo: () => boolean, ms: number, signal: AbortSignal | undefined): Promise<void>
  /** Answers come in the order in which they were asked for. */
  answered(): void
  /** The other thread has told of something. */
  look(): void
  /** Nobody answers any more. */
  giveUp(): void
}

/** Holds each call until the other thread has answered it, or told of what it waits for. */
export function waits(): Waits {
  const asking: (() => void)[] = []
  const sleepers = new Set<() => void>()
  const lookAll = (): void => {
    for (const look of sleepers) look()
  }
  return {
    answer: (ask, ms) =>
      new Promise((resolve) => {
        const limit = setTimeout(resolve, ms)
        asking.push(() => {
          clearTimeout(limit)
          resolve()
        })
        ask()
      }),
    until: (isSo, ms, signal) =>
      new Promise((resolve) => {
        const look = () => {
          if (isSo() || signal?.aborted) end()
        }
        const end = () => {
          clearTimeout(limit)
          sleepers.delete(look)
          signal?.removeEventListener('abort', look)
          resolve()
        }
        const limit = setTimeout(end, ms)
        sleepers.add(look)
        signal?.addEventListener('abort', look)
        look()
      }),
    answered: () => asking.shift()?.(),
    look: lookAll,
    giveUp() {
      for (const answer of asking.splice(0)) answer()
      lookAll()
    },
  }
}
