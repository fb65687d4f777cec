/** A training process: logs `count` points at 2,000 a second to the store or server it is given, and says which run. */
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from '../../src/client.js'

const [trackingUri = '', count = '0'] = process.argv.slice(2)
await using client = createClient({ trackingUri, buffer: { intervalMs: 100 } })
const run = await client.startRun({ runName: 'trainer' })
process.stdout.write(`${run.runId}\n`)
for (let step = 0; step < Number(count); step++) {
  run.logMetric('loss', Math.sin(step), step)
  if (step % 100 === 99) await wait(50)
}
await run.end()
