/**
 * What one call costs its caller on the way to a server, ours and those of `@wandb/sdk`, which has no local mode: it is
 * given a server that agrees to everything. A process of its own, since that client never leaves one by itself. Prints JSON.
 * Usage: node remote-caller.mjs LIBRARY URL SPOOL
 */
import { createServer } from 'node:http'
import wandb from '@wandb/sdk'

const [library, url, spoolDir] = process.argv.slice(2)
const CALLS = 1_000_000
const ROUND = 1000
/** The first second of a process: the engine compiles what is called often, and the thread that delivers begins. */
const FIRST = 300_000

/** Nanoseconds of each call, sorted; the event loop turns after each round, uncounted. */
async function timed(act, calls = CALLS) {
  const times = new Float64Array(calls)
  let first = 0
  for (let index = -Math.min(FIRST, calls); index < calls; index++) {
    const from = process.hrtime.bigint()
    act(index)
    const took = Number(process.hrtime.bigint() - from)
    if (index >= 0) times[index] = took
    else if (took > 1e6) first++
    if (index % ROUND === ROUND - 1) await new Promise(setImmediate)
  }
  times.sort()
  const slow = times.length - times.findLastIndex((time) => time <= 1e6) - 1
  return { median: times[calls / 2], p99: times[Math.floor(calls * 0.99)], slow: (slow * 1e6) / calls, first }
}

async function theirs() {
  const project = { id: 'p', name: 'bench', entity: { id: 'e', name: 'bench' } }
  const bucket = { id: 'r', name: 'r', displayName: 'r', description: '', config: '{}', sweepName: null, project }
  const data = { viewer: { id: 'v', entity: 'bench', flags: '{}' }, upsertBucket: { bucket, inserted: true } }
  const server = createServer((request, response) => {
    const text = JSON.stringify({ data })
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(text))
  })
  // The loop is kept busy for longer than a server would wait.
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${server.address().port}`
  return wandb.init({ project: 'bench', settings: { baseUrl, apiKey: 'x'.repeat(40), silent: true } })
}

const { createClient } = await import(library)
const client = createClient({ trackingUri: url, spoolDir })
const run = await client.startRun({ experimentId: '0' })
const empty = await timed(() => {})
let queue = []
const push = await timed((index) => {
  if (queue.length >= ROUND) queue = []
  queue.push({ key: 'loss', value: index * 0.1, step: index, timestamp: Date.now() })
})
const ours = await timed((index) => run.logMetric('loss', index * 0.1, index))
await run.flush({ timeoutMs: 300_000 })
const keys = Array.from({ length: 20 }, (_, index) => `layer${index}/loss`)
const records = Array.from({ length: ROUND }, (_, at) => Object.fromEntries(keys.map((key) => [key, at * 0.1])))
const ours20 = await timed((index) => run.logMetrics(records[Math.abs(index) % ROUND], index), CALLS / 20)
await run.flush({ timeoutMs: 300_000 })
await run.end()
await client.close()
const other = await theirs()
const wandbLog = await timed((index) => other.log({ loss: index * 0.1 }, index), FIRST)
console.log(JSON.stringify({ empty, push, ours, ours20, wandb: wandbLog }))
process.exit()
