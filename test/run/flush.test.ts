import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'

const line = () => {}
const server = await startTestServer()
const client = createClient({
  trackingUri: server.url,
  spoolDir: join(tempDir(), 'spool'),
  logger: { debug: line, info: line, warn: line, error: line },
})
afterAll(async () => {
  await client.close()
  await server.close()
})

it.each([Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER, 2 ** 31])(
  'a flush that may take %d ms waits for a server that takes its time',
  async (timeoutMs) => {
    const run = await client.startRun()
    server.faults.add({ on: 'logBatch', delayMs: 100 })
    run.logMetric('loss', 1)
    await run.flush({ timeoutMs })
    expect(run.stats()).toMatchObject({ delivered: 1, spooled: 0, inFlight: 0 })
    await run.end()
  },
)
