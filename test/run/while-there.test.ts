import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { NetworkError, NotFoundError } from '../../src/errors.js'
import { whileThere } from '../../src/run/while-there.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const outlet = { awayFor: undefined, leaving: new AbortController().signal }

/** Answers nothing; fails when it is given up. */
const never = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

/** What comes of an upload within a minute, where a server answers so to something small. */
async function uploaded(ask: (signal: AbortSignal) => Promise<unknown>, everyMs = Infinity) {
  let moving: NodeJS.Timeout | undefined
  let came: unknown
  const act = async (signal: AbortSignal, moved: () => void) => {
    if (everyMs < Infinity) moving = setInterval(moved, everyMs)
    await Promise.race([never(signal), new Promise((done) => setTimeout(done, 60_000))])
    return 'sent'
  }
  void whileThere(outlet, ask)(undefined, act).then(
    (tried) => {
      came = tried
    },
    (error: unknown) => {
      came = error
    },
  )
  await vi.advanceTimersByTimeAsync(20_000)
  const early = came
  await vi.advanceTimersByTimeAsync(50_000)
  clearInterval(moving)
  return { early, late: came }
}

const silent = { reason: expect.objectContaining({ message: 'The server has said nothing for 10 s' }) }
const sent = { early: undefined, late: { value: 'sent' } }

it('a server that takes nothing and says nothing is given up', async () => {
  expect((await uploaded(never)).early).toEqual(silent)
  expect((await uploaded(async () => Promise.reject(new NetworkError('reset')))).early).toEqual(silent)
})

it('one that takes more and more, or answers when it is asked, is waited for', async () => {
  expect(await uploaded(never, 2_000)).toEqual(sent)
  expect(await uploaded(async () => {})).toEqual(sent)
  expect(await uploaded(async () => Promise.reject(new NotFoundError('no', { status: 404 })))).toEqual(sent)
})

it('a thread that was busy for long has heard nothing, which says nothing of its server', async () => {
  const tried = whileThere(outlet, never)(undefined, async (signal) => {
    await Promise.race([never(signal), new Promise((done) => setTimeout(done, 60_500))])
    return 'sent'
  })
  const now = performance.now.bind(performance)
  const busy = vi.spyOn(performance, 'now').mockImplementation(() => now() + 60_000)
  await vi.advanceTimersByTimeAsync(1_000)
  busy.mockRestore()
  expect(await Promise.race([tried, 'waits'])).toBe('waits')
})
