import { describe, expect, it } from 'vitest'
import { type Zoom, zoomed } from '../../src/server/page/zoom.js'

const press = (whole: Zoom, key: string, times: number): Zoom => {
  let part = whole
  for (let time = 0; time < times; time++) part = zoomed(part, whole, key) ?? part
  return part
}

describe('a key on a curve', () => {
  const whole = { from: 0, to: 100 }
  it('goes closer, away and to the sides, and never out of the curve', () => {
    expect(press(whole, '+', 1)).toEqual({ from: 25, to: 75 })
    expect(zoomed({ from: 25, to: 75 }, whole, 'ArrowRight')).toEqual({ from: 37.5, to: 87.5 })
    expect(zoomed({ from: 10, to: 60 }, whole, 'ArrowLeft')).toEqual({ from: 0, to: 50 })
    expect(zoomed({ from: 25, to: 75 }, whole, '-')).toEqual(whole)
    expect(zoomed({ from: 1, to: 2 }, whole, 'Escape')).toEqual(whole)
    expect(zoomed(whole, whole, 'a')).toBeUndefined()
  })
  it('that is held stops before the numbers of the axis are too close to be told apart', () => {
    const now = 1_700_000_000_000
    for (const axis of [whole, { from: -1e9, to: 1e9 }, { from: now, to: now + 3_600_000 }]) {
      const { from, to } = press(axis, '+', 1_000)
      expect(to - from).toBeLessThan((axis.to - axis.from) / 1_000)
      // A chart adds a tenth of what it shows to a number until it is through.
      for (let tick = from, count = 0; tick <= to; tick += (to - from) / 10, count++) expect(count).toBeLessThan(12)
    }
  })
})
