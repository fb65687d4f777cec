import { failureKind } from '../core/retry.js'
import { type CairnError, isRetryable } from '../errors.js'
import type { BufferOptions, Drain } from './buffer-options.js'
import { countOf, type Delivery, smaller } from './delivery.js'
import type { Flushes } from './flushes.js'
import type { Outcomes } from './outcomes.js'

/** Deliveries handed to a drain, one after the other, and what came back of them. */
export interface Attempts {
  /** Whether one may be begun: none is on its way, and the backend needs no time. */
  isFree(): boolean
  begin(delivery: Delivery): void
  /** Takes out what came back and goes first: to be sent again, or by parts where a batch was refused. */
  again(): Delivery | undefined
  /** Gives the backend no more time. */
  hasten(): void
  /** The process waits for what is tried again. */
  hold(): void
  /** Whether something that was begun is neither delivered nor refused. */
  isTrying(): boolean
  /** How much that is, and how much of it is on its way. */
  inHand(): number
  inFlight(): number
  /**
   * At the end: what was sent is not heard of any more, and stays on its way, also where it was to be sent again; what was
   * only begun goes again. From now on only what is done within the call is tried.
   */
  letGo(): void
  /** How much was let go of. */
  adrift(): number
  lastError(): CairnError | undefined
  /** Forgets all of it, and what comes of it. */
  stop(): void
  isOver(): boolean
}

export interface AttemptsOptions {
  readonly outcome: Outcomes
  readonly flushing: Flushes
  /** Called when the next may be begun. */
  readonly goOn: () => void
  readonly watch: Pick<BufferOptions, 'onRecovered' | 'onRetry'>
}

const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 30_000

/** Hands deliveries to a drain, and tries again what may pass. */
export function attempts(drain: Drain, { outcome, flushing, goOn, watch }: AttemptsOptions): Attempts {
  const waiting: Delivery[] = []
  let current: Delivery | undefined
  let failures = 0
  let retryTimer: NodeJS.Timeout | undefined
  let lastError: CairnError | undefined
  const over = new AbortController()
  /** Whether nothing has been awaited since the current one was begun: then nothing of it was sent. */
  let isFresh = false
  let adrift = 0
  /** Where nobody waits for what is begun any more. */
  let late: AbortSignal | undefined

  const inFlight = () => adrift + (current ? countOf(current) : 0)

  function arrived(delivery: Delivery): void {
    if (failures > 0) watch.onRecovered?.()
    failures = 0
    lastError = undefined
    outcome.arrived(countOf(delivery))
    flushing.tell()
  }

  function failed(delivery: Delivery, reason: unknown): void {
    const error = reason as CairnError
    if (isRetryable(error)) {
      waiting.unshift(delivery)
      tryLater(error, countOf(delivery))
      return
    }
    const parts = smaller(delivery, error)
    if (parts.length > 1) {
      if (delivery.again) for (const part of parts) part.again = true
      waiting.unshift(...parts)
      return
    }
    failures = 0
    outcome.refused(error, countOf(delivery))
    flushing.tell()
  }

  function tryLater(error: CairnError, count: number): void {
    lastError = error
    const delayMs = error.retryAfterMs ?? Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** failures++)
    if (!late) {
      outcome.retried(count)
      watch.onRetry?.(error, delayMs)
    }
    retryTimer = setTimeout(() => {
      retryTimer = undefined
      goOn()
    }, delayMs)
    if (flushing.size === 0) retryTimer.unref()
  }

  return {
    isFree: () => current === undefined && retryTimer === undefined,
    begin(delivery) {
      try {
        const draining = drain(delivery, late ?? over.signal)
        if (draining === undefined) {
          arrived(delivery)
          return
        }
        current = delivery
        isFresh = true
        queueMicrotask(() => {
          isFresh = false
        })
        const settle = (then: () => void) => {
          if (over.signal.aborted) return
          current = undefined
          then()
          goOn()
          // Another thread may have taken the rest on its way meanwhile.
          flushing.tell()
        }
        draining.then(
          () => settle(() => arrived(delivery)),
          (reason: unknown) =>
            settle(() => {
              if (failureKind(reason) === 'ambiguous') delivery.again = true
              failed(delivery, reason)
            }),
        )
      } catch (reason) {
        failed(delivery, reason)
      }
    },
    again: () => waiting.shift(),
    hasten() {
      clearTimeout(retryTimer)
      retryTimer = undefined
    },
    hold: () => void retryTimer?.ref(),
    isTrying: () => current !== undefined || waiting.length > 0,
    inHand: () => waiting.reduce((sum, delivery) => sum + countOf(delivery), inFlight()),
    inFlight,
    letGo() {
      late = AbortSignal.abort()
      if (current && isFresh) waiting.unshift(current)
      else adrift = inFlight()
      current = undefined
      for (const sent of waiting.filter(({ again }) => again)) {
        waiting.splice(waiting.indexOf(sent), 1)
        adrift += countOf(sent)
      }
    },
    adrift: () => adrift,
    lastError: () => lastError,
    stop() {
      waiting.length = 0
      current = undefined
      over.abort()
      clearTimeout(retryTimer)
    },
    isOver: () => over.signal.aborted,
  }
}
