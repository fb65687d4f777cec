import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import {
  type Client,
  createClient,
  NotFoundError,
  PermissionDeniedError,
  type StartRunOptions,
} from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { between } from '../support/between.js'
import { tempDir } from '../support/temp-dir.js'

let server: TestServer
let client: Client

beforeEach(async () => {
  server = await startTestServer()
  client = createClient({ trackingUri: server.url, spoolDir: join(tempDir(), 'spool') })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await client.close()
  await server.close()
})

it.each([
  [403, 'PERMISSION_DENIED', PermissionDeniedError],
  [404, 'RESOURCE_DOES_NOT_EXIST', NotFoundError],
] as const)('a run that may not be written to is not resumed, also while it runs (%i)', async (status, code, Kind) => {
  const { runId } = (await client.createRun('0')).info
  const body = JSON.stringify({ error_code: code, message: 'Permission denied' })
  const refuse = () => {
    for (const on of ['logBatch', 'updateRun'] as const) server.faults.add({ on, status, body })
  }
  refuse()
  await expect(client.startRun({ runId })).rejects.toThrow(Kind)
  server.faults.clear()
  await client.setTerminated(runId)
  refuse()
  await expect(client.startRun({ runId })).rejects.toThrow(Kind)
  server.faults.clear()
  const { info, data } = await client.getRun(runId)
  expect({ status: info.status, data }).toMatchObject({ status: 'FINISHED', data: { metrics: {}, params: {} } })
})

it.each<[string, StartRunOptions, string | undefined]>([
  ['', {}, undefined],
  [' under another name', { runName: 'another' }, undefined],
  [' with a tag, on a server that refuses an empty batch as such', { tags: { again: 1 } }, 'INVALID_PARAMETER_VALUE'],
])('a run that its maker ends while it is taken up%s stays ended', async (_, options, code) => {
  const made = await client.startRun()
  const front = await between(server.url)
  // It ends when it has been looked at, and before anything is written.
  front.meet = ({ url }, response) => {
    if (!url.includes('/runs/get')) return false
    front.meet = () => false
    const pass = async () => {
      const body = await (await fetch(server.url + url)).text()
      await made.end()
      if (code) server.faults.add({ on: 'logBatch', status: 400, body: JSON.stringify({ error_code: code }) })
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    }
    pass().catch(() => response.destroy())
    return true
  }
  const taker = createClient({ trackingUri: front.url, spoolDir: join(tempDir(), 'spool') })
  const again = await taker.startRun({ runId: made.runId, ...options })
  again.logMetric('late', 1)
  await taker.close()
  await front.close()
  const { info, data } = await client.getRun(made.runId)
  expect(server.faults.left).toBe(0)
  expect(info).toMatchObject({ status: 'FINISHED', runName: options.runName ?? made.runName })
  expect(info.endTime).toEqual(expect.any(Number))
  expect(data).toMatchObject({ metrics: { late: 1 }, tags: options.tags ? { again: '1' } : {} })
})

it('a run on this disk that its maker ends while it is taken up stays ended', async () => {
  const trackingUri = join(tempDir(), 'mlruns')
  const local = createClient({ trackingUri })
  const made = await local.startRun()
  const [again] = await Promise.all([local.startRun({ runId: made.runId }), made.end()])
  again.logMetric('late', 1)
  await again.end()
  expect(await local.getRun(made.runId)).toMatchObject({
    info: { status: 'FINISHED', endTime: expect.any(Number) },
    data: { metrics: { late: 1 } },
  })
  await local.close()
})

it('a run that is resumed while it runs goes on, and is left to who made it', async () => {
  const made = await client.startRun()
  const again = await client.startRun({ runId: made.runId })
  again.logParam('p', 1)
  await again.end()
  expect((await client.getRun(made.runId)).info.status).toBe('RUNNING')
})

it('a run is resumed whatever experiment the environment names, and that is not made; one that was set has to be its own', async () => {
  vi.stubEnv('MLFLOW_EXPERIMENT_NAME', 'elsewhere')
  await using other = createClient({ trackingUri: server.url, spoolDir: join(tempDir(), 'spool') })
  const { runId } = (await client.createRun('0')).info
  const run = await other.startRun({ runId })
  expect(run.experimentId).toBe('0')
  await run.end()
  expect(await client.getExperimentByName('elsewhere')).toBeUndefined()
  await other.setExperiment('elsewhere')
  await expect(other.startRun({ runId })).rejects.toThrow(/belongs to experiment 0, but "elsewhere"/)
})

it('a run that may not be written to any more says so to who waits in flush, and keeps what was logged', async () => {
  const run = await client.startRun()
  server.faults.add({ on: 'logBatch', status: 403, times: Number.POSITIVE_INFINITY })
  run.logMetric('loss', 1)
  await expect(run.flush({ timeoutMs: 2 ** 31 - 1 })).rejects.toThrow(PermissionDeniedError)
  expect(run.stats()).toMatchObject({ refused: 0, delivered: 0 })
  server.faults.clear()
  await run.flush()
  expect((await client.getRun(run.runId)).data.metrics).toEqual({ loss: 1 })
})

it('the end of a run that may not be written to waits no longer than for that answer, and keeps what was logged', async () => {
  const run = await client.startRun()
  server.faults.add({ on: 'logBatch', status: 403, times: 4 })
  run.logMetric('loss', 1)
  await run.end()
  expect(run.stats()).toMatchObject({ refused: 0, delivered: 0, spooled: 1 })
})

it('the end of a run that may not keep a file yet waits for that, and for all else', async () => {
  const run = await client.startRun()
  server.faults.add({ on: 'artifacts', status: 503, times: 3 })
  server.faults.add({ on: 'artifacts', status: 403, times: 3 })
  await run.logText('x', 'a.txt')
  run.logMetric('loss', 1)
  await run.end()
  expect(run.stats()).toMatchObject({ refused: 0, delivered: 2, spooled: 0 })
})

it.each(['NAME', 'ID'])(
  'a start gives up on the experiment of the environment (%s) when its signal says so',
  async (by) => {
    const front = await between(server.url)
    const controller = new AbortController()
    const reason = new Error('enough')
    front.meet = ({ url }) => {
      if (!url.includes('/experiments/get')) return false
      controller.abort(reason)
      // Never answered.
      return true
    }
    vi.stubEnv(`MLFLOW_EXPERIMENT_${by}`, '0')
    const other = createClient({ trackingUri: front.url, spoolDir: join(tempDir(), 'spool') })
    try {
      await expect(other.startRun({ signal: controller.signal })).rejects.toBe(reason)
    } finally {
      await other.close()
      await front.close()
    }
  },
)
