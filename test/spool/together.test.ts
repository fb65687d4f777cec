import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { expectWhole, type Stand, stand } from '../support/spool-child.js'

const COUNT = 2000
const WRITERS = 4
const stands: Stand[] = []
const open = async (): Promise<Stand> => {
  const at = await stand()
  stands.push(at)
  return at
}
afterAll(async () => {
  for (const at of stands) await at.stop()
})

/** The steps of a metric that a server has, sorted, by run. */
async function stepsOf(at: Stand, key = 'loss'): Promise<number[][]> {
  const client = createClient({ trackingUri: join(at.cwd, 'server', 'mlruns') })
  const runs = await client.searchRuns()
  const all = await Promise.all(runs.map(({ info }) => client.getMetricHistory(info.runId, key)))
  await client.close()
  return all.map((points) => points.map(({ step }) => Number(step)).sort((a, b) => a - b))
}
const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const LOG = (from: number) => `for (let i = ${from}; i < ${from + COUNT}; i++) {
  logMetric('loss', i, i)
  if (i % 200 === 0) await new Promise((later) => setTimeout(later, 5))
}`

it('processes that share a spool, each with a run of its own, do not get in each other’s way', async () => {
  const at = await open()
  const ends = await Promise.all(range(WRITERS).map(() => at.run(`await startRun(); ${LOG(0)} await endRun()`)))
  expect(ends.map(({ code, stderr }) => [code, stderr])).toEqual(range(WRITERS).map(() => [0, '']))
  expect(await stepsOf(at)).toEqual(range(WRITERS).map(() => range(COUNT)))
  expect(at.left()).toEqual([])
})

it('processes that log to one run, and are killed, lose nothing and tear nothing', async () => {
  const at = await open()
  const { stdout: runId } = await at.run(
    `const run = await createClient().createRun('0'); console.log(run.info.runId); process.exit()`,
  )
  const ends = await Promise.all(
    range(WRITERS).map((n) =>
      at.run(`await startRun({ runId: '${runId.trim()}' }); ${LOG(n * COUNT)}
        await new Promise((later) => setTimeout(later, 20)); process.kill(process.pid, 'SIGKILL')`),
    ),
  )
  expect(ends.map(({ signal }) => signal)).toEqual(range(WRITERS).map(() => 'SIGKILL'))
  await Promise.all([at.replay(), at.replay()])
  const seen = await at.outcome(ends[0]!)
  expect(seen.steps).toEqual(range(WRITERS * COUNT))
  expect(at.left()).toEqual([])
})

it('a process that was forked after the start has a way of its own, and ends nothing of its parent', async () => {
  const at = await open()
  const ended = await at.run(`import { fork } from 'node:child_process'
    if (process.argv[2] === undefined) {
      const run = await startRun(); logMetric('loss', 0, 0)
      const child = fork(process.argv[1], [run.runId])
      for (let i = 1; i < ${COUNT}; i++) logMetric('loss', i, i)
      const code = await new Promise((go) => child.once('exit', go))
      if (run.status !== 'RUNNING' || code !== 0) throw new Error(run.status + ' ' + code)
      await endRun()
    } else {
      await startRun({ runId: process.argv[2] })
      for (let i = 0; i < ${COUNT}; i++) logMetric('loss', ${COUNT} + i, ${COUNT} + i)
      await endRun()
    }`)
  expectWhole(await at.outcome(ended), 2 * COUNT)
})

it('what is odd arrives as it is, and what is wrong is thrown in the call and takes nothing with it', async () => {
  const at = await open()
  const ended = await at.run(`const run = await startRun()
    const thrown = []
    const attempt = (name, act) => { try { act() } catch (error) { thrown.push(name + ' ' + error.code) } }
    const values = [NaN, Infinity, -Infinity, -0, 5e-324, 1.7976931348623157e308, 0.1]
    for (let i = 0; i < 700; i++) logMetric('odd', values[i % 7], { step: i, timestamp: 1700000000000 + i })
    attempt('text', () => logMetric('odd', '1', 1)); attempt('bigint', () => logMetric('odd', 1n, 1))
    attempt('null', () => logMetric('odd', null, 1)); attempt('undefined', () => logMetric('odd', undefined, 1))
    attempt('half a step', () => logMetric('odd', 1, 0.5)); attempt('step', () => logMetric('odd', 1, 2 ** 60))
    for (const key of ['', '../x', 'a\\nb', '/abs', 'a//b', '.', 'x'.repeat(251)]) attempt('key', () => logMetric(key, 1))
    logMetric('far', 1, { step: 2n ** 60n }); logMetric('ns', 1, { timestamp: 1796056708067123456n }); logMetric('far', 2, { step: -(2n ** 60n) })
    for (const key of ['a:b', 'CON', ' ', '日本', 'a/b/c']) logMetric(key, 1)
    logParams(Object.fromEntries(Array.from({ length: 250 }, (_, i) => ['p' + i, i])))
    logParam('p1', 1); attempt('conflict', () => logParam('p1', 2))
    logParam('long', 'ä'.repeat(7000)); setTag('tag', 'x'.repeat(9000)); logParams({ none: null, some: { a: [1] } })
    await run.flush()
    console.log(JSON.stringify({ thrown, ...run.stats() }))
    await endRun()`)
  const { thrown, delivered, refused } = JSON.parse(ended.stdout) as {
    thrown: string[]
    delivered: number
    refused: number
  }
  const bad = (name: string) => `${name} INVALID_PARAMETER_VALUE`
  expect(thrown).toEqual([
    ...['text', 'bigint', 'null', 'undefined', 'half a step', 'step'].map(bad),
    ...Array.from({ length: 7 }, () => bad('key')),
    bad('conflict'),
  ])
  expect(refused).toBe(0)
  expect(delivered).toBe(700 + 3 + 5 + 250 + 1 + 1 + 1)
  const client = createClient({ trackingUri: join(at.cwd, 'server', 'mlruns') })
  const [run] = await client.searchRuns()
  const runId = run!.info.runId
  // Values that are no numbers go in requests of their own.
  const odd = (await client.getMetricHistory(runId, 'odd')).sort((a, b) => Number(a.step) - Number(b.step))
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 5e-324, Number.MAX_VALUE, 0.1]
  expect(odd.map(({ value, step, timestamp }) => [value, step, timestamp])).toEqual(
    range(700).map((i) => [values[i % 7], i, 1_700_000_000_000 + i]),
  )
  const far = (await client.getMetricHistory(runId, 'far')).map(({ step }) => BigInt(step))
  expect(far.sort((a, b) => Number(a - b))).toEqual([-(2n ** 60n), 2n ** 60n])
  expect(await client.getMetricHistory(runId, 'ns')).toMatchObject([{ timestamp: 1_796_056_708_067_123_456n }])
  expect(Object.keys(run!.data.metrics).sort()).toEqual(['odd', 'far', 'ns', 'a:b', 'CON', ' ', '日本', 'a/b/c'].sort())
  const { params, tags } = run!.data
  expect(Object.keys(params)).toHaveLength(252)
  expect(params).toMatchObject({ p0: '0', p249: '249', long: 'ä'.repeat(6000), some: '{"a":[1]}' })
  expect(tags.tag).toBe('x'.repeat(8000))
  await client.close()
})
