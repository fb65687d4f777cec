import { describe, expect, it } from 'vitest'
import { type PointsWay, pastQueue } from '../../src/tracking/points-way.js'

/** A way and the queue it leads past; `other` is the thread that takes what was left in memory. */
function beside() {
  const counts = { pumped: 0, asked: 0, queued: 0, armed: 0 }
  const is = { busy: false }
  let waiting = 0
  let seenAt = Number.NEGATIVE_INFINITY
  const way: PointsWay = {
    addKey() {},
    put: () => ++waiting > 0,
    get waiting() {
      return waiting
    },
    passed: 0,
    pour: () => true,
    take: () => [],
    ask: () => void counts.asked++,
    seenAgo: (now) => (now < seenAt ? Number.POSITIVE_INFINITY : now - seenAt),
    get isBusy() {
      return is.busy
    },
  }
  const past = pastQueue(way, {
    put: () => void counts.queued++,
    pour: () => true,
    pump() {
      counts.pumped++
      waiting = 0
    },
    get isIdle() {
      return waiting === 0
    },
    arm: () => void counts.armed++,
  })
  const at = (now: number, step: number | bigint = 0) => past(0, 1, step, now, undefined, now)
  function other(now: number): void {
    waiting = 0
    seenAt = now
  }
  return { at, counts, is, other }
}

/** A time as clocks tell it. */
const T = 1_800_000_000_000

describe('points go on', () => {
  it('each in its call where calls come now and then, and nobody else is asked', () => {
    const { at, counts } = beside()
    for (let n = 0; n < 100; n++) at(T + 10 * n)
    expect(counts).toEqual({ pumped: 100, asked: 0, queued: 0, armed: 0 })
  })

  it('each in its call where some come in one step, and the next step is far', () => {
    const { at, counts } = beside()
    for (let n = 0; n < 100; n++) for (let call = 0; call < 5; call++) at(T + 50 * n)
    expect(counts).toEqual({ pumped: 500, asked: 0, queued: 0, armed: 0 })
  })

  it('each in its call until the other thread, which is asked to by calls that come closely, sees to them', () => {
    const { at, counts, other } = beside()
    for (let n = 0; n < 10; n++) at(T + 3 * n)
    expect(counts).toMatchObject({ pumped: 10, asked: 6 })
    for (let n = 10; n < 20; n++) {
      other(T + 3 * n)
      at(T + 3 * n)
    }
    expect(counts).toMatchObject({ pumped: 10, asked: 6, armed: 10 })
  })

  it('in the call again where the other thread is late or gone: each of them, until it is back', () => {
    const { at, counts, other } = beside()
    at(T)
    other(T)
    for (let n = 1; n < 5; n++) at(T + n)
    expect(counts.pumped).toBe(1)
    for (let n = 5; n < 10; n++) at(T + n)
    expect(counts.pumped).toBe(6)
    other(T + 10)
    at(T + 10)
    expect(counts.pumped).toBe(6)
  })

  it('in the call again where the clock was set back', () => {
    const { at, counts, other } = beside()
    at(T)
    other(T)
    at(T + 1)
    expect(counts.pumped).toBe(1)
    at(T - 3_600_000)
    expect(counts.pumped).toBe(2)
    other(T - 3_600_000)
    at(T - 3_599_999)
    expect(counts.pumped).toBe(2)
  })

  it('in one call each 250 ms all the same, which finds out what became of the folder', () => {
    const { at, counts, other } = beside()
    for (let n = 0; n <= 1000; n++) {
      other(T + n)
      at(T + n)
    }
    expect(counts.pumped).toBe(5)
  })

  it('without a wait for the other thread while that writes', () => {
    const { at, counts, is } = beside()
    is.busy = true
    at(T)
    expect(counts).toMatchObject({ pumped: 0, asked: 1, armed: 1 })
    is.busy = false
    at(T + 1)
    expect(counts.pumped).toBe(1)
  })

  it('by the queue, in the call, where a step is none for columns, whoever sees to the others', () => {
    const { at, counts, other } = beside()
    at(T)
    other(T + 1)
    at(T + 1)
    expect(counts).toMatchObject({ pumped: 1, queued: 0 })
    at(T + 2, 2n ** 60n)
    expect(counts).toMatchObject({ pumped: 2, queued: 1 })
  })

  it('a thousand in a row and then one each millisecond as long as no other thread has looked, and then a hundred', () => {
    const { at, counts, other } = beside()
    for (let n = 0; n < 5000; n++) at(T)
    expect(counts.pumped).toBe(1000)
    for (let n = 0; n < 5000; n++) at(T + 1 + Math.floor(n / 1000))
    expect(counts.pumped).toBe(1005)
    other(T + 6)
    for (let n = 0; n < 5000; n++) at(T + 10_000)
    expect(counts.pumped).toBe(1105)
  })
})
