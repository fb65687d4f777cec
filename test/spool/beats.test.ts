import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Beats, beats } from '../../src/spool/beats.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Beats of this many folders, and how often each has shown that its owner lives. */
function beating(count: number): { readonly all: Beats; readonly shown: number[] } {
  const all = beats()
  const shown = Array.from({ length: count }, () => 0)
  for (const n of shown.keys())
    all.add(`run-${n}`, {
      held: () => true,
      isThere: () => true,
      beat: () => void shown[n]!++,
      release() {},
    })
  return { all, shown }
}

it('each folder shows every 15 s that its owner lives', () => {
  for (const count of [1, 7, 100]) {
    const { all, shown } = beating(count)
    vi.advanceTimersByTime(160_000)
    expect([10, 11]).toEqual(expect.arrayContaining(shown))
    all.stop()
  }
})

it('no more than a fifteenth of them each second', () => {
  const { all, shown } = beating(1500)
  const sum = () => shown.reduce((total, times) => total + times, 0)
  for (let second = 0; second < 60; second++) {
    const before = sum()
    vi.advanceTimersByTime(1000)
    expect(sum() - before).toBeLessThanOrEqual(101)
  }
  expect(sum()).toBeGreaterThan(5900)
  all.stop()
})

it('after a sleep of the machine all show it at once', () => {
  const { all, shown } = beating(1000)
  vi.advanceTimersByTime(1000)
  const before = [...shown]
  vi.setSystemTime(Date.now() + 20 * 60_000)
  vi.advanceTimersByTime(1000)
  expect(shown).toEqual(before.map((times) => times + 1))
  all.stop()
})

it('one that is done with shows nothing, nor does any once it is stopped', () => {
  const { all, shown } = beating(2)
  all.delete('run-0')
  expect([all.has('run-0'), all.has('run-1')]).toEqual([false, true])
  vi.advanceTimersByTime(40_000)
  expect(shown).toEqual([0, 2])
  all.stop()
  vi.advanceTimersByTime(40_000)
  expect(shown).toEqual([0, 2])
})
