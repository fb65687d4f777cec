/**
 * One client that logs points to a server, in a process of its own so that its CPU is counted alone. Prints JSON.
 * Usage: node remote-client.mjs cairn|raw LIBRARY URL POINTS AT_ONCE SPOOL
 */
import { Pool, request } from 'undici'

const [kind, library, url, points, atOnce, spoolDir] = process.argv.slice(2)
const COUNT = Number(points)
const BATCH = 1000
/**
 * Sent beforehand, to a server that only answers, so often: at the pace of MLflow on SQLite these are the requests of a
 * training's first minutes, after which the engine has compiled what it will.
 */
const WARM = 400 * BATCH
const WARM_ROUNDS = 10
/**
 * Sent to the server itself before the clock starts: connections stand then, and how many at once it likes is known, which
 * takes some ninety requests.
 */
const SETTLE = 120 * BATCH
const keys = Array.from({ length: 20 }, (_, index) => `loss${index}`)
/** Computed beforehand: what makes the numbers is no client's work. */
const values = Float64Array.from({ length: 1 << 16 }, (_, index) => Math.sin(index))
const value = (index) => values[index & 0xffff]

/** Says where it is, and waits until the way is turned. */
async function turned(word) {
  console.log(word)
  await new Promise((resolve) => process.stdin.once('data', resolve))
}

/** Milliseconds that an act takes, on the clock and of the CPU, threads included. */
async function measured(act) {
  const before = process.cpuUsage()
  const from = performance.now()
  await act()
  const ms = performance.now() - from
  const { user, system } = process.cpuUsage(before)
  return { ms, cpuMs: (user + system) / 1000 }
}

async function cairn() {
  const { createClient } = await import(library)
  const client = createClient({ trackingUri: url, spoolDir })
  const run = await client.startRun({ experimentId: '0' })
  const log = (first, count) => {
    for (let index = first; index < first + count; index++)
      run.logMetric(keys[index % keys.length], value(index), Math.floor(index / keys.length))
  }
  await turned('made')
  for (let round = 0; round < WARM_ROUNDS; round++) {
    log(round * WARM, WARM)
    await run.flush({ timeoutMs: 600_000 })
  }
  await turned('warm')
  const warm = WARM_ROUNDS * WARM
  log(warm, SETTLE)
  await run.flush()
  const spent = await measured(async () => {
    log(warm + SETTLE, COUNT)
    await run.flush({ timeoutMs: 600_000 })
  })
  const { delivered } = run.stats()
  if (delivered !== warm + SETTLE + COUNT) throw new Error(`${delivered} points were delivered`)
  await run.end()
  await client.close()
  return { ...spent, runId: run.runId }
}

/** The least that has to be done: batches that were serialised beforehand, posted one after the other by so many at once. */
async function raw() {
  const made = await request(`${url}/api/2.0/mlflow/runs/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ experiment_id: '0', start_time: Date.now() }),
  })
  const { run } = await made.body.json()
  const runId = run.info.run_id
  const timestamp = Date.now()
  const body = (first) => {
    const metrics = Array.from({ length: BATCH }, (_, at) => {
      const index = first + at
      return { key: keys[index % keys.length], value: value(index), timestamp, step: Math.floor(index / keys.length) }
    })
    return Buffer.from(JSON.stringify({ run_id: runId, metrics }))
  }
  const pool = new Pool(url, { connections: Number(atOnce) })
  const post = async (batch) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await pool.request({ path: '/api/2.0/mlflow/runs/log-batch', method: 'POST', headers, body: batch })
    await answer.body.dump()
    if (answer.statusCode !== 200) throw new Error(`the server answered ${answer.statusCode}`)
  }
  const postAll = async (batches) => {
    let next = 0
    const one = async () => {
      while (next < batches.length) await post(batches[next++])
    }
    await Promise.all(Array.from({ length: Number(atOnce) }, one))
  }
  const batches = (first, count) => Array.from({ length: count / BATCH }, (_, index) => body(first + index * BATCH))
  await turned('made')
  const warming = batches(0, WARM)
  for (let round = 0; round < WARM_ROUNDS; round++) await postAll(warming)
  await turned('warm')
  await postAll(batches(WARM, SETTLE))
  const measuredBatches = batches(WARM + SETTLE, COUNT)
  const spent = await measured(() => postAll(measuredBatches))
  await pool.close()
  return { ...spent, runId }
}

console.log(JSON.stringify(kind === 'cairn' ? await cairn() : await raw()))
process.stdin.unref()
