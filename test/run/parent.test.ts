import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import {
  createClient,
  endRun,
  InvalidParameterError,
  NotFoundError,
  setTrackingUri,
  startRun,
} from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function clientAt(trackingUri: string) {
  const client = createClient({ trackingUri, spoolDir: join(tempDir(), 'spool') })
  closers.push(() => client.close())
  return client
}

async function served() {
  const server = await startTestServer()
  closers.push(() => server.close())
  return server
}

it.each([
  ['the local store', async () => join(tempDir(), 'mlruns')],
  ['a server', async () => (await served()).url],
])('a parent that is not there, or is deleted, gets no child on %s', async (_, place) => {
  const client = clientAt(await place())
  await expect(client.startRun({ parentRunId: 'f'.repeat(32) })).rejects.toThrow(NotFoundError)
  const { runId } = (await client.createRun('0')).info
  const child = await client.startRun({ parentRunId: runId })
  await child.end()
  await client.deleteRun(runId)
  const refused = client.startRun({ parentRunId: runId })
  await expect(refused).rejects.toThrow(InvalidParameterError)
  await expect(refused).rejects.toThrow(`restoreRun('${runId}')`)
  const runs = await client.searchRuns()
  expect(runs.map(({ data }) => data.tags['mlflow.parentRunId'])).toEqual([runId])
})

it('a parent that goes on in this process is not asked for', async () => {
  const server = await served()
  const client = clientAt(server.url)
  const { runId } = await client.startRun()
  await client.startRun({ parentRunId: runId })
  expect(server.requests.map(({ operation }) => operation)).not.toContain('getRun')
})

it.each([
  ['a server', async () => (await served()).url],
  ['the local store', async () => join(tempDir(), 'mlruns')],
])('the active run is the parent of a nested one wherever that goes, as in Python: %s', async (_, place) => {
  const [{ url }, other] = [await served(), await place()]
  setTrackingUri(url)
  const parent = await startRun()
  setTrackingUri(other)
  const child = await startRun({ nested: true })
  await endRun()
  await parent.end()
  const { info, data } = await clientAt(other).getRun(child.runId)
  expect([info.status, data.tags['mlflow.parentRunId']]).toEqual(['FINISHED', parent.runId])
})

it('a parent is taken as it is while its server is away', async () => {
  const server = await served()
  const client = clientAt(server.url)
  server.faults.add({ status: 503, times: Number.POSITIVE_INFINITY })
  const parentRunId = 'f'.repeat(32)
  const child = await client.startRun({ parentRunId })
  server.faults.clear()
  await child.end()
  const [run] = await client.searchRuns()
  expect(run?.data.tags['mlflow.parentRunId']).toBe(parentRunId)
})
