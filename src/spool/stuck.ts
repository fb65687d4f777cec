/** What a server has taken by some moment, in numbers of requests. */
export interface Tally {
  readonly taken: number
  /** Those of the same kind. */
  readonly like: number
  /** Those that it had answered 500 before: what failed so was no fault of theirs. */
  readonly healed: number
}

/** A request that was answered 500, which may be an outage, or the server's way to refuse just this one. */
export interface Stuck {
  /** Since when it fails, in milliseconds of a clock that never goes back, without that anything healed meanwhile. */
  readonly since: number
  readonly failures: number
  /** How many of these came after the server had taken something else since the one before. */
  readonly proofs: number
  /** What the server had taken when it, or the request that it is a part of, failed first; and when it failed last. */
  readonly first: Tally
  readonly last: Tally
  readonly isPart: boolean
  /** How often in a row it was put off. */
  waits: number
  /** Until when others go first. */
  until: number
}

/** Failures before anything is made of them: a server that is only busy is waited for. */
const OFTEN = 5
/** How long it fails before it is looked into by parts, which does no harm. */
const DOUBT_MS = 10_000
/** How long one entry fails before it is set aside while the server takes others of its kind. */
const HOPELESS_MS = 30_000
/** The same while it takes only things of other kinds: a part of the server may be away. */
const HOPELESS_ALONE_MS = 300_000
const FIRST_MS = 250
export const MOST_MS = 5_000
/** A file is much to send in vain. */
export const MOST_FILE_MS = 30_000

const beginning = (first: Tally, last: Tally): Stuck => ({
  since: performance.now(),
  failures: 1,
  proofs: 0,
  first,
  last,
  isPart: false,
  waits: 0,
  until: 0,
})

/** Notes one more 500, with what the server has taken by now, and had when the first of this kind failed that fails still. */
export function stuckAgain(before: Stuck | undefined, now: Tally, known = now): Stuck {
  if (!before) return beginning(known, now)
  // The server's answer was worth nothing: all begins anew, but that it takes others is known.
  if (now.healed > before.last.healed) return { ...beginning(before.first, now), waits: before.waits }
  const proofs = before.proofs + (now.taken > before.last.taken ? 1 : 0)
  return { ...before, failures: before.failures + 1, proofs, last: now }
}

/** Notes a failure that says nothing of what was sent, as where files lie elsewhere and cannot be reached. */
export const setBack = (before: Stuck | undefined, now: Tally): Stuck => ({
  ...beginning(now, now),
  failures: 0,
  waits: before?.waits ?? 0,
})

/** Whether the server is known to take others: what fails now is this one's own, and says nothing of the server. */
export const isAlone = ({ first, last }: Stuck): boolean => last.taken > first.taken

/** Whether the server takes its kind. */
export const isLikeTaken = ({ first, last }: Stuck, { like } = last): boolean => like > first.like

export const isOften = ({ failures }: Stuck): boolean => failures >= OFTEN

const age = ({ since }: Stuck): number => performance.now() - since

/** Whether to try it by parts: which of them the server takes tells what is wrong. */
export const isDoubtful = (stuck: Stuck): boolean =>
  stuck.isPart ? stuck.proofs > 0 : isAlone(stuck) && isOften(stuck) && age(stuck) >= DOUBT_MS

/** Whether one entry will never be taken. */
export const isHopeless = (stuck: Stuck): boolean =>
  stuck.proofs >= OFTEN && age(stuck) >= (isLikeTaken(stuck) ? HOPELESS_MS : HOPELESS_ALONE_MS)

/** Lets others go first for a while; answers how long, in milliseconds. */
export function putOff(stuck: Stuck, leastMs = 0, mostMs = MOST_MS): number {
  const ms = Math.max(leastMs, Math.min(mostMs, FIRST_MS * 2 ** stuck.waits++))
  stuck.until = performance.now() + ms
  return ms
}

/** What is left of it for a part of the request, which has not failed by itself yet. */
export const ofPart = (whole: Stuck): Stuck => ({
  ...whole,
  since: performance.now(),
  failures: 0,
  proofs: 0,
  isPart: true,
  waits: 0,
  until: 0,
})

/** Whether a request may go out again. */
export const mayGo = ({ stuck }: { readonly stuck?: Stuck | undefined }): boolean =>
  stuck === undefined || performance.now() >= stuck.until
