const bare = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')

/** How many letters have to be put in, taken out, changed, or swapped with the next, to make one text of the other. */
function distance(from: string, to: string): number {
  let before: number[] = []
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      next.push(
        Math.min(
          next[j - 1]! + 1,
          row[j]! + 1,
          row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1),
          isSwapped ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    before = row
    row = next
  }
  return row[to.length]!
}

/** The one of `names` that was probably meant, whatever its case and marks; undefined when none is near, or none differs in at most `within` letters. */
export function nearest(text: string, names: readonly string[], within?: number): string | undefined {
  const meant = bare(text.slice(0, 100))
  const [best] = names.map((name) => ({ name, away: distance(meant, bare(name)) })).sort((a, b) => a.away - b.away)
  return best && best.away <= (within ?? Math.max(2, Math.floor(meant.length / 3))) ? best.name : undefined
}

/** What was probably meant by `name`, one letter off, where whole entities are handed over, too, with names of their own. */
export const slipOf = (name: string, given: object): string | undefined =>
  name in given ? undefined : Object.keys(given).find((key) => nearest(key, [name], 1))
