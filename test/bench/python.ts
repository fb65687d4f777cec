/** Beside Python's client: points into the local store, and a search over 10,000 runs. Needs CAIRN_BENCH_PYTHON, a Python with mlflow. */
import { strict as assert } from 'node:assert'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { built, type Cairn, cairn, median, type Row } from './rows.js'

const RUNS = Number(process.env.CAIRN_BENCH_RUNS) || 10_000
const script = fileURLToPath(new URL('peer.py', import.meta.url))
const searcher = fileURLToPath(new URL('searcher.mjs', import.meta.url))

/** What Python's client answers, as JSON. */
function peer(dir: string, ...args: string[]): unknown {
  const python = process.env.CAIRN_BENCH_PYTHON!
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  return JSON.parse(execFileSync(python, [script, ...args], { cwd: dir, encoding: 'utf8', stdio, maxBuffer: 2 ** 26 }))
}

interface Searched {
  readonly openMs: number
  readonly firstMs: number
  readonly againMs: number
  readonly beforeMb: number
  readonly moreMb: number
  readonly walkMs: number
  readonly walkMb: number
  readonly runIds: readonly string[]
}

/** The search that peer.py makes, by us, in a process of its own. */
function search(store: string): Searched {
  return JSON.parse(execFileSync(process.execPath, [searcher, built.href, store], { encoding: 'utf8' }))
}

async function points({ createClient }: Cairn, dir: string): Promise<Row> {
  const { perSecond } = peer(dir, 'points', join(dir, 'theirs')) as { perSecond: number }
  const client = createClient({ trackingUri: join(dir, 'ours') })
  const count = 200_000
  const took: number[] = []
  for (let time = 0; time < 5; time++) {
    const run = await client.startRun()
    const from = performance.now()
    for (let index = 0; index < count; index++) run.logMetric(`loss${index % 20}`, index * 0.1, index)
    await run.flush()
    took.push(performance.now() - from)
    await run.end()
  }
  const ours = (count * 1000) / median(took)
  await client.close()
  return {
    what: 'points per second, local store',
    ours: Math.round(ours).toLocaleString('en'),
    beside: `Python's file store ${Math.round(perSecond).toLocaleString('en')}`,
    ratio: ours / perSecond,
    aim: 'at least 50',
  }
}

/** A store of many runs, each of 20 metrics and 10 params, and the same as a list for the database. */
async function fill(createClient: Cairn['createClient'], store: string, list: string): Promise<void> {
  const client = createClient({ trackingUri: store })
  const experimentId = await client.createExperiment('bench')
  const runs: object[] = []
  let seed = 1
  const chance = () => {
    seed = (seed * 16807) % 2147483647
    return seed / 2147483647
  }
  for (let index = 0; index < RUNS; index++) {
    const startTime = 1_700_000_000_000 + index
    const { info } = await client.createRun(experimentId, { runName: `run ${index}`, startTime })
    const metrics = Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`m${key}`, chance()]))
    const params = Object.fromEntries(Array.from({ length: 10 }, (_, key) => [`p${key}`, String(chance())]))
    const sent = Object.entries(metrics).map(([key, value]) => ({ key, value, timestamp: startTime, step: 0 }))
    await client.logBatch(info.runId, { metrics: sent, params })
    await client.setTerminated(info.runId, 'FINISHED')
    runs.push({ runId: info.runId, runName: info.runName, artifactUri: info.artifactUri, startTime, metrics, params })
  }
  writeFileSync(list, JSON.stringify(runs))
  await client.close()
}

async function searches({ createClient }: Cairn, dir: string): Promise<Row[]> {
  const [store, database] = [join(dir, 'many'), join(dir, 'many.db')]
  await fill(createClient, store, join(dir, 'runs.json'))
  peer(dir, 'fill', database, join(dir, 'runs.json'))
  const files = peer(dir, 'search', store, '1') as { ms: number[]; runIds: string[] }
  const sqlite = peer(dir, 'search', `sqlite:///${database}`, '4') as { ms: number[]; runIds: string[] }

  const ours = Array.from({ length: 5 }, () => search(store))
  for (const { runIds } of ours) {
    assert.deepEqual(runIds, files.runIds, 'what Python finds in the same store')
    assert.deepEqual(runIds, sqlite.runIds, 'what Python finds in its database')
  }
  const middle = (key: Exclude<keyof Searched, 'runIds'>) => median(ours.map((one) => one[key]))

  const ms = (number: number, name = '') => `${name}${Math.round(number).toLocaleString('en')} ms`
  const row = (what: string, ours: number, theirs: number, name: string, aim: string): Row => ({
    what: `search ${RUNS.toLocaleString('en')} runs, ${what}`,
    ours: ms(ours),
    beside: ms(theirs, `${name} `),
    ratio: theirs / ours,
    aim,
  })
  const [theirs, theirDatabase] = [median(files.ms), median(sqlite.ms.slice(1))]
  return [
    row('first', middle('firstMs'), theirs, "Python's file store", 'at least 50, under 1 s'),
    row('first', middle('firstMs'), theirDatabase, "Python's SQLite store", 'over 1'),
    row('again', middle('againMs'), theirDatabase, "Python's SQLite store", 'over 1, under 100 ms'),
    {
      what: 'those two searches, memory',
      ours: `${Math.round(middle('moreMb'))} MB more`,
      beside: `before them ${Math.round(middle('beforeMb'))} MB`,
      ratio: middle('moreMb') / middle('beforeMb'),
    },
    {
      what: `open an experiment of ${RUNS.toLocaleString('en')} runs: the newest 100`,
      ours: ms(middle('openMs')),
      beside: ms(theirs, "a search by Python's file store "),
      ratio: theirs / middle('openMs'),
    },
    {
      what: `walk through its ${RUNS.toLocaleString('en')} runs, whole, page by page`,
      ours: `${ms(middle('walkMs'))}, ${Math.round(middle('walkMb'))} MB more`,
      beside: `before it ${Math.round(middle('beforeMb'))} MB`,
      ratio: middle('walkMb') / middle('beforeMb'),
    },
  ]
}

export async function pythonRows(dir: string): Promise<Row[]> {
  const lib = await cairn()
  return [await points(lib, dir), ...(await searches(lib, dir))]
}
