import { expect, it } from 'vitest'
import { killChildren } from '../soak/spool-kills.js'
import { hasStrace, killAtMoments } from '../soak/spool-moments.js'
import { recordFault } from '../support/fault-line.js'
import { stand } from '../support/spool-child.js'

/** A thousand are killed by `npm run soak`. */
const KILLS = 50

it('loses nothing that was logged more than 10 ms before a kill, and delivers nothing twice', async () => {
  const begun = performance.now()
  const seen = await killChildren(KILLS)
  const note = `${KILLS} kills; ${seen.due} points were due, of which ${seen.lost} are lost`
  recordFault({ ...seen, exit: 'SIGKILL', seconds: (performance.now() - begun) / 1000, note })
  expect(seen).toMatchObject({ kills: KILLS, lost: 0, twice: 0, left: 0, warnings: [] })
  expect(seen.due).toBeGreaterThan(KILLS)
}, 180_000)

it('keeps the last point of a burst after which the loop stands still', async () => {
  const own = await stand()
  const ended = await own.run(`
    const run = await startRun()
    logMetric('loss', 0, 0)
    await run.flush()
    for (let step = 1; step <= 30_000; step++) logMetric('loss', step, step)
    const until = Date.now() + 500
    while (Date.now() < until) {}
    process.kill(process.pid, 'SIGKILL')`)
  expect(ended.signal).toBe('SIGKILL')
  await own.replay()
  const { steps, twice } = await own.outcome(ended)
  expect(twice).toBe(0)
  expect(steps).toEqual(Array.from({ length: 30_001 }, (_, step) => step))
  await own.stop()
}, 60_000)

it.skipIf(!hasStrace())(
  'loses nothing that was logged before a kill at any write, rename or link',
  async () => {
    const begun = performance.now()
    const seen = await killAtMoments(12)
    const note = `${seen.kills} kills; of what was noted ${seen.lost} are lost`
    recordFault({ ...seen, logged: seen.noted, exit: 'SIGKILL', seconds: (performance.now() - begun) / 1000, note })
    expect(seen).toMatchObject({ lost: 0, twice: 0, left: 0 })
    // How many calls the program makes is not the same each time, and so which of them are every n-th.
    expect(seen.kills).toBeGreaterThanOrEqual(8)
    expect(seen.calls).toBeGreaterThan(100)
  },
  180_000,
)
