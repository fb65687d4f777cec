import { expect, it } from 'vitest'
import { exitOf, recordFault } from '../support/fault-line.js'
import { expectWhole, type Outcome, stand } from '../support/spool-child.js'

const COUNT = 1_000_000

/** The loops are as quick as a user's: not each call is noted for the report, and one look at the clock times it. */
const TIMED = `let longest = 0; let last = performance.now()
  const time = () => { const now = performance.now(); if (now - last > longest) longest = now - last; last = now }`

const record = (seen: Outcome, begun: number): void =>
  recordFault({
    logged: COUNT,
    arrived: new Set(seen.steps).size,
    twice: seen.twice,
    exit: exitOf(seen),
    longestMs: Number(/longest (\S+)/.exec(seen.stdout)?.[1]),
    seconds: (performance.now() - begun) / 1000,
  })

it('takes a million points while the server is away, in little memory, and delivers them once each', async () => {
  const at = await stand()
  const begun = performance.now()
  const body = `const run = await cairn.startRun(); console.log('started')
    await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
    // The thread of a run begins with it, and is there before anything is logged.
    await new Promise((later) => setTimeout(later, 500))
    const before = process.memoryUsage().rss
    let peak = before
    ${TIMED}
    for (let i = 0; i < ${COUNT}; i++) {
      logMetric('loss', i / 3, i)
      time()
      if (i % 20_000 === 0) { await new Promise(setImmediate); peak = Math.max(peak, process.memoryUsage().rss); last = performance.now() }
    }
    console.log('longest ' + longest)
    const { spooled, queued } = run.stats()
    console.log(JSON.stringify({ grownMiB: (Math.max(peak, process.memoryUsage().rss) - before) / 2 ** 20, waiting: spooled + queued }))
    await new Promise((later) => setTimeout(later, 300))
    console.log('back')
    await run.flush()
    const after = Math.max(peak, process.memoryUsage().rss)
    console.log(JSON.stringify({ grownMiB: (after - before) / 2 ** 20, ...run.stats() }))
    await endRun()`
  const ended = await at.run(body, {
    onStdout: (all, _, write) => {
      if (all.includes('back')) return at.start()
      if (all.includes('started') && at.server) return at.stop().then(() => write('go\n'))
    },
  })
  const [away, back] = ended.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { grownMiB: number; waiting: number; delivered: number; refused: number })
  expect(away?.waiting).toBe(COUNT)
  expect(away?.grownMiB).toBeLessThan(64)
  expect(back).toMatchObject({ delivered: COUNT, refused: 0, spooled: 0 })
  const seen = await at.outcome(ended)
  expect(seen).toMatchObject({ twice: 0, status: 'FINISHED', code: 0 })
  expect(seen.steps).toHaveLength(COUNT)
  record(seen, begun)
  await at.stop()
}, 180_000)

it('takes a million points in a loop that never yields, and has them once each in the end', async () => {
  const at = await stand()
  const begun = performance.now()
  const ended = await at.run(`await cairn.startRun()
    ${TIMED}
    for (let i = 0; i < ${COUNT}; i++) { logMetric('loss', i / 3, i); time() }
    console.log('longest ' + longest)
    await endRun()`)
  const seen = await at.outcome(ended)
  record(seen, begun)
  expectWhole(seen, COUNT)
  await at.stop()
}, 180_000)
