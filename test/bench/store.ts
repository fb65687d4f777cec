/** Points into the local store, in a loop that never yields, beside a raw loop that appends the same lines. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Cairn, cairn, median, type Row } from './rows.js'

const POINTS = 1_000_000
const BATCH = 1000
const keys = Array.from({ length: 20 }, (_, index) => `loss${index}`)
const values = Float64Array.from({ length: POINTS }, (_, index) => Math.sin(index))

/** The least that has to be done: format, group by key, append once per key and batch. */
function raw(dir: string): number {
  mkdirSync(dir, { recursive: true })
  const from = performance.now()
  for (let first = 0; first < POINTS; first += BATCH) {
    const lines = new Map<string, string>()
    for (let index = first; index < first + BATCH; index++) {
      const key = keys[index % keys.length]!
      lines.set(key, `${lines.get(key) ?? ''}${Date.now()} ${values[index]} ${index}\n`)
    }
    for (const [key, text] of lines) appendFileSync(join(dir, key), text)
  }
  return performance.now() - from
}

async function ours({ createClient }: Cairn, dir: string): Promise<number> {
  const client = createClient({ trackingUri: dir })
  const run = await client.startRun()
  const from = performance.now()
  for (let index = 0; index < POINTS; index++) run.logMetric(keys[index % keys.length]!, values[index]!, index)
  await run.flush()
  const took = performance.now() - from
  const { delivered } = run.stats()
  if (delivered < POINTS) throw new Error(`only ${delivered} of ${POINTS} points were delivered`)
  await run.end()
  await client.close()
  return took
}

export async function storeRows(dir: string): Promise<Row[]> {
  const lib = await cairn()
  const took = { raw: [] as number[], ours: [] as number[] }
  for (let time = 0; time < 4; time++) {
    const [rawMs, oursMs] = [raw(join(dir, `raw${time}`)), await ours(lib, join(dir, `store${time}`))]
    if (time === 0) continue
    took.raw.push(rawMs)
    took.ours.push(oursMs)
  }
  const perSecond = (ms: number) => Math.round(POINTS / (ms / 1000)).toLocaleString('en')
  const [rawMs, oursMs] = [median(took.raw), median(took.ours)]
  return [
    {
      what: 'points per second, local store',
      ours: perSecond(oursMs),
      beside: `raw append ${perSecond(rawMs)}`,
      ratio: rawMs / oursMs,
      aim: 'at least 0.8',
    },
  ]
}
