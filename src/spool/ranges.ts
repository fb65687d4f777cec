/** A set of whole numbers from 0 on, kept as stretches: what of a log is done with. */
export interface Ranges {
  add(first: number, count: number): void
  /** Everything below is in. */
  readonly watermark: number
  /** How many numbers are in. */
  readonly size: number
  /** All that is in, in order. */
  readonly stretches: { readonly first: number; readonly count: number }[]
  /** The parts of a stretch that are not in yet, in order. */
  missing(first: number, count: number): { readonly first: number; readonly count: number }[]
}

/** An empty set. */
export function ranges(): Ranges {
  /** Sorted, apart from each other: [from, to). */
  let stretches: [number, number][] = []
  const set: Ranges = {
    add(first, count) {
      if (count <= 0) return
      let from = first
      let to = first + count
      const kept: [number, number][] = []
      for (const [a, b] of stretches) {
        if (b < from || a > to) kept.push([a, b])
        else {
          from = Math.min(from, a)
          to = Math.max(to, b)
        }
      }
      kept.push([from, to])
      stretches = kept.sort(([a], [b]) => a - b)
    },
    get watermark() {
      const [head] = stretches
      return head && head[0] === 0 ? head[1] : 0
    },
    get size() {
      return stretches.reduce((sum, [a, b]) => sum + b - a, 0)
    },
    get stretches() {
      return stretches.map(([a, b]) => ({ first: a, count: b - a }))
    },
    missing(first, count) {
      const gaps: { first: number; count: number }[] = []
      let at = first
      for (const [a, b] of stretches) {
        if (b <= at) continue
        if (a >= first + count) break
        if (a > at) gaps.push({ first: at, count: a - at })
        at = Math.max(at, b)
      }
      if (at < first + count) gaps.push({ first: at, count: first + count - at })
      return gaps
    },
  }
  return set
}
