/** A request that was answered 500, which may be an outage, or the server's way to refuse just this one. */
export interface Stuck {
  /** When it failed first. */
  readonly since: number
  /** How often it failed so after the server had taken something else since the time before. */
  alone: number
  /** What the server had taken in all when it failed last. */
  taken: number
  /** How often in a row it was put off. */
  waits: number
  /** Until when others go first. */
  until: number
}

/** So often, and for so long, it failed alone that it will not be taken as it is: a server that is only busy is waited for. */
const HOPELESS = 5
const HOPELESS_MS = 30_000
const FIRST_MS = 250
const MOST_MS = 5_000

/** Notes one more 500, with what the server has taken by now. */
export function stuckAgain(before: Stuck | undefined, taken: number): Stuck {
  if (!before) return { since: performance.now(), alone: 0, taken, waits: 0, until: 0 }
  return { ...before, alone: before.alone + (taken > before.taken ? 1 : 0), taken }
}

/** Whether the server is known to take others: what fails now is this one's own, and says nothing of the server. */
export const isAlone = ({ alone }: Stuck): boolean => alone > 0

export const isHopeless = ({ alone, since }: Stuck): boolean =>
  alone >= HOPELESS && performance.now() - since >= HOPELESS_MS

/** Lets others go first for a while; answers how long, in milliseconds. */
export function putOff(stuck: Stuck, leastMs = 0): number {
  const ms = Math.max(leastMs, Math.min(MOST_MS, FIRST_MS * 2 ** stuck.waits++))
  stuck.until = performance.now() + ms
  return ms
}

/** What is left of it for a part of the request: one more failure, with others taken, and the part is looked into. */
export const ofPart = (whole: Stuck): Stuck => ({
  ...whole,
  alone: Math.min(whole.alone, HOPELESS - 1),
  waits: 0,
  until: 0,
})

/** Whether a request may go out again. */
export const mayGo = ({ stuck }: { readonly stuck?: Stuck | undefined }): boolean =>
  stuck === undefined || performance.now() >= stuck.until
