import { CairnError, ProtocolError } from '../errors.js'

/** How a failure stands to what was asked. */
export type FailureKind =
  /** Nothing left this process: any call may be made again. */
  | 'not sent'
  /** It may have been carried out, or not: only what may happen twice is sent again unasked. */
  | 'ambiguous'
  /** The server took note and asks to come later; nothing was carried out. */
  | 'throttled'
  /** It was not carried out and will not be. */
  | 'refused'

/** Somebody has to log in to the network first, which no wait of ours brings about. */
const LOGIN_STATUS = 511

/** Tells the kinds of failure apart; what is not an error of ours (an abort, a bug) counts as refused. */
export function failureKind(error: unknown): FailureKind {
  if (!(error instanceof CairnError) || !error.retryable) return 'refused'
  if (error.notSent) return 'not sent'
  if (error.status === undefined) return 'ambiguous'
  if (error.status === 429 || (error.status === 503 && error.retryAfterMs !== undefined)) return 'throttled'
  return error.status === LOGIN_STATUS ? 'refused' : 'ambiguous'
}

/** How often and how long to try. */
export interface RetryRules {
  /** Tries in all, the first included. */
  readonly attempts: number
  /** No new try begins later than this after the first, in milliseconds. */
  readonly budgetMs: number
  /** The n-th wait from the second on is a random part of `factorMs · 2^(n-1)`. */
  readonly factorMs: number
  /** A random part of this is added to every wait, the first included. */
  readonly jitterMs: number
  /** Longest wait of our own choosing, in milliseconds. */
  readonly capMs: number
  /** Whether a server's `Retry-After` is honoured. */
  readonly respectRetryAfter: boolean
}

/** Python's defaults: 7 retries, factor 2 s, jitter 1 s, at most 120 s apart; all within five minutes. */
export const defaultRules: RetryRules = {
  attempts: 8,
  budgetMs: 300_000,
  factorMs: 2_000,
  jitterMs: 1_000,
  capMs: 120_000,
  respectRetryAfter: true,
}

/** Time and chance, so that nothing here has a clock of its own. */
export interface Clock {
  /** Milliseconds that never go back. */
  readonly now: () => number
  /** At least 0, below 1. */
  readonly random: () => number
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}

/** What answers, and not in HTTP, is hardly a server that cannot now: an address is wrong far more often than bytes are. */
const speaksNoHttp = (error: unknown): boolean => error instanceof ProtocolError && error.status === undefined
const NO_HTTP_ATTEMPTS = 2

/** The code of a failure that says nothing of the server: it closed a kept connection in the moment that was used. */
export const STALE = 'STALE_CONNECTION'
/** As many connections as a run has requests on their way may be kept, and closed: each is found out by a try. */
export const MOST_STALE = 4
const isStale = (error: unknown): boolean => error instanceof CairnError && error.code === STALE

/** The wait before try `attempt + 1`, in milliseconds; `undefined` when there is to be none. */
export function waitAfter(
  failed: { readonly attempt: number; readonly elapsedMs: number; readonly error: unknown },
  rules: RetryRules,
  random: () => number,
): number | undefined {
  const { attempt, elapsedMs, error } = failed
  if (isStale(error) && attempt <= MOST_STALE) return 0
  if (attempt >= rules.attempts || failureKind(error) === 'refused') return undefined
  if (attempt >= NO_HTTP_ATTEMPTS && speaksNoHttp(error)) return undefined
  const ceiling = attempt === 1 ? 0 : Math.min(rules.capMs, rules.factorMs * 2 ** (attempt - 1))
  const own = Math.min(rules.capMs, random() * ceiling + random() * rules.jitterMs)
  const asked = rules.respectRetryAfter && error instanceof CairnError ? error.retryAfterMs : undefined
  const wait = asked === undefined ? own : asked + random() * rules.jitterMs
  return elapsedMs + wait > rules.budgetMs ? undefined : wait
}

/** What a watcher of retries is told before each wait. */
export interface Retrying {
  readonly waitMs: number
  readonly error: unknown
}

export interface RetryingOptions {
  readonly rules: RetryRules
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  readonly onRetry?: ((retrying: Retrying) => void) | undefined
  /** Whether it may have been carried out before the first try; false by default. */
  readonly again?: boolean | undefined
}

/** What a try is told: whether one before it may have been carried out. */
export interface Attempt {
  readonly ambiguous: boolean
}

/** Tries until it succeeds, is refused, or the rules say to stop; rejects with the last failure. */
export async function retrying<T>(once: (attempt: Attempt) => Promise<T>, options: RetryingOptions): Promise<T> {
  const { rules, clock, signal, onRetry } = options
  const begun = clock.now()
  let ambiguous = options.again === true
  for (let attempt = 1; ; attempt++) {
    try {
      return await once({ ambiguous })
    } catch (error) {
      ambiguous ||= failureKind(error) === 'ambiguous'
      const waitMs = waitAfter({ attempt, elapsedMs: clock.now() - begun, error }, rules, clock.random)
      if (waitMs === undefined || signal?.aborted) throw error
      onRetry?.({ waitMs, error })
      await clock.sleep(waitMs, signal)
    }
  }
}
