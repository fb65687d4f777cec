import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BATCH_LIMITS, type BatchMetric } from '../../src/core/batch.js'
import {
  InvalidParameterError,
  NotFoundError,
  ParamConflictError,
  TimeoutError,
  UnavailableError,
} from '../../src/errors.js'
import type { Delivery } from '../../src/tracking/delivery.js'
import { type BufferOptions, type Drain, metricBuffer, type PointsWay } from '../../src/tracking/metric-buffer.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A backend that keeps what it takes, and fails as it is told. */
function backend(options: BufferOptions = {}, mode: 'now' | 'later' = 'now') {
  const deliveries: Delivery[] = []
  let fail: (delivery: Delivery) => Error | undefined = () => undefined
  const now = (delivery: Delivery) => {
    const error = fail(delivery)
    if (error) throw error
    deliveries.push(delivery)
  }
  const drain: Drain = mode === 'now' ? now : async (delivery) => now(delivery)
  const batches = () => deliveries.flatMap((delivery) => ('batch' in delivery ? [delivery.batch] : []))
  return {
    buffer: metricBuffer(drain, options),
    deliveries,
    batches,
    points: () => batches().flatMap(({ metrics }) => metrics),
    failWith: (how: typeof fail) => {
      fail = how
    },
  }
}

const log = (buffer: ReturnType<typeof metricBuffer>, count: number, from = 0) => {
  for (let i = 0; i < count; i++) buffer.metric('loss', from + i, from + i, 1)
}

describe('waking', () => {
  it('delivers after a quarter of a second when little is logged', () => {
    const { buffer, points } = backend()
    buffer.metric('loss', 1, 0, 1)
    expect(points()).toHaveLength(0)
    vi.advanceTimersByTime(250)
    expect(points()).toEqual([{ key: 'loss', value: 1, step: 0, timestamp: 1 }])
  })

  it('delivers at the next turn when a batch is full', () => {
    const { buffer, points } = backend()
    log(buffer, 1000)
    vi.advanceTimersByTime(0)
    expect(points()).toHaveLength(1000)
  })

  it('delivers inside the call when the ring is full and nothing else ever runs', () => {
    const { buffer, points, batches } = backend()
    log(buffer, 100_000)
    expect(points().length).toBeGreaterThan(95_000)
    expect(Math.max(...batches().map(({ metrics }) => metrics.length))).toBe(1000)
    expect(buffer.stats().queued).toBeLessThan(5000)
  })

  it('leaves no timer behind when all has arrived', async () => {
    const { buffer } = backend()
    buffer.metric('loss', 1, 0, 1)
    await buffer.flush(60_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('batches', () => {
  it.each([
    {},
    { total: 50 },
    { total: 150 },
    { total: 1 },
    { metrics: 7, params: 5, tags: 3 },
    { params: 1000, tags: 1000 },
    { bytes: 200 },
  ])('keeps to the limits and loses nothing: %o', async (some) => {
    const limits = { ...BATCH_LIMITS, ...some }
    const { buffer, batches, points } = backend({ limits }, 'later')
    log(buffer, 2500)
    const names = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}${i}`)
    for (const name of names('p', 250)) buffer.param(name, 'v')
    for (const name of names('t', 120)) buffer.tag(name, 'v')
    await buffer.flush(60_000)
    for (const { metrics, params, tags } of batches()) {
      expect(metrics.length + params.length + tags.length).toBeLessThanOrEqual(limits.total)
      expect(metrics.length).toBeLessThanOrEqual(limits.metrics)
      expect(params.length).toBeLessThanOrEqual(limits.params)
      expect(tags.length).toBeLessThanOrEqual(limits.tags)
    }
    expect(points().map(({ value }) => value)).toEqual(Array.from({ length: 2500 }, (_, i) => i))
    expect(batches().flatMap(({ params }) => params.map(({ key }) => key))).toEqual(names('p', 250))
    expect(batches().flatMap(({ tags }) => tags.map(({ key }) => key))).toEqual(names('t', 120))
    expect(buffer.stats()).toMatchObject({ queued: 0, inFlight: 0, delivered: 2870, refused: 0 })
  })

  it('cuts long values by size', async () => {
    const { buffer, batches } = backend()
    for (let i = 0; i < 100; i++) buffer.tag(`t${i}`, 'x'.repeat(8000))
    await buffer.flush(60_000)
    expect(batches().length).toBeGreaterThan(1)
    for (const batch of batches()) expect(JSON.stringify(batch).length).toBeLessThan(1_000_000)
  })

  it('keeps writes and removals of one tag in order', async () => {
    const { buffer, deliveries } = backend()
    buffer.tag('t', '1')
    buffer.deleteTag('t')
    buffer.tag('t', '2')
    buffer.tag('t', '3')
    await buffer.flush(60_000)
    expect(
      deliveries.map((delivery) => ('batch' in delivery ? delivery.batch.tags[0]?.value : Object.values(delivery)[0])),
    ).toEqual(['1', 't', '2', '3'])
  })
})

describe('failures', () => {
  it('keeps a batch that may pass later at the head, and says so when it did', async () => {
    const onRecovered = vi.fn()
    const { buffer, points, failWith } = backend({ onRecovered }, 'later')
    let failures = 2
    failWith(() => (failures-- > 0 ? new UnavailableError('down') : undefined))
    log(buffer, 1500)
    const flushed = buffer.flush(60_000)
    await vi.advanceTimersByTimeAsync(1000)
    await flushed
    expect(points().map(({ step }) => step)).toEqual(Array.from({ length: 1500 }, (_, i) => i))
    expect(buffer.stats()).toMatchObject({ delivered: 1500, retried: 2000, refused: 0 })
    expect(onRecovered).toHaveBeenCalledTimes(1)
  })

  it('sets aside the one entry that is refused and delivers its whole batch', async () => {
    const { buffer, points, failWith, batches } = backend()
    failWith((delivery) =>
      'batch' in delivery && delivery.batch.params.some(({ key }) => key === 'bad')
        ? new ParamConflictError('bad is 1 already')
        : undefined,
    )
    log(buffer, 500)
    for (const key of ['a', 'bad', 'b']) buffer.param(key, '2')
    await expect(buffer.flush(60_000)).rejects.toThrow(ParamConflictError)
    expect(points()).toHaveLength(500)
    expect(batches().flatMap(({ params }) => params.map(({ key }) => key))).toEqual(['a', 'b'])
    expect(buffer.stats()).toMatchObject({ refused: 1, delivered: 502, queued: 0 })
    await expect(buffer.flush(60_000)).resolves.toBeUndefined()
  })

  it('sets aside the points of a logged model that is not there, and nothing else', async () => {
    const { buffer, batches, failWith } = backend({}, 'later')
    failWith((delivery) =>
      'batch' in delivery && delivery.batch.metrics.some((point) => point.model_id === 'm-gone')
        ? new NotFoundError('no logged model m-gone')
        : undefined,
    )
    buffer.param('a', '1')
    buffer.metric('loss', 1, 0, 1)
    buffer.metric('loss', 2, 1, 1, { modelId: 'm-gone' })
    buffer.metric('loss', 3, 2, 1, { modelId: 'm-here' })
    await expect(buffer.flush(60_000)).rejects.toThrow('no logged model m-gone')
    expect(batches().flatMap(({ metrics }) => metrics.map(({ value }) => value))).toEqual([1, 3])
    expect(batches().flatMap(({ params }) => params)).toEqual([{ key: 'a', value: '1' }])
    expect(buffer.stats()).toMatchObject({ delivered: 3, refused: 1, queued: 0 })
  })

  it('does not cut up a batch that is refused as a whole', async () => {
    const { buffer, failWith } = backend()
    const calls = vi.fn(() => new NotFoundError('no such run'))
    failWith(calls)
    log(buffer, 800)
    await expect(buffer.flush(60_000)).rejects.toThrow(NotFoundError)
    expect(calls).toHaveBeenCalledTimes(1)
    expect(buffer.stats().refused).toBe(800)
  })

  it('names the first of several refusals and holds the others', async () => {
    const { buffer, failWith } = backend()
    failWith(() => new InvalidParameterError('no'))
    buffer.param('a', '1')
    buffer.param('b', '1')
    const error: unknown = await buffer.flush(60_000).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect((error as Error).cause).toBeInstanceOf(AggregateError)
  })

  it('ends a flush at its limit while delivery goes on', async () => {
    const { buffer, failWith, points } = backend({}, 'later')
    failWith(() => new UnavailableError('down'))
    log(buffer, 10)
    const flushed = buffer.flush(500)
    const settled = expect(flushed).rejects.toThrow(TimeoutError)
    await vi.advanceTimersByTimeAsync(500)
    await settled
    failWith(() => undefined)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(points()).toHaveLength(10)
  })

  it('waits in a flush only for what was logged before it', async () => {
    const { buffer } = backend({}, 'later')
    log(buffer, 10)
    const flushed = buffer.flush(60_000)
    log(buffer, 900, 10)
    await flushed
    expect(buffer.stats().delivered).toBeGreaterThanOrEqual(10)
  })

  it('grows while the backend is slow, refuses beyond its bound and counts it', () => {
    const { buffer } = backend({ maxQueued: 10_000 }, 'later')
    log(buffer, 12_000)
    const { queued, inFlight, refused } = buffer.stats()
    expect(queued + inFlight + refused).toBe(12_000)
    expect(refused).toBeGreaterThan(0)
    expect(queued).toBeLessThanOrEqual(10_000)
  })

  /** A buffer whose backend never answers, and what it says of that. */
  function stuck(options: BufferOptions = {}) {
    const said = { refused: [] as number[], full: 0 }
    const buffer = metricBuffer(() => new Promise(() => {}), {
      ...options,
      onRefused: (_, count) => said.refused.push(count),
      onFull: () => said.full++,
    })
    return { buffer, said }
  }

  it('holds 59 MB of points by default, and tells of those beyond together', () => {
    const { buffer, said } = stuck()
    log(buffer, (1 << 21) + 5000)
    expect(said).toEqual({ refused: [], full: 1 })
    vi.advanceTimersByTime(250)
    const { queued, inFlight, refused } = buffer.stats()
    expect([queued + inFlight + refused, queued]).toEqual([(1 << 21) + 5000, 1 << 21])
    expect(refused).toBeGreaterThan(0)
    expect(said).toEqual({ refused: [refused], full: 1 })
    log(buffer, 7)
    buffer.drainNow()
    expect(said).toEqual({ refused: [refused, 7], full: 1 })
  })

  it('holds less of points that name a model, which take more memory', () => {
    const { buffer } = stuck({ maxQueued: 100_000 })
    for (let i = 0; i < 100_000; i++) buffer.metric('loss', i, i, 1, { modelId: `m-${i}` })
    const { queued, refused } = buffer.stats()
    expect(queued).toBeLessThan(50_000)
    expect(refused).toBeGreaterThan(50_000)
  })

  it('holds 64 MiB of parameters and tags, and takes them again when there is room', async () => {
    let open: (() => void) | undefined
    const refused: number[] = []
    const drain: Drain = () => new Promise((resolve) => (open = resolve))
    const buffer = metricBuffer(drain, { maxQueued: 10_000, onRefused: (_, count) => refused.push(count) })
    for (let i = 0; i < 100; i++) buffer.param(`param${i}`, 'x'.repeat(6000))
    expect(buffer.stats().refused).toBe(0)
    for (let i = 0; i < 6000; i++) buffer.tag(`tag${i}`, 'x'.repeat(5000))
    expect(buffer.stats().queued).toBeLessThan(5000)
    expect(buffer.stats().refused).toBeGreaterThan(1000)
    do {
      await vi.advanceTimersByTimeAsync(250)
      open?.()
    } while (buffer.stats().inFlight > 0)
    buffer.tag('late', 'y')
    expect(buffer.stats()).toMatchObject({ queued: 1, refused: refused.reduce((sum, count) => sum + count, 0) })
  })

  it('says of what was sent without an answer, also in parts, that it may have been carried out', async () => {
    const { buffer, failWith } = backend({}, 'later')
    const tries: (readonly [number, boolean | undefined])[] = []
    failWith((delivery) => {
      if ('batch' in delivery) tries.push([delivery.batch.metrics.length, delivery.again])
      if (tries.length === 1) return new UnavailableError('down', { notSent: true })
      if (tries.length === 2) return new UnavailableError('cut')
      return tries.length === 3 ? new InvalidParameterError('too many') : undefined
    })
    log(buffer, 10)
    const flushed = buffer.flush(60_000)
    await vi.advanceTimersByTimeAsync(1000)
    await flushed
    expect(tries).toEqual([
      [10, undefined],
      [10, undefined],
      [10, true],
      [5, true],
      [5, true],
    ])
  })

  it.each([
    ['is on its way', () => new Promise<void>(() => {})],
    ['failed without an answer', () => Promise.reject(new UnavailableError('cut'))],
  ])('leaves in flight what was sent and %s when it gives up the rest', async (_, drain) => {
    const buffer = metricBuffer(drain)
    log(buffer, 2500)
    await vi.advanceTimersByTimeAsync(250)
    expect(buffer.giveUp((count) => new UnavailableError(`${count} lost`))).toBe(1500)
    expect(buffer.stats()).toMatchObject({ queued: 0, inFlight: 1000, delivered: 0, refused: 1500 })
  })

  it('gives up all that waits as one refusal, and tries nothing more', async () => {
    const { buffer, failWith, deliveries } = backend({}, 'later')
    failWith(() => new UnavailableError('down', { notSent: true }))
    log(buffer, 2500)
    buffer.tag('a', 'b')
    await vi.advanceTimersByTimeAsync(250)
    const flushed = expect(buffer.flush(60_000)).rejects.toThrow('2501 lost')
    failWith(() => undefined)
    expect(buffer.giveUp((count) => new UnavailableError(`${count} lost`))).toBe(2501)
    await flushed
    await vi.advanceTimersByTimeAsync(60_000)
    expect(deliveries).toEqual([])
    expect(buffer.stats()).toMatchObject({ queued: 0, inFlight: 0, delivered: 0, refused: 2501 })
    expect(buffer.giveUp(() => new UnavailableError('again'))).toBe(0)
  })
})

/** A way of points beside a drain; neither takes anything as long as it is not told to. `other` pours as another thread does. */
function besideDrain() {
  const memory: BatchMetric[] = []
  const names: string[] = []
  const taken = { past: [] as number[], drained: [] as number[] }
  const is = { wayOpen: false, drainOpen: false }
  let passed = 0
  const pourAll = () => {
    taken.past.push(...memory.map(({ value }) => value))
    passed += memory.splice(0).length
  }
  const way: PointsWay = {
    addKey: (name) => void names.push(name),
    put: (key, value, step, timestamp) => memory.push({ key: names[key]!, value, step, timestamp }) > 0,
    get waiting() {
      return memory.length
    },
    get passed() {
      return passed
    },
    pour() {
      if (is.wayOpen) pourAll()
      return is.wayOpen
    },
    take: (count) => memory.splice(0, count),
    ask() {},
    seenAgo: () => Number.POSITIVE_INFINITY,
    isBusy: false,
  }
  const drain: Drain = async (delivery) => {
    if (!is.drainOpen) throw new UnavailableError('neither disk nor server')
    if ('batch' in delivery) taken.drained.push(...delivery.batch.metrics.map(({ value }) => value))
  }
  return { buffer: metricBuffer(drain, { way }), is, taken, other: pourAll }
}

describe('a flush where disk and server both fail', () => {
  /** Whether a promise is settled once all that is due now has run. */
  async function isSettled(promise: Promise<unknown>): Promise<boolean> {
    let settled = false
    void promise.then(
      () => (settled = true),
      () => (settled = true),
    )
    await vi.advanceTimersByTimeAsync(0)
    return settled
  }

  it('waits for its own points, whatever came later and went sooner', async () => {
    const { buffer, is, taken, other } = besideDrain()
    // The first is being tried already, and the others wait behind it.
    log(buffer, 10)
    const flushed = buffer.flush(60_000)
    expect(await isSettled(flushed)).toBe(false)
    // The disk takes points again, and another thread writes later ones.
    log(buffer, 20, 10)
    other()
    is.wayOpen = true
    await vi.advanceTimersByTimeAsync(5000)
    log(buffer, 20, 30)
    await vi.advanceTimersByTimeAsync(5000)
    expect(await isSettled(flushed)).toBe(false)
    is.drainOpen = true
    await vi.advanceTimersByTimeAsync(30_000)
    await flushed
    expect([...taken.drained, ...taken.past].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(buffer.stats()).toMatchObject({ queued: 0, inFlight: 0, refused: 0 })
  })

  it('ends with the time when nothing went, and says how much is left', async () => {
    const { buffer } = besideDrain()
    log(buffer, 10)
    buffer.param('a', '1')
    const refused = expect(buffer.flush(1000)).rejects.toThrow('11 entries have not arrived')
    await vi.advanceTimersByTimeAsync(1000)
    await refused
    expect(buffer.stats()).toMatchObject({ queued: 11, refused: 0 })
  })

  it('waits for points that took no way past the queue, though later ones did', async () => {
    const { buffer, is, taken, other } = besideDrain()
    // A step past 2^53 is none for columns.
    for (let i = 0; i < 5; i++) buffer.metric('loss', i, BigInt(i), 1)
    const flushed = buffer.flush(60_000)
    log(buffer, 20, 5)
    other()
    is.wayOpen = true
    await vi.advanceTimersByTimeAsync(5000)
    log(buffer, 20, 25)
    await vi.advanceTimersByTimeAsync(5000)
    expect(await isSettled(flushed)).toBe(false)
    is.drainOpen = true
    await vi.advanceTimersByTimeAsync(30_000)
    await flushed
    expect(taken.drained).toEqual([0, 1, 2, 3, 4])
  })

  it('waits for both halves of a batch that was refused as a whole', async () => {
    const { buffer, batches, failWith } = backend({}, 'later')
    let isAway = false
    failWith((delivery) => {
      if (!('batch' in delivery)) return undefined
      if (isAway) return new UnavailableError('away')
      if (delivery.batch.metrics.length < 10) isAway = true
      return delivery.batch.metrics.length === 10 ? new InvalidParameterError('too many') : undefined
    })
    log(buffer, 10)
    const flushed = buffer.flush(60_000)
    expect(await isSettled(flushed)).toBe(false)
    expect(batches().map(({ metrics }) => metrics.length)).toEqual([5])
    isAway = false
    failWith(() => undefined)
    await vi.advanceTimersByTimeAsync(30_000)
    await flushed
    expect(batches().map(({ metrics }) => metrics.length)).toEqual([5, 5])
  })
})

it('checks a key when it is new', () => {
  const { buffer } = backend()
  expect(() => buffer.metric('../x', 1, 0, 1)).toThrow(InvalidParameterError)
})
