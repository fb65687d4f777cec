import { expect, it } from 'vitest'
import { killChildren } from '../soak/spool-kills.js'
import { hasStrace, killAtMoments } from '../soak/spool-moments.js'

/** A thousand are killed by `npm run soak`. */
const KILLS = 50

it('loses nothing that was logged more than 10 ms before a kill, and delivers nothing twice', async () => {
  const seen = await killChildren(KILLS)
  expect(seen).toMatchObject({ kills: KILLS, lost: 0, twice: 0, left: 0, warnings: [] })
  expect(seen.due).toBeGreaterThan(KILLS)
}, 180_000)

it.skipIf(!hasStrace())(
  'loses nothing that was logged before a kill at any write, rename or link',
  async () => {
    const seen = await killAtMoments(12)
    expect(seen).toMatchObject({ lost: 0, twice: 0, left: 0 })
    // How many calls the program makes is not the same each time, and so which of them are every n-th.
    expect(seen.kills).toBeGreaterThanOrEqual(8)
    expect(seen.calls).toBeGreaterThan(100)
  },
  180_000,
)
