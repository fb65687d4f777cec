import { afterEach, describe, expect, it, vi } from 'vitest'
import { NetworkError, RateLimitError, UnavailableError } from '../../src/errors.js'
import { serverState } from '../../src/spool/server.js'

const away = () => new NetworkError('away', { notSent: true })
const HOUR_MS = 3_600_000
afterEach(() => void vi.useRealTimers())

describe('a server that is away', () => {
  it('is tried a few times at first and then twice a minute, by one for all', () => {
    const server = serverState()
    let ms = 0
    let tries = 0
    while (ms < HOUR_MS) {
      server.sent()
      ms += server.down(away())
      tries++
    }
    expect(tries).toBeGreaterThan(100)
    expect(tries).toBeLessThan(260)
  })

  it('is asked by one at a time, whoever else waits, and its return is told to all', () => {
    const told: string[] = []
    const server = serverState({ onDown: () => told.push('down'), onAnswered: () => told.push('up') })
    for (const _ of [1, 2, 3, 4]) server.sent()
    for (const _ of [1, 2, 3, 4]) server.down(away())
    server.nudge()
    expect(server.wait()).toBe(0)
    server.sent()
    expect(server.wait()).toBeGreaterThan(0)
    let woken = 0
    server.onChange(() => {
      woken++
    })
    server.answered()
    expect([server.wait(), woken, told.join()]).toEqual([0, 1, 'down,up'])
  })

  it('is asked again when the one that asked gave up', () => {
    const server = serverState()
    server.sent()
    server.down(away())
    server.nudge()
    server.sent()
    server.givenUp()
    expect(server.wait()).toBe(0)
  })

  it('is asked by another one when the answer takes long, as that to a large file does', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const server = serverState()
    server.down(away())
    server.nudge()
    server.sent()
    vi.advanceTimersByTime(29_000)
    expect(server.wait()).toBeGreaterThan(0)
    vi.advanceTimersByTime(2_000)
    expect(server.wait()).toBe(0)
    server.sent()
    expect(server.wait()).toBeGreaterThan(0)
  })

  it('wakes nobody who does not wait for it, and those who do once', () => {
    const server = serverState()
    let woken = 0
    server.onChange(() => {
      woken++
    })
    for (let i = 0; i < 1000; i++) server.nudge()
    for (let i = 0; i < 1000; i++) server.givenUp()
    expect(woken).toBe(0)
    server.down(away())
    for (let i = 0; i < 1000; i++) server.nudge()
    expect(woken).toBe(1)
  })
})

describe('a server that asks for time', () => {
  it('gets fewer requests at once, of all runs together', () => {
    const server = serverState({ connections: 2 })
    const begin = () => {
      let begun = 0
      for (; server.mayBegin(() => {}, false); begun++) server.begun()
      for (let n = 0; n < begun; n++) server.ended()
      return begun
    }
    expect(begin()).toBe(4)
    server.throttled(new RateLimitError('slowly'))
    expect(begin()).toBe(2)
    server.throttled(new RateLimitError('slowly'))
    expect(begin()).toBe(1)
  })

  it.each([
    [0, 1_000],
    [-5, 1_000],
    [1_000, 1_000],
    [120_000, 120_000],
    [1e12, 300_000],
    [undefined, 5_000],
  ])('of %s ms has %d', (retryAfterMs, ms) => {
    const server = serverState()
    expect(server.throttled(new RateLimitError('slowly', retryAfterMs === undefined ? {} : { retryAfterMs }))).toBe(ms)
    expect(server.wait()).toBeGreaterThan(ms / 2)
    expect(server.limits.atOnce).toBe(2)
  })

  it('by a 503 is not left alone for longer than five minutes either', () => {
    expect(serverState().down(new UnavailableError('later', { retryAfterMs: 1e12 }))).toBe(300_000)
  })
})
