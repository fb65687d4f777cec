/**
 * An exponential moving average without the pull of its beginning, as TensorBoard draws it; `weight` from 0 (as it is) to
 * below 1. What is no number stays a gap and does not spread.
 */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return [...values]
  let last = 0
  let count = 0
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null
    last = last * weight + (1 - weight) * value
    count++
    return last / (1 - weight ** count)
  })
}

/** Parameters and metrics that are numbers, on one scale from 0 to 1; words get places in their order. */
export function scaleOf(values: readonly (string | number | undefined)[]): {
  readonly at: (value: string | number | undefined) => number | undefined
  readonly low: string
  readonly high: string
  readonly words: readonly string[] | undefined
} {
  const given = values.filter((value) => value !== undefined && value !== '')
  const numbers = given.map(Number)
  if (given.length > 0 && numbers.every(Number.isFinite)) {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)]
    const span = high - low || 1
    return {
      at: (value) =>
        value === undefined || value === '' ? undefined : high === low ? 0.5 : (Number(value) - low) / span,
      low: String(Number(low.toPrecision(4))),
      high: String(Number(high.toPrecision(4))),
      words: undefined,
    }
  }
  const words = [...new Set(given.map(String))].sort()
  return {
    at: (value) => {
      const index = value === undefined ? -1 : words.indexOf(String(value))
      return index < 0 ? undefined : words.length === 1 ? 0.5 : index / (words.length - 1)
    },
    low: words[0] ?? '',
    high: words.at(-1) ?? '',
    words,
  }
}
