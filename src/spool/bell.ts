/** How a thread that writes a log has another one look at it, without a word while that one looks anyway. */
export interface Bell {
  /** Who is told, in this thread, when it begins to ring, or that it rings already; nobody any more, and it is silent. */
  heardBy(tell: (() => void) | undefined): void
  /** Rings until it is silenced; not where nobody would hear it. */
  ring(): void
  /** Passes on, in the thread that looks, that another thread has rung. */
  pass(): void
  readonly isRinging: boolean
  /** Silences it, in the thread that looks, unless there is something left to look at; answers whether. */
  silence(isQuiet: () => boolean): boolean
}

/** The bell at a place of a log's memory. */
export function bell(flags: Int32Array, place: number): Bell {
  let heard: (() => void) | undefined
  return {
    heardBy(tell) {
      heard = tell
      if (tell === undefined) Atomics.store(flags, place, 0)
      else if (Atomics.load(flags, place) === 1) tell()
    },
    ring() {
      if (heard === undefined || Atomics.load(flags, place) === 1) return
      Atomics.store(flags, place, 1)
      heard()
    },
    pass: () => heard?.(),
    get isRinging() {
      return Atomics.load(flags, place) === 1
    },
    silence(isQuiet) {
      Atomics.store(flags, place, 0)
      // Looked at after that, since what came before it brought no word.
      if (isQuiet()) return true
      Atomics.store(flags, place, 1)
      return false
    },
  }
}
