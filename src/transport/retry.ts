import { randomUUID } from 'node:crypto'
import { type Pairs, valueIn } from '../core/pairs.js'
import { type Attempt, type Clock, defaultRules, failureKind, type RetryRules, retrying } from '../core/retry.js'
import { OPERATION_TAG } from '../core/tags.js'
import { systemClock } from '../host/clock.js'
import { explained, lookBefore } from './aftermath.js'
import { isNaNPoint, missingPoints, type Point } from './history.js'
import { repeats } from './repeats.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

/** One failed try that another will follow. */
export interface RetryEvent {
  readonly operation: Operation
  readonly error: unknown
}

/** How a transport is retried; every part has a default. */
export interface RetryPolicy {
  readonly rules?: Partial<RetryRules> | undefined
  readonly clock?: Clock | undefined
  /** Makes the id by which a run, version or model that was perhaps made is found again. */
  readonly newId?: (() => string) | undefined
  /** Told once of each call that takes seconds, before the first try that late; what it answers is called when that call is through or fails. */
  readonly onLong?: ((event: RetryEvent) => (() => void) | undefined) | undefined
}

/** How long a call may take before its caller should know why, in milliseconds. */
const LONG_MS = 5_000

interface Facts {
  appendsBlindly?(options: CallOptions): Promise<boolean>
}

/**
 * The same transport, with what failed for a while tried again: what was not sent at once, what may have been carried
 * out only where a second time does no harm, or after a look whether the first time counted. The last failure is thrown.
 */
export function withRetry(inner: Transport & Facts, policy: RetryPolicy = {}): Transport {
  const rules = { ...defaultRules, ...policy.rules }
  const { clock = systemClock, newId = randomUUID, onLong } = policy
  const blind = async (options: CallOptions) => (await inner.appendsBlindly?.(options)) ?? true
  let pausedUntil = 0

  /** One operation through all its tries. A server that asks to wait is left alone by every call. */
  function tries<T>(
    operation: Operation,
    { signal, again }: CallOptions,
    once: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    let longAt: number | undefined = clock.now() + LONG_MS
    let over: (() => void) | undefined
    const attempt = async (of: Attempt) => {
      const pause = pausedUntil - clock.now()
      if (pause > 0) await clock.sleep(pause, signal)
      return once(of)
    }
    return retrying(attempt, {
      rules,
      clock,
      signal,
      again,
      onRetry({ waitMs, error }) {
        const nextAt = clock.now() + waitMs
        if (failureKind(error) === 'throttled') pausedUntil = Math.max(pausedUntil, nextAt)
        if (longAt === undefined || nextAt < longAt) return
        longAt = undefined
        over = onLong?.({ operation, error })
      },
    }).finally(() => over?.())
  }

  function plain<O extends Operation>(operation: O, input: Input<O>, options: CallOptions): Promise<Output<O>> {
    let failed: unknown
    return tries(operation, options, async ({ ambiguous }) => {
      const earlier = ambiguous ? await lookBefore[operation]?.(inner, input, options) : undefined
      if (earlier !== undefined) return earlier
      try {
        return await inner.call(operation, input, options)
      } catch (error) {
        const done =
          ambiguous && failureKind(error) === 'refused'
            ? await explained(operation, input, error, { transport: inner, options, failed })
            : undefined
        if (failureKind(error) === 'ambiguous') failed ??= error
        if (done === undefined) throw error
        return done
      }
    })
  }

  /** A batch goes on as it is; after a try that may have counted, a store that would add its points again gets only what it lacks. */
  function batch(
    input: Input<'logBatch'>,
    options: CallOptions,
    lookFirst: (options: CallOptions) => Promise<boolean>,
  ) {
    return tries('logBatch', options, async ({ ambiguous }) => {
      const { metrics = [], params = [], tags = [] } = input
      if (!ambiguous || metrics.length === 0 || !(await lookFirst(options)))
        return inner.call('logBatch', input, options)
      const missing = await missingPoints(inner, input.run_id, metrics, options)
      if (missing.length + params.length + tags.length === 0) return {}
      return inner.call('logBatch', { ...input, metrics: missing }, options)
    })
  }

  async function logBatch(input: Input<'logBatch'>, options: CallOptions): Promise<Output<'logBatch'>> {
    const { run_id, metrics } = input
    if (!metrics?.some(isNaNPoint)) return batch(input, options, blind)
    const odd = metrics.filter(isNaNPoint)
    const even = metrics.filter((point) => !isNaNPoint(point))
    if (even.length + (input.params?.length ?? 0) + (input.tags?.length ?? 0) > 0)
      await batch({ ...input, metrics: even }, options, blind)
    // A database refuses a batch that brings a NaN it has, and all new points with it.
    return batch({ run_id, metrics: odd }, options, async () => true)
  }

  const logMetric = ({ run_id, ...point }: Input<'logMetric'>, options: CallOptions) =>
    tries('logMetric', options, async ({ ambiguous }) => {
      const doubtful = ambiguous && (isNaNPoint(point as Point) || (await blind(options)))
      const missing = doubtful ? await missingPoints(inner, run_id, [point as Point], options) : [point]
      return missing.length === 0 ? {} : inner.call('logMetric', { run_id, ...point }, options)
    })

  async function call<O extends Operation>(
    operation: O,
    input: Input<O>,
    options: CallOptions = {},
  ): Promise<Output<O>> {
    if (operation === 'logBatch') return (await logBatch(input as Input<'logBatch'>, options)) as Output<O>
    if (operation === 'logMetric') return (await logMetric(input as Input<'logMetric'>, options)) as Output<O>
    if (repeats[operation] === 'makes another') return plain(operation, tagged(input, newId), options)
    return plain(operation, input, options)
  }

  return { call, close: () => inner.close() }
}

/** The input with an operation id of its own; one that the caller gave stays. */
function tagged<I extends object>(input: I, newId: () => string): I {
  const { tags = [] } = input as { tags?: Pairs }
  return valueIn(tags, OPERATION_TAG) ? input : { ...input, tags: [...tags, { key: OPERATION_TAG, value: newId() }] }
}
