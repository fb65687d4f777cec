import { describe, expect, it } from 'vitest'
import { type Clock, defaultRules, failureKind, retrying, STALE, waitAfter } from '../../src/core/retry.js'
import { errorFromCode, InvalidParameterError, NetworkError, ProtocolError, TimeoutError } from '../../src/errors.js'
import { fakeClock } from '../support/fake-clock.js'

const broke = () => new NetworkError('broke')

describe('the kind of a failure', () => {
  it.each([
    [new NetworkError('refused', { notSent: true }), 'not sent'],
    [new TimeoutError('connect', { notSent: true }), 'not sent'],
    [broke(), 'ambiguous'],
    [new TimeoutError('silent'), 'ambiguous'],
    [errorFromCode('INTERNAL_ERROR', '', { status: 500 }), 'ambiguous'],
    [errorFromCode(undefined, '', { status: 502 }), 'ambiguous'],
    [errorFromCode(undefined, '', { status: 504 }), 'ambiguous'],
    [errorFromCode(undefined, '', { status: 408 }), 'ambiguous'],
    [errorFromCode(undefined, '', { status: 429 }), 'throttled'],
    [errorFromCode(undefined, '', { status: 503, retryAfterMs: 1000 }), 'throttled'],
    [errorFromCode(undefined, '', { status: 503 }), 'ambiguous'],
    [errorFromCode(undefined, '', { status: 501 }), 'refused'],
    [errorFromCode(undefined, '', { status: 520 }), 'ambiguous'],
    [errorFromCode(undefined, '', { status: 511 }), 'refused'],
    [errorFromCode('FEATURE_DISABLED', '', { status: 500 }), 'refused'],
    [errorFromCode(undefined, '', { status: 404 }), 'refused'],
    [new NetworkError('certificate', { notSent: true, retryable: false }), 'refused'],
    [new InvalidParameterError('no'), 'refused'],
    [new DOMException('aborted', 'AbortError'), 'refused'],
    ['text', 'refused'],
  ])('%s is %s', (error, kind) => {
    expect(failureKind(error)).toBe(kind)
  })
})

describe('the wait', () => {
  const wait = (attempt: number, random: number, error: Error = broke(), elapsedMs = 0) =>
    waitAfter({ attempt, elapsedMs, error }, defaultRules, () => random)

  it('is a random part of a ceiling that doubles up to the cap', () => {
    const most = [1, 2, 3, 4, 5, 6, 7].map((attempt) => wait(attempt, 0.999999))
    expect(most.map((ms) => Math.round(ms as number))).toEqual([1000, 5000, 9000, 17000, 33000, 65000, 120000])
    expect([1, 2, 3].map((attempt) => wait(attempt, 0))).toEqual([0, 0, 0])
  })

  it('is what the server asks for, and a little more', () => {
    const asked = errorFromCode(undefined, '', { status: 429, retryAfterMs: 30_000 })
    expect(wait(1, 0, asked)).toBe(30_000)
    expect(wait(1, 0.5, asked)).toBe(30_500)
    const deaf = { ...defaultRules, respectRetryAfter: false }
    expect(waitAfter({ attempt: 1, elapsedMs: 0, error: asked }, deaf, () => 0.5)).toBe(500)
  })

  it('is none after a kept connection that was closed, a few times, whatever tries are left', () => {
    const stale = new NetworkError('closed', { code: STALE })
    const single = { ...defaultRules, attempts: 1 }
    const waits = [1, 2, 3, 4, 5].map((attempt) =>
      waitAfter({ attempt, elapsedMs: 0, error: stale }, single, () => 0.5),
    )
    expect(waits).toEqual([0, 0, 0, 0, undefined])
  })

  it('is not taken when the tries, the time or the hope are used up', () => {
    expect(wait(8, 0)).toBeUndefined()
    expect(wait(2, 0.5, broke(), 299_999)).toBeUndefined()
    expect(wait(1, 0, new InvalidParameterError('no'))).toBeUndefined()
  })
})

describe('retrying', () => {
  const failing = (times: number, error: () => Error) => {
    let count = 0
    return () => (++count <= times ? Promise.reject(error()) : Promise.resolve(count))
  }
  const with_ = (clock: Clock, more = {}) => ({ rules: defaultRules, clock, ...more })

  it('goes on until it succeeds, and says whether an earlier try may have counted', async () => {
    const seen: boolean[] = []
    const errors = [new NetworkError('refused', { notSent: true }), broke()]
    const result = await retrying(async ({ ambiguous }) => {
      seen.push(ambiguous)
      const error = errors.shift()
      if (error) throw error
      return 'done'
    }, with_(fakeClock()))
    expect(result).toBe('done')
    expect(seen).toEqual([false, false, true])
  })

  it('ends with the last failure after the tries that the rules allow', async () => {
    const clock = fakeClock()
    await expect(retrying(failing(99, broke), with_(clock))).rejects.toThrow('broke')
    expect(clock.sleeps).toHaveLength(7)
  })

  it('asks what does not speak HTTP once more, and no longer', async () => {
    const clock = fakeClock()
    const strange = () => new ProtocolError('no HTTP', { retryable: true })
    await expect(retrying(failing(99, strange), with_(clock))).rejects.toThrow('no HTTP')
    expect(clock.sleeps).toHaveLength(1)
    expect(await retrying(failing(1, strange), with_(fakeClock()))).toBe(2)
  })

  it('ends at once when refused', async () => {
    const clock = fakeClock()
    await expect(
      retrying(
        failing(99, () => new InvalidParameterError('no')),
        with_(clock),
      ),
    ).rejects.toThrow('no')
    expect(clock.sleeps).toEqual([])
  })

  it('ends with the reason of the signal while it waits', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const clock = { ...fakeClock(), sleep: async () => controller.abort(reason) }
    const once = async () => {
      controller.signal.throwIfAborted()
      throw broke()
    }
    await expect(retrying(once, with_(clock, { signal: controller.signal }))).rejects.toBe(reason)
  })
})
