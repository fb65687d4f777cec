const LONGEST_MS = 300_000
const SHORTEST_MS = 1_000

/**
 * How long a `Retry-After` asks to wait, in milliseconds: seconds or a date, never under one second, never over five
 * minutes. A date is taken by the clock that the answer itself came with (its `Date`), else by `now`. `undefined` when there
 * is none or it cannot be read.
 */
export function retryAfter(header: string | undefined, now: number, date?: string): number | undefined {
  const text = header?.trim()
  if (!text) return undefined
  const sent = dateOf(date?.trim() ?? '')
  const wait = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : dateOf(text) - (Number.isNaN(sent) ? now : sent)
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, SHORTEST_MS), LONGEST_MS)
}

/** Only HTTP's own form of a date: `Date.parse` takes `-5` and much else for one. */
const dateOf = (text: string): number =>
  /^[A-Z][a-z]{2,8},? \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN
