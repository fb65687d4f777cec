/** Rows of numbers, all of one length. */
export type Matrix = readonly (readonly number[])[]

/** The product of `a` (n × k) and `b` (k × m). */
export const multiply = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)))

/** Rows and columns exchanged. */
export const transpose = (a: Matrix): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!))

/** `fn` of the two values at each place; where `b` has a single row, it stands for all of them. */
export const zip = (a: Matrix, b: Matrix, fn: (x: number, y: number) => number): number[][] =>
  a.map((row, i) => row.map((value, j) => fn(value, b[b.length === 1 ? 0 : i]![j]!)))

/** One row: the sum of each column. */
export const columnSums = (a: Matrix): number[][] => [a[0]!.map((_, j) => a.reduce((sum, row) => sum + row[j]!, 0))]

/** Where the greatest value stands in each row. */
export const argMax = (a: Matrix): number[] => a.map((row) => row.indexOf(Math.max(...row)))

/** Numbers in [0, 1), the same ones for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A shuffled copy (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const copy = [...items]
  for (let last = copy.length - 1; last > 0; last--) {
    const pick = Math.floor(next() * (last + 1))
    ;[copy[last], copy[pick]] = [copy[pick]!, copy[last]!]
  }
  return copy
}
