import { HEAD, type LogMemory, TAIL, VERSION, WATCH } from './memory.js'

/**
 * How closely the other thread looks at a log: not until it is told, for more to send, as one that was told of points left
 * in memory, or as one that sees to those every few milliseconds.
 */
export type Watching = 0 | 1 | 2 | 3

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
  /** Whether the other thread sees to what is left in memory. */
  readonly isMinded: boolean
  /** Sees to what is left in memory from now on, in the thread that looks. */
  mind(): void
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
      // A new one is to be told, whatever the one before it knew.
      Atomics.store(flags, WATCH, 0)
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
    get isMinded() {
      return Atomics.load(flags, WATCH) === 3
    },
    mind: () => void Atomics.compareExchange(flags, WATCH, 2, 3),
    rest(version) {
      const now = Atomics.load(flags, WATCH)
      if (now === 0) return true
      const less = now > 1 ? 1 : 0
      Atomics.compareExchange(flags, WATCH, now, less)
      // Looked at after that, since what came before it brought no word.
      const isEmpty = Atomics.load(flags, TAIL) === Atomics.load(flags, HEAD)
      const isQuiet = isEmpty && (less === 1 || Atomics.load(flags, VERSION) === version)
      if (!isQuiet) Atomics.compareExchange(flags, WATCH, less, now)
      return isQuiet
    },
  }
}
