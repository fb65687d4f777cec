import { HEAD, type LogMemory, TAIL, VERSION, WATCH } from './memory.js'

/** How closely the other thread looks at a log: not until it is told, for more to send, or for points left in memory. */
export type Watching = 0 | 1 | 2

/** Another thread that looks at a log. */
export interface Onlooker {
  /** There is something to look at. */
  stir(): void
  /** The next key that points have. */
  key(name: string): void
}

/** What two threads tell each other of looking at a log, without a word while the other looks anyway. */
export interface Watch {
  /** From now on another thread looks at this log too. */
  by(onlooker: Onlooker | undefined): void
  readonly onlooker: Onlooker | undefined
  /** Tells it to look, as closely as said. */
  stir(closely: boolean): void
  readonly watching: Watching
  /**
   * Looks less closely from now on, in the thread that looks; false when there is something new: more than it knew of, or
   * points in memory.
   */
  rest(version: number): boolean
}

/** The watch over a log's memory. */
export function logWatch({ flags }: LogMemory): Watch {
  let onlooker: Onlooker | undefined
  return {
    by(other) {
      onlooker = other
    },
    get onlooker() {
      return onlooker
    },
    stir(closely) {
      if (onlooker === undefined) return
      const wanted = closely ? 2 : 1
      if (Atomics.load(flags, WATCH) >= wanted) return
      Atomics.store(flags, WATCH, wanted)
      onlooker.stir()
    },
    get watching() {
      return Atomics.load(flags, WATCH) as Watching
    },
    rest(version) {
      const now = Atomics.load(flags, WATCH)
      if (now === 0) return true
      Atomics.compareExchange(flags, WATCH, now, now - 1)
      // Looked at after that, since what came before it brought no word.
      const isEmpty = Atomics.load(flags, TAIL) === Atomics.load(flags, HEAD)
      const isQuiet = isEmpty && (now === 2 || Atomics.load(flags, VERSION) === version)
      if (!isQuiet) Atomics.compareExchange(flags, WATCH, now - 1, now)
      return isQuiet
    },
  }
}
