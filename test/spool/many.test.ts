import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type Fault, startTestServer } from '../../src/testing/index.js'
import { type Load, manyKeys, manyRuns } from '../soak/spool-load.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { exitOf, recordFault } from '../support/fault-line.js'
import { leftIn } from '../support/left.js'
import { tempDir } from '../support/temp-dir.js'

const record = ({ seconds, ...load }: Load): void =>
  recordFault({
    ...load,
    exit: exitOf({ code: load.code, signal: null }),
    seconds: Object.values(seconds).reduce((sum, one) => sum + one, 0),
  })

/** Ten times as much, and in the spool's own time, is in `npm run soak`. */
it('ten thousand keys arrive once each', async () => {
  const seen = await manyKeys(10_000)
  record(seen)
  expect(seen).toMatchObject({ logged: 10_000, arrived: 10_000, twice: 0, left: 0, code: 0, stderr: '' })
}, 120_000)

it('five hundred runs at once take few descriptors, and all they log arrives once', async () => {
  const seen = await manyRuns(500)
  record(seen)
  expect(seen).toMatchObject({ logged: 2500, arrived: 2500, twice: 0, left: 0, code: 0, stderr: '' })
  // Sixty-four are kept open in each thread, and a few are being read.
  expect(seen.open).toBeGreaterThan(0)
  expect(seen.open).toBeLessThan(150)
}, 120_000)

it('a process that exits with a hundred runs open waits for all of them together', async () => {
  const cwd = tempDir()
  // One after the other they would take longer than the exit waits.
  const slow: Fault[] = [{ on: 'all', delayMs: 60, times: 1e9 }]
  await using server = await startTestServer({ faults: slow })
  const script = `import { createClient } from 'CAIRN'
const client = createClient()
const runs = await Promise.all(Array.from({ length: 100 }, () => client.startRun()))
for (const run of runs) run.logMetric('loss', 1)
process.exit(0)`
  const env = { MLFLOW_TRACKING_URI: server.url, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' }
  expect(await child(script, { cwd, built: await built(), env })).toMatchObject({ code: 0, stderr: '' })
  expect(leftIn(join(cwd, 'spool'))).toEqual([])
}, 120_000)
