/** How long and how often a run is waited for at the natural end of its process, which comes again while something goes on. */
export interface NaturalEnd {
  /** Until when the last wait lasts, or has lasted, on the clock of `performance.now()`. */
  readonly by: number
  /** Has `act` wait until `by`, if there is time left; after the first time only where there `isMore` to wait for. */
  wait(isMore: () => boolean, act: (by: number) => Promise<void>): Promise<void>
}

/** A timer that holds nothing may log on for as long as it is waited for. */
const MOST_WAITS = 5

/** Gives all waits together one time, and no two at once. */
export function naturalEnd(timeoutMs: number): NaturalEnd {
  let by = Number.POSITIVE_INFINITY
  let isWaiting = false
  let waits = 0
  let leftMs = timeoutMs

  return {
    get by() {
      return by
    },
    async wait(isMore, act) {
      if (isWaiting || waits === MOST_WAITS || leftMs <= 0 || (waits > 0 && !isMore())) return
      isWaiting = true
      waits++
      by = performance.now() + leftMs
      await act(by)
      leftMs = by - performance.now()
      isWaiting = false
    },
  }
}
