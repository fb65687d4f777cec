import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { leftIn } from '../support/left.js'

/** What came of a process that logs much at once. */
export interface Load {
  readonly logged: number
  readonly arrived: number
  readonly twice: number
  readonly left: number
  readonly code: number | null
  /** The most files of the spool that it had open at once, when it was looked. */
  readonly open: number
  readonly grownMiB: number
  /** Seconds of each part of the work. */
  readonly seconds: Readonly<Record<string, number>>
  readonly stderr: string
}

const HEAD = `import { readdirSync, readlinkSync } from 'node:fs'
import { createClient } from 'CAIRN'
const client = createClient()
const target = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }
let open = 0
const look = () => { try { open = Math.max(open, readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith(process.env.CAIRN_SPOOL_DIR)).length) } catch {} }
const seconds = {}
const timed = async (part, act) => { const from = performance.now(); await act(); seconds[part] = (performance.now() - from) / 1000; look() }
const tell = (before, peak) => console.log(JSON.stringify({ open, seconds, grownMiB: (peak - before) / 2 ** 20 }))
globalThis.gc?.()
`

/** So many keys of one run, each once, and again. */
const KEYS = (count: number) => `${HEAD}
const run = await client.startRun()
const before = process.memoryUsage().rss
for (const round of ['first', 'again']) await timed(round, () => { for (let i = 0; i < ${count}; i++) run.logMetric('many/key' + i, i, round === 'first' ? 0 : 1) })
await timed('flush', () => run.flush({ timeoutMs: 600_000 }))
tell(before, process.memoryUsage().rss)
await run.end(); await client.close()`

/** So many runs open at once, each logging a few points in turn with the others. */
const RUNS = (count: number, points: number) => `${HEAD}
const before = process.memoryUsage().rss
const runs = []
await timed('start', async () => {
  while (runs.length < ${count}) runs.push(...await Promise.all(Array.from({ length: Math.min(20, ${count} - runs.length) }, () => client.startRun())))
})
await timed('log', async () => { for (let i = 0; i < ${points}; i++) { for (const run of runs) run.logMetric('loss', i, i); look(); await new Promise(setImmediate) } })
await timed('flush', () => Promise.all(runs.map((run) => run.flush({ timeoutMs: 600_000 }))))
const peak = process.memoryUsage().rss
await timed('end', async () => { for (let at = 0; at < runs.length; at += 20) await Promise.all(runs.slice(at, at + 20).map((run) => run.end())) })
tell(before, peak)
await client.close()`

/** A million points in one loop that yields now and then. */
const MILLION = `${HEAD}
const run = await client.startRun()
const before = process.memoryUsage().rss
let peak = before
await timed('log', async () => {
  for (let i = 0; i < 1_000_000; i++) {
    run.logMetric('loss', i / 3, i)
    if (i % 20_000 === 0) { await new Promise(setImmediate); peak = Math.max(peak, process.memoryUsage().rss) }
  }
})
await timed('flush', () => run.flush({ timeoutMs: 600_000 }))
tell(before, Math.max(peak, process.memoryUsage().rss))
await run.end(); await client.close()`

async function load(
  script: string,
  count: (client: ReturnType<typeof createClient>) => Promise<number[]>,
  logged: number,
) {
  const cwd = mkdtempSync(join(tmpdir(), 'cairn-load-'))
  const server = await startTestServer({ dir: join(cwd, 'server') })
  try {
    const ended = await child(script, {
      cwd,
      built: await built(),
      env: { MLFLOW_TRACKING_URI: server.url, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' },
    })
    const client = createClient({ trackingUri: join(cwd, 'server', 'mlruns') })
    const points = await count(client)
    await client.close()
    const arrived = new Set(points).size
    const told = JSON.parse(ended.stdout || '{}') as Pick<Load, 'open' | 'grownMiB' | 'seconds'>
    const { code, stderr } = ended
    const left = leftIn(join(cwd, 'spool')).length
    return { ...told, logged, arrived, twice: points.length - arrived, left, code, stderr } satisfies Load
  } finally {
    await server.close()
    rmSync(cwd, { recursive: true, force: true })
  }
}

/** One run with so many keys, two points each. */
export const manyKeys = (count: number): Promise<Load> =>
  load(
    KEYS(count),
    async (client) => {
      const [run] = await client.searchRuns()
      const metrics = Object.entries(run?.data.metrics ?? {})
      // The value tells the key; both points of a key are looked at in a few of them.
      const some = metrics.filter((_, at) => at % Math.ceil(metrics.length / 200) === 0)
      for (const [key] of some) {
        const steps = (await client.getMetricHistory(run!.info.runId, key)).map(({ step }) => Number(step)).sort()
        if (steps.join() !== '0,1') throw new Error(`${key} has the steps ${steps.join()}`)
      }
      return metrics.map(([, value]) => value)
    },
    count,
  )

/** So many runs at once, with so many points each. */
export const manyRuns = (count: number, points = 5): Promise<Load> =>
  load(
    RUNS(count, points),
    async (client) => {
      const all: number[] = []
      let at = 0
      for await (const { info } of client.iterateRuns({ experimentIds: ['0'] })) {
        if (info.status !== 'FINISHED') throw new Error(`${info.runId} is ${info.status}`)
        for (const { step } of await client.getMetricHistory(info.runId, 'loss')) all.push(at * points + Number(step))
        at++
      }
      return all
    },
    count * points,
  )

/** One run with a million points, its server there all the time. */
export const million = (): Promise<Load> =>
  load(
    MILLION,
    async (client) => {
      const [run] = await client.searchRuns()
      return (await client.getMetricHistory(run!.info.runId, 'loss')).map(({ step }) => Number(step))
    },
    1_000_000,
  )
