/** One curve in columns, in the order in which it was logged. */
export interface Columns {
  readonly step: Float64Array
  readonly time: Float64Array
  readonly value: Float64Array
}

/** A part of an axis, both ends included. */
export interface Stretch {
  readonly by: 'step' | 'time'
  readonly from: number
  readonly to: number
}

/**
 * Which points to draw of a stretch of a curve, thinned as `thinned` does: those that lie in it, and on either side the
 * nearest, so that lines reach its edges.
 */
export function within(columns: Columns, count: number, { by, from, to }: Stretch, most: number): number[] {
  const at = columns[by]
  const inside: number[] = []
  let [before, behind] = [-1, -1]
  for (let index = 0; index < count; index++) {
    const here = at[index] ?? 0
    if (here >= from && here <= to) inside.push(index)
    else if (here < from && (before < 0 || here >= (at[before] ?? 0))) before = index
    else if (here > to && (behind < 0 || here < (at[behind] ?? 0))) behind = index
  }
  const value = Float64Array.from(inside, (index) => columns.value[index] ?? 0)
  const kept = thinned(value, 0, value.length, most).map((place) => inside[place] ?? 0)
  return [...(before < 0 ? [] : [before]), ...kept, ...(behind < 0 ? [] : [behind])].sort((a, b) => a - b)
}

/**
 * Which points of a curve to draw: all when there are at most `most`; else the first and the last, and of each stretch the
 * lowest, the highest and, where there is one, a value that is no number, so that no extreme and no gap is lost.
 */
export function thinned(value: Float64Array, from: number, to: number, most: number): number[] {
  const count = to - from
  if (count <= most) return Array.from({ length: count }, (_, i) => from + i)
  const stretches = Math.max(1, Math.floor((most - 2) / 2))
  const width = count / stretches
  const kept: number[] = []
  for (let stretch = 0; stretch < stretches; stretch++) {
    const start = from + Math.floor(stretch * width)
    const end = stretch === stretches - 1 ? to : from + Math.floor((stretch + 1) * width)
    kept.push(...extremes(value, start, end))
  }
  if (kept[0] !== from) kept.unshift(from)
  if (kept.at(-1) !== to - 1) kept.push(to - 1)
  return kept
}

function extremes(value: Float64Array, start: number, end: number): number[] {
  let [low, high, gap] = [-1, -1, -1]
  for (let i = start; i < end; i++) {
    const at = value[i] ?? Number.NaN
    if (Number.isNaN(at)) gap = i
    else {
      if (low < 0 || at < (value[low] ?? 0)) low = i
      if (high < 0 || at > (value[high] ?? 0)) high = i
    }
  }
  return [...new Set([low, high, gap])].filter((index) => index >= 0).sort((a, b) => a - b)
}
