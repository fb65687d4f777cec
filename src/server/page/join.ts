/** The points of one line, in rising order of x. */
export type Table = readonly [x: readonly number[], y: readonly (number | null)[]]

/** The points of one line in rising order of x: batches overtake each other on their way to a server. */
export function ordered(x: readonly number[], y: readonly (number | null)[]): Table {
  let rising = true
  for (let i = 1; i < x.length && rising; i++) rising = (x[i] ?? 0) >= (x[i - 1] ?? 0)
  if (rising) return [x, y]
  const order = x.map((_, index) => index).sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0))
  return [order.map((index) => x[index] ?? 0), order.map((index) => y[index] ?? null)]
}

/**
 * Lines over one common x. Points that share an x within one line all stay, one row each, so that no extreme is lost;
 * where a line has no point there is `undefined`, which drawing passes over, and `null` stays the gap it is.
 */
export function joined(tables: readonly Table[]): [number[], ...(number | null | undefined)[][]] {
  const at = tables.map(() => 0)
  const xs: number[] = []
  const ys: (number | null | undefined)[][] = tables.map(() => [])
  for (;;) {
    let next = Number.POSITIVE_INFINITY
    for (const [line, [x]] of tables.entries()) {
      const here = x[at[line] ?? 0]
      if (here !== undefined && here < next) next = here
    }
    if (next === Number.POSITIVE_INFINITY) return [xs, ...ys]
    xs.push(next)
    for (const [line, [x, y]] of tables.entries()) {
      const index = at[line] ?? 0
      const has = x[index] === next
      ys[line]?.push(has ? (y[index] ?? null) : undefined)
      if (has) at[line] = index + 1
    }
  }
}
