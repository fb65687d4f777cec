import { describe, expect, it } from 'vitest'
import { type PointsWay, pastQueue } from '../../src/tracking/points-way.js'

/** A way and the queue it leads past; `other` is the thread that takes what was left in memory. */
function beside() {
  const counts = { pumped: 0, left: 0, queued: 0, armed: 0 }
  const is = { minded: false, open: true }
  let waiting = 0
  let passed = 0
  const take = () => {
    passed += waiting
    waiting = 0
  }
  const way: PointsWay = {
    addKey() {},
    put: () => ++waiting > 0,
    get waiting() {
      return waiting
    },
    get passed() {
      return passed
    },
    pour: () => is.open,
    take: () => [],
    leave: () => void counts.left++,
    get isMinded() {
      return is.minded
    },
  }
  const past = pastQueue(way, {
    put: () => void counts.queued++,
    pour: () => is.open,
    pump() {
      counts.pumped++
      if (is.open) take()
    },
    get isIdle() {
      return waiting === 0
    },
    arm: () => void counts.armed++,
  })
  const at = (now: number, step: number | bigint = 0) => past(0, 1, step, now, undefined, now)
  return { at, counts, is, other: take }
}

/** A time as clocks tell it. */
const T = 1_800_000_000_000

describe('points go on', () => {
  it('each in its call where calls come now and then, and nobody else is asked', () => {
    const { at, counts } = beside()
    for (let n = 0; n < 100; n++) at(T + 10 * n)
    expect(counts).toEqual({ pumped: 100, left: 0, queued: 0, armed: 0 })
  })

  it('each in its call until the other thread, which is asked to by calls that come closely, sees to them', () => {
    const { at, counts, is, other } = beside()
    for (let n = 0; n < 10; n++) at(T + 3 * n)
    expect(counts).toMatchObject({ pumped: 10, left: 9 })
    is.minded = true
    for (let n = 10; n < 20; n++) {
      at(T + 3 * n)
      other()
    }
    expect(counts).toMatchObject({ pumped: 10, left: 9 })
  })

  it('in the call again where the other thread is held up for 5 ms', () => {
    const { at, counts, is, other } = beside()
    at(T)
    is.minded = true
    at(T + 1)
    other()
    for (let n = 2; n < 7; n++) at(T + n)
    expect(counts.pumped).toBe(1)
    at(T + 7)
    expect(counts.pumped).toBe(2)
    // That moved them: it gets as long again.
    for (let n = 8; n < 13; n++) at(T + n)
    expect(counts.pumped).toBe(2)
    at(T + 13)
    expect(counts.pumped).toBe(3)
  })

  it('in one call each 250 ms all the same, which finds out what became of the folder', () => {
    const { at, counts, is, other } = beside()
    is.minded = true
    for (let n = 0; n <= 1000; n++) {
      at(T + n)
      other()
    }
    expect(counts.pumped).toBe(5)
  })

  it('by the queue, in the call, where a step is none for columns, whoever sees to the others', () => {
    const { at, counts, is } = beside()
    at(T)
    is.minded = true
    at(T + 1)
    expect(counts).toMatchObject({ pumped: 1, queued: 0 })
    at(T + 2, 2n ** 60n)
    expect(counts).toMatchObject({ pumped: 2, queued: 1 })
  })

  it('a thousand in a row and then one each millisecond where nobody sees to them', () => {
    const { at, counts } = beside()
    for (let n = 0; n < 5000; n++) at(T)
    expect(counts.pumped).toBe(1000)
    for (let n = 0; n < 5000; n++) at(T + 1 + Math.floor(n / 1000))
    expect(counts.pumped).toBe(1005)
  })
})
