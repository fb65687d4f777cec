import { expect, it } from 'vitest'
import { manyKeys, manyRuns } from '../soak/spool-load.js'

/** Ten times as much, and in the spool's own time, is in `npm run soak`. */
it('ten thousand keys arrive once each', async () => {
  const seen = await manyKeys(10_000)
  expect(seen).toMatchObject({ logged: 10_000, arrived: 10_000, twice: 0, left: 0, code: 0, stderr: '' })
}, 120_000)

it('five hundred runs at once take few descriptors, and all they log arrives once', async () => {
  const seen = await manyRuns(500)
  expect(seen).toMatchObject({ logged: 2500, arrived: 2500, twice: 0, left: 0, code: 0, stderr: '' })
  // Sixty-four are kept open in each thread, and a few are being read.
  expect(seen.open).toBeGreaterThan(0)
  expect(seen.open).toBeLessThan(150)
}, 120_000)
