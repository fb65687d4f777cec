/** Calls that are made again and again, by one timer for all of them. */
export interface Rhythm {
  add(call: () => void): void
  delete(call: () => void): void
}

/** Calls all that were added every so many milliseconds, and keeps the process alive for as long as there is one. */
export function rhythm(ms: number): Rhythm {
  const calls = new Set<() => void>()
  let timer: NodeJS.Timeout | undefined
  return {
    add(call) {
      calls.add(call)
      timer ??= setInterval(() => {
        for (const one of calls) one()
      }, ms)
    },
    delete(call) {
      calls.delete(call)
      if (calls.size > 0) return
      clearInterval(timer)
      timer = undefined
    },
  }
}
