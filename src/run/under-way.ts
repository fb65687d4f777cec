import { waiters } from '../host/waiters.js'

/** The calls to a run that are not through yet, whether somebody waits for them or not. */
export interface UnderWay {
  /** The same verbs, each under its name; an outcome is the caller's alone to hear of. */
  each<V extends { readonly [K in keyof V]: (...args: never[]) => Promise<unknown> }>(verbs: V): V
  /** Resolves when nothing is under way, or after `timeoutMs` milliseconds. */
  through(timeoutMs: number): Promise<void>
  /** What is not through, in words; undefined when all is. */
  readonly left: string | undefined
}

/** Keeps account of what was begun; `begin` is asked before anything is, and may throw; `kept` is how much waits on disk. */
export function underWay(begin: () => void, kept: () => number): UnderWay {
  const open = new Set<{ readonly name: string }>()
  const waiting = waiters<undefined>()

  // Nothing is hung on the promise that the caller gets: that would make a failure look as if it were heard of.
  async function during<T>(name: string, act: () => Promise<T>): Promise<T> {
    begin()
    const call = { name }
    open.add(call)
    try {
      const before = kept()
      const outcome = act()
      // What is on disk at once is through, also for a process that gives its promise no turn to say so.
      if (kept() > before) open.delete(call)
      return await outcome
    } finally {
      open.delete(call)
      if (open.size === 0) waiting.tell(() => true)
    }
  }

  return {
    each<V extends { readonly [K in keyof V]: (...args: never[]) => Promise<unknown> }>(verbs: V): V {
      const all = Object.entries(verbs as Record<string, (...args: never[]) => Promise<unknown>>)
      return Object.fromEntries(
        all.map(([name, verb]) => [name, (...args: never[]) => during(name, () => verb(...args))]),
      ) as V
    },
    async through(timeoutMs) {
      if (open.size > 0) await waiting.add(undefined, timeoutMs)
    },
    get left() {
      if (open.size === 0) return undefined
      const counts = new Map<string, number>()
      for (const { name } of open) counts.set(name, (counts.get(name) ?? 0) + 1)
      const names = [...counts].map(([name, count]) => (count === 1 ? name : `${count} ${name}`))
      return `${open.size} ${open.size === 1 ? 'call' : 'calls'} not through (${names.join(', ')})`
    },
  }
}
