import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { ProtocolError } from '../../src/errors.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'

const metrics = [1, 2, 3].map((value, step) => ({ key: 'loss', value, step, timestamp: 5 }))
/** The first point; the page to follow is this one again. */
const body = JSON.stringify({ metrics: metrics.slice(0, 1), next_page_token: 'again' })

async function stand() {
  const server = await startTestServer()
  const client = createClient({ trackingUri: server.url })
  const run = await client.createRun('0')
  return { server, client, runId: run.info.runId }
}

describe('a server that gives one page of a history again and again', () => {
  it('is sent no point twice that it has behind that page', async () => {
    const { server, client, runId } = await stand()
    server.faults.add({ on: 'logBatch', break: 'cut' })
    server.faults.add({ on: 'getMetricHistory', status: 200, body, times: 2 })
    await expect(client.logBatch(runId, { metrics })).rejects.toBeInstanceOf(ProtocolError)
    expect(server.faults.left).toBe(0)
    expect(await client.getMetricHistory(runId, 'loss')).toEqual(metrics)
    await client.close()
    await server.close()
  })

  it('is a failure of its run in a copy, which is whole when all pages are given', async () => {
    const { server, client, runId } = await stand()
    await client.logBatch(runId, { metrics })
    server.faults.add({ on: 'getMetricHistory', status: 200, body, times: 2 })
    const to = `${tempDir()}/copy`
    const { failed } = await client.sync(server.url, { to })
    expect(failed).toMatchObject([{ what: 'run', id: runId }])
    expect(failed[0]?.error).toBeInstanceOf(ProtocolError)
    const { runIds, ...rest } = await client.sync(server.url, { to })
    expect(rest).toMatchObject({ failed: [], points: 3 })
    const target = createClient({ trackingUri: to })
    expect(await target.getMetricHistory(runIds[runId] ?? '', 'loss')).toEqual(metrics)
    await target.close()
    await client.close()
    await server.close()
  })
})
