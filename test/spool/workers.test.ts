import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { type Stand, stand } from '../support/spool-child.js'

const COUNT = 2000
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('a worker thread that holds a run', () => {
  const IN_WORKER = (
    body: string,
    until = '',
  ) => `import { isMainThread, Worker, workerData } from 'node:worker_threads'
    if (isMainThread) {
      const times = new Float64Array(new SharedArrayBuffer(8 * 1_000_000))
      const worker = new Worker(new URL(import.meta.url), { workerData: times })
      const gone = new Promise((go) => worker.once('exit', go))
      ${until}
      console.log('gone ' + (await gone))
    } else {
      const run = await startRun()
      ${body}
    }`
  const LOG = `for (let i = 0; i < ${COUNT}; i++) logMetric('loss', i, i)`

  it.each([
    ['and ends it', `${LOG}; await endRun()`, 'FINISHED', 0],
    ['and ends, its run open', LOG, 'FINISHED', 0],
    ['and calls process.exit(3)', `${LOG}; process.exit(3)`, 'FAILED', 3],
  ])('%s has its points once, and its process ends well', async (_, body, status, code) => {
    const at = await stand()
    const ended = await at.run(IN_WORKER(body))
    expect(ended).toMatchObject({ code: 0, stdout: `gone ${code}\n` })
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ steps: range(COUNT), twice: 0, status, runs: 1 })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it.each([
    ['in a loop that never yields', ''],
    ['between the turns of its loop', 'if (i % 50 === 0) await new Promise((later) => setTimeout(later, 2));'],
  ])(
    'and is terminated while it logs %s loses nothing of 10 ms before, and its process ends well',
    async (_, pause) => {
      const at = await stand()
      const ended = await at.run(
        IN_WORKER(
          `for (let i = 0; ; i++) {
          logMetric('loss', i, i); workerData[i] = Date.now(); ${pause}
          const until = performance.now() + 0.05; while (performance.now() < until);
        }`,
          `while (times[0] === 0) await new Promise((later) => setTimeout(later, 5))
        await new Promise((later) => setTimeout(later, 300))
        const now = Date.now()
        await worker.terminate()
        console.log('due ' + times.findIndex((time) => time === 0 || time >= now - 10))`,
        ),
      )
      expect(ended.code).toBe(0)
      await at.replay()
      const { steps, twice } = await at.outcome(ended)
      const due = Number(/due (\d+)/.exec(ended.stdout)?.[1])
      expect(due).toBeGreaterThan(100)
      expect(steps.slice(0, due)).toEqual(range(due))
      expect(twice).toBe(0)
      expect(at.left()).toEqual([])
      at.remark(`${due} points were due, of which none is lost`)
      await at.stop()
    },
  )
})

describe('a cluster', () => {
  let at: Stand
  beforeAll(async () => {
    at = await stand()
  })
  afterAll(() => at.stop())

  it('whose processes share the spool has the points of each once, also of one that is killed', async () => {
    const ended = await at.run(`import cluster from 'node:cluster'
      const log = () => { for (let i = 0; i < ${COUNT}; i++) logMetric('loss', i, i) }
      if (cluster.isPrimary) {
        await startRun({ runName: 'primary' })
        const workers = [1, 2, 3].map(() => cluster.fork())
        workers[0].once('message', () => workers[0].process.kill('SIGKILL'))
        const gone = workers.map((worker) => new Promise((go) => worker.once('exit', (...how) => go(how))))
        log()
        console.log(JSON.stringify(await Promise.all(gone)))
        await endRun()
      } else {
        const { worker } = cluster
        await startRun({ runName: 'worker ' + worker.id })
        log()
        if (worker.id === 1) setTimeout(() => process.send('logged'), 20)
        else { await endRun(); worker.disconnect() }
      }`)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(ended.stdout)).toEqual([
      [null, 'SIGKILL'],
      [0, null],
      [0, null],
    ])
    await at.replay()
    await using client = createClient({ trackingUri: join(at.cwd, 'server', 'mlruns') })
    const runs = await client.searchRuns()
    expect(runs.map(({ info }) => [info.runName, info.status]).sort()).toEqual([
      ['primary', 'FINISHED'],
      ['worker 1', 'RUNNING'],
      ['worker 2', 'FINISHED'],
      ['worker 3', 'FINISHED'],
    ])
    for (const { info } of runs) {
      const points = await client.getMetricHistory(info.runId, 'loss')
      expect(points.map(({ step }) => Number(step)).sort((a, b) => a - b)).toEqual(range(COUNT))
    }
    expect(at.left()).toEqual([])
  })
})
