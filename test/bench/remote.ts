/** Points to a server: beside a loop that posts batches serialised beforehand, beside Python's client, and beside nothing but a wire. */
import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { answering, groupCpuMs, type Place, type Wire, wireTo } from './remote-server.js'
import { trainer } from './remote-training.js'
import { built, cairn, median, type Row } from './rows.js'
import { freePort, start, stop } from './server.js'
import { server as slowServer } from './spool.js'

const run = promisify(execFile)
const POINTS = 60_000
/** Sent by remote-client.mjs to the server in question before it measures. */
const SETTLE = 120_000
/** Python's client waits for each request: one point at a time is asked for less of them. */
const PLAIN_POINTS = 100
const ROUNDS = 3
const TRAININGS = 90
/** Each of three goes as often before each other: what was trained before has left its garbage. */
const ORDERS = [
  ['plain', 'control', 'logged'],
  ['logged', 'control', 'plain'],
  ['control', 'logged', 'plain'],
  ['plain', 'logged', 'control'],
  ['logged', 'plain', 'control'],
  ['control', 'plain', 'logged'],
] as const
const client = fileURLToPath(new URL('remote-client.mjs', import.meta.url))
const caller = fileURLToPath(new URL('remote-caller.mjs', import.meta.url))
const peer = fileURLToPath(new URL('remote.py', import.meta.url))

interface Spent {
  readonly ms: number
  readonly cpuMs: number
  readonly points: number
}

interface Rate {
  /** Points a second. */
  readonly rate: number
  /** Microseconds of CPU a point, in the client's process. */
  readonly cpuUs: number
}

/** Where a client's points go while its engine compiles what a training of hours has compiled, and where they go then. */
interface Way {
  readonly wire: Wire
  readonly warm: Place
  readonly url: string
  readonly far: number
}

/** One client in a process of its own, which says where it is and waits for its way to be turned. */
async function node(dir: string, kind: 'cairn' | 'raw', way: Way, points: number, atOnce = 4): Promise<Spent> {
  way.wire.turnTo(way.url, 0)
  const args = [client, kind, built.href, way.wire.url, String(points), String(atOnce), join(dir, 'spool')]
  const child = spawn(process.execPath, args, { cwd: dir, stdio: ['pipe', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'made') way.wire.turnTo(way.warm.url, 0)
    else if (line === 'warm') way.wire.turnTo(way.url, way.far)
    else return { ...JSON.parse(line), points }
    child.stdin.write('on\n')
  }
  throw new Error(`the client ${kind} ended without an answer`)
}

async function python(dir: string, kind: 'batch' | 'buffered' | 'plain', url: string, points: number): Promise<Spent> {
  const env = { ...process.env, MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS: '1', MLFLOW_DISABLE_TELEMETRY: 'true' }
  const { stdout } = await run(process.env.CAIRN_BENCH_PYTHON!, [peer, kind, url, String(points)], { cwd: dir, env })
  return { ...JSON.parse(stdout), points }
}

const rateOf = (all: readonly Spent[]): Rate => ({
  rate: median(all.map(({ points, ms }) => (points * 1000) / ms)),
  cpuUs: median(all.map(({ points, cpuMs }) => (cpuMs * 1000) / points)),
})

const whole = (number: number) => Math.round(number).toLocaleString('en')
const us = (number: number) => `${number < 10 ? number.toFixed(1) : Math.round(number)} µs`

/** Against one MLflow server, from as far away as said. */
async function beside(dir: string, group: number, url: string, far: number): Promise<Row[]> {
  const [wire, warm] = [await wireTo(url, far), await answering(0)]
  const way = { wire, warm, url, far }
  const all = { ours: [] as Spent[], one: [] as Spent[], four: [] as Spent[], batch: [] as Spent[] }
  const serverUs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = groupCpuMs(group)
    all.ours.push(await node(dir, 'cairn', way, POINTS))
    serverUs.push(((groupCpuMs(group) - before) * 1000) / (POINTS + SETTLE))
    all.one.push(await node(dir, 'raw', way, POINTS, 1))
    all.four.push(await node(dir, 'raw', way, POINTS, 4))
    all.batch.push(await python(dir, 'batch', wire.url, POINTS))
  }
  const buffered = rateOf([await python(dir, 'buffered', wire.url, POINTS)])
  const plain = rateOf([await python(dir, 'plain', wire.url, PLAIN_POINTS)])
  wire.close()
  warm.close()

  const [ours, one, four, batch] = [rateOf(all.ours), rateOf(all.one), rateOf(all.four), rateOf(all.batch)]
  const what = `points per second to MLflow, ${far} ms away`
  const row = (name: string, other: Rate, aim?: string): Row => ({
    what,
    ours: whole(ours.rate),
    beside: `${name} ${whole(other.rate)}`,
    ratio: ours.rate / other.rate,
    ...(aim ? { aim } : {}),
  })
  const cpu = (name: string, other: number, aim?: string): Row => ({
    what: `CPU per point, ${far} ms away`,
    ours: us(ours.cpuUs),
    beside: `${name} ${us(other)}`,
    ratio: ours.cpuUs / other,
    ...(aim ? { aim } : {}),
  })
  return [
    row('raw loop', one, 'at least 0.95'),
    row('raw loop, four at once', four, 'at least 0.95'),
    row("Python's log_batch", batch),
    row("Python's buffered logging", buffered),
    row("Python's log_metric", plain),
    cpu('the server', median(serverUs), 'under 0.02'),
    cpu('raw loop', one.cpuUs),
    cpu("Python's log_batch", batch.cpuUs),
    cpu("Python's buffered logging", buffered.cpuUs),
    cpu("Python's log_metric", plain.cpuUs),
  ]
}

/** Against a server that only answers, after so long. */
async function answered(dir: string, delayMs: number, points: number, aim: number): Promise<Row> {
  const [server, warm] = [await answering(delayMs), await answering(0)]
  const way = { wire: await wireTo(server.url, 0), warm, url: server.url, far: 0 }
  const ours: Spent[] = []
  const raw: Spent[] = []
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await node(dir, 'cairn', way, points))
    raw.push(await node(dir, 'raw', way, points, 4))
  }
  for (const place of [way.wire, server, warm]) place.close()
  const [mine, theirs] = [rateOf(ours), rateOf(raw)]
  return {
    what: `points per second to a server that only answers, after ${delayMs} ms`,
    ours: `${whole(mine.rate)}, ${us(mine.cpuUs)} CPU each`,
    beside: `raw loop, four at once ${whole(theirs.rate)}`,
    ratio: mine.rate / theirs.rate,
    aim: `at least ${whole(aim)}`,
  }
}

interface Call {
  readonly median: number
  readonly p99: number
  readonly slow: number
  /** Calls over 1 ms among the first 300,000. */
  readonly first: number
}

/** What a call costs its caller, beside the other client for Node that logs to a server. */
async function called(dir: string): Promise<Row[]> {
  const server = await answering(50)
  const args = [caller, built.href, server.url, join(dir, 'spool')]
  const { stdout } = await run(process.execPath, args, { cwd: dir })
  server.close()
  const { empty, push, ours, ours20, wandb } = JSON.parse(stdout) as Record<string, Call>
  const ns = (number: number) => `${whole(number)} ns`
  const own = (call: Call | undefined, of: 'median' | 'p99') =>
    Math.max(1, (call?.[of] ?? Number.NaN) - (empty?.median ?? 0))
  const row = (what: string, of: 'median' | 'p99', mine: Call | undefined, name: string, other: Call | undefined) => ({
    what: `${what}, to a server 50 ms away, ${of}`,
    ours: ns(own(mine, of)),
    beside: `${name} ${ns(own(other, of))}`,
    ratio: own(mine, of) / own(other, of),
  })
  return [
    row('logMetric', 'median', ours, 'object push', push),
    row('logMetric', 'p99', ours, 'object push', push),
    row('logMetric', 'median', ours, "@wandb/sdk's log", wandb),
    row('logMetric', 'p99', ours, "@wandb/sdk's log", wandb),
    row('logMetrics of 20 keys', 'median', ours20, "@wandb/sdk's log of one", wandb),
    {
      what: 'logMetric, to a server 50 ms away, calls over 1 ms',
      ours: `${whole(ours?.slow ?? Number.NaN)} in a million`,
      beside: `empty loop ${whole(empty?.slow ?? Number.NaN)}, @wandb/sdk ${whole(wandb?.slow ?? Number.NaN)}`,
      ratio: (ours?.slow ?? Number.NaN) / (empty?.slow ?? Number.NaN),
      aim: 'at most 2 more',
    },
    {
      what: 'logMetric, to a server 50 ms away, calls over 1 ms among the first 300,000, while the engine compiles',
      ours: whole(ours?.first ?? Number.NaN),
      beside: `empty loop ${whole(empty?.first ?? Number.NaN)}, @wandb/sdk ${whole(wandb?.first ?? Number.NaN)}`,
      ratio: (ours?.first ?? Number.NaN) / (empty?.first ?? Number.NaN),
    },
  ]
}

/**
 * The time that a training takes with and without its points going to a server 50 ms away; beside it a control, nothing
 * logged on either side, which tells how much the figure is worth.
 */
async function trained(dir: string): Promise<Row[]> {
  const { createClient } = await cairn()
  const server = await slowServer()
  const client = createClient({ trackingUri: server.url, spoolDir: join(dir, 'spool') })
  const tracked = await client.startRun()
  const train = trainer()
  const log = (metrics: Record<string, number>, epoch: number) => tracked.logMetrics(metrics, epoch)
  const logs = { plain: () => {}, control: () => {}, logged: log }
  const ms: Record<keyof typeof logs, number[]> = { plain: [], control: [], logged: [] }
  for (let round = -ORDERS.length; round < TRAININGS; round++)
    for (const what of ORDERS[(round + ORDERS.length) % ORDERS.length]!) {
      const took = await train(logs[what])
      if (round >= 0) ms[what].push(took)
    }
  await tracked.end()
  await client.close()
  server.stop()
  // Round by round: how quick the machine is changes more from one minute to the next than what is measured.
  const over = (what: keyof typeof logs) => median(ms[what].map((took, round) => took / ms.plain[round]!))
  const row = (what: string, which: keyof typeof logs): Row => ({
    what,
    ours: `${whole(median(ms[which]))} ms`,
    beside: `without ${whole(median(ms.plain))} ms`,
    ratio: over(which),
  })
  return [
    { ...row('a TensorFlow.js training, its points to a server 50 ms away', 'logged'), aim: 'at most 1.02' },
    row('the same training, nothing logged on either side', 'control'),
  ]
}

export async function remoteRows(dir: string): Promise<Row[]> {
  const rows = [await answered(dir, 10, 400_000, 200_000), await answered(dir, 100, 200_000, 30_000)]
  rows.push(...(await called(dir)), ...(await trained(dir)))
  const pythonPath = process.env.CAIRN_BENCH_PYTHON
  if (!pythonPath) return rows
  const port = await freePort()
  const store = ['--backend-store-uri', `sqlite:///${join(dir, 'remote.db')}`, '--artifacts-destination', dir]
  const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1', ...store]
  const server = await start(pythonPath, args, port, { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true' })
  try {
    for (const far of [0, 10, 100]) rows.push(...(await beside(dir, server.child.pid as number, server.url, far)))
  } finally {
    await stop(server)
  }
  return rows
}
