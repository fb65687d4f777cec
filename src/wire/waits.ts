/** What those of one thread wait for that another thread does. */
export interface Waits {
  /** Asks, and resolves when that was answered; at the latest after so long. */
  answer(ask: () => void, ms: number): Promise<void>
  /** Resolves when something is so, which is looked at whenever the other thread tells of anything; at the latest after so long. */
  until(isSo: () => boolean, ms: number, signal: AbortSignal | undefined): Promise<void>
  /** Answers come in the order in which they were asked for. */
  answered(): void
  /** The other thread has told of something. */
  look(): void
  /** Nobody answers any more. */
  giveUp(): void
}

/** Nobody waits yet. */
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
