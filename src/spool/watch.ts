import { HEAD, type LogMemory, SEEN, TAIL, VERSION, WATCH } from './memory.js'

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
   * How many milliseconds before `now` the other thread saw to all that was in memory, many where it does not do so now;
   * `Infinity` before it has looked at all.
   */
  seenAgo(now: number): number
  /** Said by the thread that looks: all that was in memory at `now` is on disk, and so it goes on. */
  seen(now: number): void
  /** Said by the thread that looks: it does not see to what is in memory. */
  unseen(): void
  /**
   * Looks less closely from now on, in the thread that looks; false when there is something new: more than it knew of, or
   * points in memory.
   */
  rest(version: number): boolean
  /** Looks no more. */
  ignore(): void
}

/** Long ago, for what is to be every few milliseconds. */
const LONG_MS = 60_000

/** A time for a place of 32 bits, never 0. */
const stampOf = (now: number): number => now | 0 || 1

/** The watch over a log's memory. */
export function logWatch({ flags }: LogMemory): Watch {
  let onlooker: Onlooker | undefined

  const unseen = () => void Atomics.store(flags, SEEN, stampOf(Date.now() - LONG_MS))

  function ignore(): void {
    Atomics.store(flags, SEEN, 0)
    Atomics.store(flags, WATCH, 0)
  }

  return {
    by(other) {
      onlooker = other
      // A new one is to be told, whatever the one before it knew.
      ignore()
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
    seenAgo(now) {
      const seen = Atomics.load(flags, SEEN)
      if (seen === 0) return Number.POSITIVE_INFINITY
      const ago = (stampOf(now) - seen) | 0
      // A clock that was set back tells nothing until it is looked again.
      return ago < 0 ? Number.POSITIVE_INFINITY : ago
    },
    unseen,
    seen: (now) => void Atomics.store(flags, SEEN, stampOf(now)),
    rest(version) {
      const now = Atomics.load(flags, WATCH)
      if (now === 0) return true
      const seen = Atomics.load(flags, SEEN)
      unseen()
      Atomics.compareExchange(flags, WATCH, now, now - 1)
      // Looked at after that, since what came before it brought no word.
      const isEmpty = Atomics.load(flags, TAIL) === Atomics.load(flags, HEAD)
      const isQuiet = isEmpty && (now === 2 || Atomics.load(flags, VERSION) === version)
      if (isQuiet) return true
      Atomics.compareExchange(flags, WATCH, now - 1, now)
      Atomics.store(flags, SEEN, seen)
      return false
    },
    ignore,
  }
}
