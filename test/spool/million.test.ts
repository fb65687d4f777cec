import { expect, it } from 'vitest'
import { expectWhole, stand } from '../support/spool-child.js'

const COUNT = 1_000_000

it('takes a million points while the server is away, in little memory, and delivers them once each', async () => {
  const at = await stand()
  const body = `const run = await startRun(); console.log('started')
    await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
    // The thread of a run begins with it, and is there before anything is logged.
    await new Promise((later) => setTimeout(later, 500))
    const before = process.memoryUsage().rss
    let peak = before
    for (let i = 0; i < ${COUNT}; i++) {
      logMetric('loss', i / 3, i)
      if (i % 20_000 === 0) { await new Promise(setImmediate); peak = Math.max(peak, process.memoryUsage().rss) }
    }
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
  await at.stop()
}, 180_000)

it('takes a million points in a loop that never yields, and has them once each in the end', async () => {
  const at = await stand()
  const ended = await at.run(`await startRun()
    for (let i = 0; i < ${COUNT}; i++) logMetric('loss', i / 3, i)
    await endRun()`)
  expectWhole(await at.outcome(ended), COUNT)
  await at.stop()
}, 180_000)
