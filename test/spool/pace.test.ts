import { expect, it } from 'vitest'
import { pace } from '../../src/spool/pace.js'

let now = 0

/** Keeps a server busy that answers so many a second by how many are at once; how many there were at each answer. */
function talk(pacing: ReturnType<typeof pace>, answersAt: (atOnce: number) => number, answers: number): number[] {
  const seen: number[] = []
  for (let n = 0; n < answers; n++) {
    const { atOnce } = pacing
    now += 1000 / answersAt(atOnce)
    seen.push(atOnce)
    pacing.answered(atOnce, 1000, now)
  }
  return seen
}

it('goes down to one at once where more bring nothing', () => {
  const pacing = pace(4)
  talk(pacing, (atOnce) => (atOnce === 1 ? 11 : 10.3), 100)
  expect(pacing.atOnce).toBe(1)
  talk(pacing, () => 10, 800)
  expect(pacing.atOnce).toBe(1)
})

it('stays at the most where each brings more, and tries one less now and then', () => {
  const seen = talk(pace(4), (atOnce) => 10 * atOnce, 900)
  expect(seen.filter((atOnce) => atOnce < 4).length).toBeLessThan(70)
  expect(seen.at(-1)).toBe(4)
})

it('finds the number between', () => {
  const seen = talk(pace(4), (atOnce) => 10 * Math.min(2, atOnce), 1000)
  expect(seen.filter((atOnce) => atOnce === 2).length).toBeGreaterThan(700)
})

it('finds out anew when things have changed', () => {
  const pacing = pace(4)
  talk(pacing, () => 10, 500)
  expect(pacing.atOnce).toBe(1)
  talk(pacing, (atOnce) => 10 * atOnce, 1000)
  expect(pacing.atOnce).toBe(4)
})

it('counts nothing of a time in which fewer were under way', () => {
  const pacing = pace(4)
  for (let n = 0; n < 90; n++) {
    pacing.answered(4, 1000, n * 100)
    if (n % 10 === 9) pacing.slack()
  }
  for (let n = 0; n < 90; n++) pacing.answered(3, 1000, 20_000 + n)
  expect(pacing.atOnce).toBe(4)
})

it('counts nothing of the first answers, and soon looks again at what it took for slower', () => {
  const pacing = pace(4)
  let n = 0
  talk(pacing, (atOnce) => 10 * atOnce * (n++ < 16 ? 0.2 : 1), 60)
  expect(pacing.atOnce).toBe(4)
  const other = pace(4)
  n = 0
  // A bad time that ends: the pace is low for that alone.
  talk(other, (atOnce) => 10 * atOnce * (n++ < 40 ? 0.2 : 1), 300)
  expect(other.atOnce).toBe(4)
})
