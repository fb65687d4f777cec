/** What a call costs the one who makes it when it goes to disk on its way to a server, here one that answers after 50 ms. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { built, cairn, median, type Row } from './rows.js'

const CALLS = 1_000_000
/** The loop is let turn after so many calls. */
const ROUND = 1000

const ROUNDS = 3
const TRAININGS = 10

/** The test server in a process of its own that goes last: it takes no processor from a caller to whom it is far away. */
export async function server(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const testing = pathToFileURL(built.pathname.replace(/index\.js$/, 'testing.js')).href
  const script = `(await import('node:os')).setPriority(19)
    const { startTestServer } = await import(${JSON.stringify(testing)})
    const server = await startTestServer()
    server.faults.add({ on: 'logBatch', delayMs: 50, times: 1e9 })
    console.log(server.url)`
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script])
  const url = await new Promise<string>((resolve) => {
    child.stdout?.once('data', (data: Buffer) => resolve(data.toString().trim()))
  })
  return { url, stop: () => void child.kill() }
}

interface Spent {
  /** Nanoseconds of the call in the middle, and of the one that 1 % exceed. */
  readonly median: number
  readonly p99: number
  /** Calls over a millisecond, in a million. */
  readonly slow: number
}

/** Every call timed by itself; what a clock's own reading takes is taken off. */
async function timed(act: (index: number) => void): Promise<Spent> {
  const times = new Float64Array(CALLS)
  for (let index = 0; index < CALLS; index++) {
    const from = process.hrtime.bigint()
    act(index)
    times[index] = Number(process.hrtime.bigint() - from)
    if (index % ROUND === ROUND - 1) await new Promise(setImmediate)
  }
  times.sort()
  const at = (share: number) => times[Math.floor(share * CALLS)] ?? Number.NaN
  return { median: at(0.5), p99: at(0.99), slow: times.filter((time) => time > 1e6).length }
}

/** Work of a fixed amount, as of a training step, with a point logged after each; the seconds it takes in all. */
async function training(log: (step: number) => void): Promise<number> {
  const begun = performance.now()
  let sum = 0
  for (let step = 0; step < 300; step++) {
    for (let i = 0; i < 3e6; i++) sum += Math.sqrt(i + step)
    log(step)
    if (step % 10 === 9) await new Promise(setImmediate)
  }
  return (performance.now() - begun) / 1000 + (sum === 0 ? 1 : 0)
}

export async function spoolRows(dir: string): Promise<Row[]> {
  const { createClient } = await cairn()
  const { url, stop } = await server()
  const client = createClient({ trackingUri: url, spoolDir: join(dir, 'spool') })
  const run = await client.startRun()
  const logger = pino(pino.destination(join(dir, 'pino-spool.log')))
  let queue: object[] = []
  const push = (index: number) => {
    if (queue.length >= ROUND) queue = []
    queue.push({ key: 'loss', value: index * 0.1, step: index, timestamp: Date.now() })
  }
  const log = (index: number) => run.logMetric('loss', index * 0.1, index)
  const info = (index: number) => logger.info({ key: 'loss', value: index * 0.1, step: index })

  const acts = { empty: () => {}, pushed: push, spoken: info, logged: log }
  const spent: Record<keyof typeof acts, Spent[]> = { empty: [], pushed: [], spoken: [], logged: [] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const what of Object.keys(acts) as (keyof typeof acts)[]) spent[what].push(await timed(acts[what]))
    await run.flush({ timeoutMs: 300_000 })
  }
  const middle = (all: readonly Spent[]): Spent => {
    const of = (what: keyof Spent) => median(all.map((one) => one[what]))
    return { median: of('median'), p99: of('p99'), slow: of('slow') }
  }
  const [empty, pushed] = [middle(spent.empty), middle(spent.pushed)]
  const [spoken, logged] = [middle(spent.spoken), middle(spent.logged)]

  const trainings = {
    plain: () => training(() => {}),
    tracked: () => training((step) => run.logMetrics({ loss: step, accuracy: step }, { step })),
  }
  const [plain, tracked] = [[] as number[], [] as number[]]
  for (let round = 0; round < TRAININGS; round++) {
    // Either goes first every other time.
    if (round % 2 === 0) plain.push(await trainings.plain())
    tracked.push(await trainings.tracked())
    if (round % 2 === 1) plain.push(await trainings.plain())
  }
  await run.end()
  await client.close()
  stop()

  const own = ({ median: middle }: Spent) => Math.max(1, middle - empty.median)
  const ns = (value: number, name = '') => `${name}${Math.round(value)} ns`
  const [without, withPoints] = [median(plain), median(tracked)]
  return [
    {
      what: 'logMetric through the spool, median',
      ours: ns(own(logged)),
      beside: ns(own(pushed), 'object push '),
      ratio: own(logged) / own(pushed),
      aim: 'at most 1; 200 ns',
    },
    {
      what: 'logMetric through the spool, median',
      ours: ns(own(logged)),
      beside: ns(own(spoken), 'pino.info '),
      ratio: own(logged) / own(spoken),
    },
    {
      what: 'logMetric through the spool, p99',
      ours: ns(logged.p99),
      beside: ns(pushed.p99, 'object push '),
      ratio: logged.p99 / pushed.p99,
    },
    {
      what: 'logMetric through the spool, calls over 1 ms',
      ours: `${logged.slow} in a million`,
      beside: `empty loop ${empty.slow}, pino ${spoken.slow}`,
      ratio: logged.slow / Math.max(1, empty.slow),
      aim: 'at most 2 more',
    },
    {
      what: 'training, 600 points to a server 50 ms away',
      ours: `${withPoints.toFixed(3)} s`,
      beside: `without ${without.toFixed(3)} s`,
      ratio: withPoints / without,
      aim: 'at most 1.02',
    },
  ]
}
