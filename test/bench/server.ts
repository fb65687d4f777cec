/** The server and its first table over 10,000 runs of 20 metrics; beside `mlflow server` on the same runs with CAIRN_BENCH_PYTHON. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Drawn, drawn, live } from './drawn.js'
import { type Cairn, cairn, median, type Row } from './rows.js'

const RUNS = Number(process.env.CAIRN_BENCH_RUNS) || 10_000
const METRICS = 20
const POINTS = 100_000
/** Long curves, each looked at once by who has not seen it. */
const LONG = 5
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface Started {
  readonly url: string
  readonly child: ChildProcess
  readonly startMs: number
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function start(
  command: string,
  args: readonly string[],
  port: number,
  env = process.env,
): Promise<Started> {
  const from = performance.now()
  const child = spawn(command, args, { stdio: 'ignore', env, detached: true })
  const url = `http://127.0.0.1:${port}`
  while (performance.now() - from < 180_000) {
    if (child.exitCode !== null) break
    const answer = await fetch(`${url}/health`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.ok) return { url, child, startMs: performance.now() - from }
    await wait(5)
  }
  throw new Error(`${command} ${args.join(' ')} did not come up`)
}

export async function stop({ child }: Started): Promise<void> {
  if (child.exitCode !== null) return
  const gone = once(child, 'exit')
  process.kill(-(child.pid as number), 'SIGTERM')
  await gone
}

async function ask(
  url: string,
  path: string,
  body?: unknown,
): Promise<{ ms: number; answer: Record<string, unknown> }> {
  const from = performance.now()
  const init =
    body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(url + path, init)
  const answer = (await response.json()) as Record<string, unknown>
  if (!response.ok) throw new Error(JSON.stringify(answer))
  return { ms: performance.now() - from, answer }
}

const search = (url: string, experimentId: string, more: object = {}) =>
  ask(url, '/ajax-api/2.0/mlflow/runs/search', { experiment_ids: [experimentId], max_results: 100, ...more })

/** Resident memory of a process, where the system tells. */
function memoryOf({ pid }: ChildProcess): number {
  const file = `/proc/${pid}/status`
  if (!existsSync(file)) return Number.NaN
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(file, 'utf8'))?.[1]) / 1000
}

interface Filled {
  readonly experimentId: string
  readonly long: readonly { readonly experimentId: string; readonly runId: string }[]
}

async function fill({ createClient }: Cairn, store: string): Promise<Filled> {
  const client = createClient({ trackingUri: store })
  const experimentId = await client.createExperiment('bench')
  for (let index = 0; index < RUNS; index++) {
    const startTime = 1_700_000_000_000 + index
    const { info } = await client.createRun(experimentId, { runName: `run ${index}`, startTime })
    const metrics = Array.from({ length: METRICS }, (_, key) => ({
      key: `m${key}`,
      value: Math.sin(index * (key + 1)),
      timestamp: startTime,
      step: 0,
    }))
    await client.logBatch(info.runId, { metrics, params: { lr: String(index % 7), model: index % 2 ? 'cnn' : 'mlp' } })
    await client.setTerminated(info.runId, 'FINISHED')
  }
  const long: { experimentId: string; runId: string }[] = []
  for (let index = 0; index < LONG; index++) {
    const run = await client.startRun({ experimentId: await client.createExperiment(`long ${index}`) })
    for (let step = 0; step < POINTS; step++)
      run.logMetric('loss', Math.cos(step / 500) + (step === 77_777 ? 50 : 0), step)
    await run.end()
    long.push({ experimentId: run.experimentId, runId: run.runId })
  }
  await client.close()
  return { experimentId, long }
}

interface Measured {
  readonly startMs: number
  readonly firstMs: number
  readonly againMs: number
  readonly sortMs: number
  readonly filterMs: number
  readonly curveMs: number
  readonly memoryMb: number
}

async function measure(
  server: Started,
  experimentId: string,
  curve: (url: string) => Promise<number>,
): Promise<Measured> {
  const { url, child, startMs } = server
  const first = await search(url, experimentId)
  const again = [await search(url, experimentId), await search(url, experimentId), await search(url, experimentId)]
  const count = (first.answer.runs as unknown[] | undefined)?.length
  if (count !== 100) throw new Error(`the first table has ${count} runs`)
  const sorts: number[] = []
  const filters: number[] = []
  for (let time = 0; time < 5; time++) {
    sorts.push((await search(url, experimentId, { order_by: [`metrics.m${time} DESC`] })).ms)
    filters.push((await search(url, experimentId, { filter: `metrics.m${time} > 0.5 AND params.model = 'cnn'` })).ms)
  }
  const curveMs = await curve(url)
  return {
    startMs,
    firstMs: first.ms,
    againMs: median(again.map(({ ms }) => ms)),
    sortMs: Math.max(...sorts),
    filterMs: Math.max(...filters),
    curveMs,
    memoryMb: memoryOf(child),
  }
}

async function ours(store: string, experimentId: string, run_id: string): Promise<Measured> {
  const port = await freePort()
  const server = await start(process.execPath, [cli, 'server', store, '--port', String(port)], port)
  try {
    return await measure(server, experimentId, async (url) => {
      const { ms, answer } = await ask(url, '/cairn/curves', { curves: [{ run_id, key: 'loss' }] })
      const [curve] = answer.curves as { total: number; value: number[] }[]
      if (curve?.total !== POINTS || Math.max(...(curve?.value ?? [])) < 40) throw new Error('the curve lost its peak')
      return ms
    })
  } finally {
    await stop(server)
  }
}

async function theirs(python: string, store: string, experimentId: string, run_ids: string): Promise<Measured> {
  const port = await freePort()
  const mlflow = join(dirname(python), 'mlflow')
  const args = ['server', '--backend-store-uri', store, '--port', String(port), '--workers', '1']
  const server = await start(mlflow, args, port, { ...process.env, MLFLOW_ALLOW_FILE_STORE: 'true' })
  try {
    return await measure(server, experimentId, async (url) => {
      const query = new URLSearchParams({ run_ids, metric_key: 'loss', max_results: '1500' })
      return (await ask(url, `/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?${query}`)).ms
    })
  } finally {
    await stop(server)
  }
}

const ms = (number: number) => `${Math.round(number).toLocaleString('en')} ms`

/** A curve that nobody has asked for yet, in a browser that has the page open, and points that come while it is. */
async function draw(store: string, long: Filled['long']): Promise<Drawn & { readonly liveMs: number }> {
  const port = await freePort()
  const server = await start(process.execPath, [cli, 'server', store, '--port', String(port)], port)
  try {
    const ids = long.map(({ experimentId }) => experimentId)
    return { ...(await drawn(server.url, ids, POINTS)), liveMs: await live(server.url, store, await cairn()) }
  } finally {
    await stop(server)
  }
}

export async function serverRows(dir: string): Promise<Row[]> {
  const store = join(dir, 'served')
  const { experimentId, long } = await fill(await cairn(), store)
  const longRun = long[0]?.runId ?? ''
  const times = [
    await ours(store, experimentId, longRun),
    await ours(store, experimentId, longRun),
    await ours(store, experimentId, longRun),
  ]
  const { clickMs, askedMs, liveMs } = await draw(store, long)
  const python = process.env.CAIRN_BENCH_PYTHON
  const peer = python ? await theirs(python, store, experimentId, longRun) : undefined
  const alone = (what: string, number: number, aim = 'under 300 ms'): Row => ({
    what,
    ours: Number.isNaN(number) ? 'no Chromium' : ms(number),
    beside: '–',
    ratio: Number.POSITIVE_INFINITY,
    aim,
  })
  const row = (what: string, key: keyof Measured, aim: string): Row => {
    const own = median(times.map((one) => one[key]))
    const text = (value: number) => (key === 'memoryMb' ? `${Math.round(value)} MB` : ms(value))
    return {
      what,
      ours: text(own),
      beside: peer && key !== 'memoryMb' ? `mlflow server ${text(peer[key])}` : '–',
      ratio: peer && key !== 'memoryMb' ? peer[key] / own : Number.POSITIVE_INFINITY,
      aim,
    }
  }
  const many = `${RUNS.toLocaleString('en')} runs of ${METRICS} metrics`
  return [
    row('server: from start to its first answer', 'startMs', 'under 500 ms'),
    row(`server: first table, asked as soon as it answers, ${many}`, 'firstMs', 'under 300 ms'),
    row(`server: the same table again, ${many}`, 'againMs', 'under 300 ms'),
    row('server: sorted by another metric, the slowest', 'sortMs', 'under 500 ms'),
    row('server: another filter, the slowest', 'filterMs', 'under 500 ms'),
    row(`server: a curve of ${POINTS.toLocaleString('en')} points, thinned`, 'curveMs', ''),
    alone('server: that curve, from the request to its pixels in Chromium', askedMs),
    alone('server: that curve, from the click on its run', clickMs),
    alone('server: from a logged point until the page shows it, the slowest', liveMs, 'under 1,000 ms'),
    row('server: most memory', 'memoryMb', 'under 300 MB'),
  ]
}
