/** How many requests a run has under way at once: the fewest that bring about as many points a second as more would. */
export interface Pace {
  readonly atOnce: number
  /** A full request of `points` points was answered, which went out as one of `of` at once; `now` in milliseconds. */
  answered(of: number, points: number, now: number): void
  /** Fewer are under way than may be, or other ones: the answers say nothing of the server now. */
  slack(): void
}

/** Answers that are counted for each number at once. */
const ROUND = 16
/** What fewer at once may bring less. */
const AS_GOOD = 0.97
/** Answers after which all is found out anew: soon at first, as what was seen by chance may be wrong, then seldom. */
const AGAIN = { first: 200, most: 1000 }

/** Begins with the most at once, and tries one less or one more for as long as that is not known. */
export function pace(most: number): Pace {
  const unknown = () => new Array<number>(most + 1).fill(0)
  /** Points a millisecond, by how many requests were at once; 0 where that is not known. */
  let rates = unknown()
  let atOnce = most
  /** Since all was found out last; the very first ones are those of a cold server, and count for nothing. */
  let answers = -ROUND
  let until = AGAIN.first
  let count = 0
  let arrived = 0
  let since: number | undefined

  function next(): number {
    const least = AS_GOOD * Math.max(...rates)
    const best = rates.findIndex((rate) => rate >= least)
    return [best - 1, best + 1].find((near) => near > 0 && rates[near] === 0) ?? best
  }

  return {
    get atOnce() {
      return atOnce
    },
    answered(of, points, now) {
      if (++answers >= until) {
        answers = 0
        until = Math.min(AGAIN.most, until * 2)
        rates = unknown()
        since = undefined
      }
      if (of !== atOnce || answers <= 0) return
      if (since === undefined) {
        since = now
        count = 0
        arrived = 0
        return
      }
      arrived += points
      if (++count < ROUND) return
      rates[atOnce] = arrived / Math.max(1, now - since)
      since = undefined
      atOnce = next()
    },
    slack() {
      since = undefined
    },
  }
}
