import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { sender } from '../../src/http/send.js'
import { createClient, InvalidParameterError } from '../../src/index.js'
import { readSettings } from '../../src/settings.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { fileTransport } from '../../src/transport/file/file.js'
import { httpTransport } from '../../src/transport/http.js'
import type { Transport } from '../../src/transport/transport.js'
import { leftIn } from '../support/left.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function local() {
  const root = join(tempDir(), 'mlruns')
  return { trackingUri: root, transport: fileTransport({ root }) as Transport, spoolDir: undefined, server: undefined }
}

async function served() {
  const server = await startTestServer()
  closers.push(() => server.close())
  const transport: Transport = httpTransport({ send: sender({ url: server.url }) })
  return { trackingUri: server.url, transport, spoolDir: join(tempDir(), 'spool'), server }
}

type Place = ReturnType<typeof local> | Awaited<ReturnType<typeof served>>

function clientAt({ trackingUri, spoolDir }: Place) {
  const client = createClient({ trackingUri, ...(spoolDir === undefined ? {} : { spoolDir }) })
  closers.push(() => client.close())
  return client
}

const newModel = async ({ transport }: Place): Promise<string> =>
  (await transport.call('createLoggedModel', { experiment_id: '0', name: 'net' })).model.info.model_id

const linkings = (server: TestServer) => server.requests.filter(({ operation }) => operation === 'logInputs')

it.each<[string, () => Place | Promise<Place>]>([
  ['the local store', local],
  ['a server', served],
])('a model that metrics name becomes an input of the run, once, on %s', async (_, make) => {
  const place = await make()
  const client = clientAt(place)
  const [first, second] = [await newModel(place), await newModel(place)]
  const run = await client.startRun()
  for (let step = 0; step < 5; step++) run.logMetric('acc', step, { step, modelId: first })
  run.logMetrics({ acc: 1, loss: 2 }, { modelId: second })
  await run.flush()
  const { inputs } = await client.getRun(run.runId)
  expect(inputs?.modelInputs.map(({ modelId }) => modelId).sort()).toEqual([first, second].sort())
  expect(run.stats()).toMatchObject({ delivered: 7, queued: 0, inFlight: 0, spooled: 0, refused: 0 })
  await run.end()
  const again = await clientAt(place).startRun({ runId: run.runId })
  again.logMetric('acc', 6, { step: 6, modelId: first })
  await again.end()
  expect((await client.getRun(run.runId)).inputs?.modelInputs).toHaveLength(2)
  if (place.server) expect(linkings(place.server)).toHaveLength(2)
  if (place.spoolDir !== undefined) expect(leftIn(place.spoolDir)).toEqual([])
})

it.each<[string, () => Place | Promise<Place>]>([
  ['the local store', local],
  ['a server', served],
])('points of a model at one step have a millisecond each, also of the active one, on %s', async (_, make) => {
  const place = await make()
  const [named, active] = [await newModel(place), await newModel(place)]
  vi.stubEnv('MLFLOW_ACTIVE_MODEL_ID', active)
  closers.push(async () => void vi.unstubAllEnvs())
  const client = clientAt(place)
  const run = await client.startRun()
  for (let i = 0; i < 50; i++) {
    run.logMetric('acc', i, { modelId: named })
    run.logMetric('loss', i)
  }
  for (let i = 0; i < 50; i++) run.logMetrics({ acc: i, loss: i }, 1)
  run.logMetric('given', 1, { modelId: named, timestamp: 7 })
  run.logMetric('given', 2, { modelId: named, timestamp: 7 })
  await run.flush()
  const times = async (key: string, step: number) => {
    const points = await client.getMetricHistory(run.runId, key)
    return new Set(points.filter((point) => point.step === step).map(({ timestamp }) => timestamp)).size
  }
  expect([await times('acc', 0), await times('loss', 0), await times('acc', 1), await times('given', 0)]).toEqual([
    50, 50, 50, 1,
  ])
  await run.end()
})

it.each<[string, () => Place | Promise<Place>]>([
  ['the local store', local],
  ['a server', served],
])('what is logged last is the latest, after a quick loop that names a model, on %s', async (_, make) => {
  const place = await make()
  const [first, second] = [await newModel(place), await newModel(place)]
  const client = clientAt(place)
  const run = await client.startRun()
  for (let i = 0; i < 300; i++) run.logMetrics({ bare: i, object: i, record: i, other: i }, { modelId: first })
  run.logMetric('bare', -1)
  run.logMetric('object', -1, { step: 0 })
  run.logMetrics({ record: -1 })
  run.logMetric('other', -1, { modelId: second })
  await run.flush()
  const latest = { bare: -1, object: -1, record: -1, other: -1 }
  expect((await client.getRun(run.runId)).data.metrics).toEqual(latest)
  await run.end()
})

it.each<[string, () => Place | Promise<Place>]>([
  ['the local store', local],
  ['a server', served],
])('a model that came out of the run is no input of it, on %s', async (_, make) => {
  const place = await make()
  const client = clientAt(place)
  const model = await newModel(place)
  const run = await client.startRun()
  await run.logOutputs([model])
  run.logMetric('acc', 1, { modelId: model })
  await run.flush()
  const { inputs, outputs } = await client.getRun(run.runId)
  expect(inputs?.modelInputs).toEqual([])
  expect(outputs?.modelOutputs).toMatchObject([{ modelId: model }])
})

it.each<[string, () => Place | Promise<Place>]>([
  ['the local store', local],
  ['a server', served],
])('points that name no model are those of MLFLOW_ACTIVE_MODEL_ID, on %s', async (_, make) => {
  const place = await make()
  const [active, other] = [await newModel(place), await newModel(place)]
  vi.stubEnv('MLFLOW_ACTIVE_MODEL_ID', active)
  const client = clientAt(place)
  vi.unstubAllEnvs()
  const run = await client.startRun()
  expect(() => run.logMetric('', 1)).toThrow(InvalidParameterError)
  await run.flush()
  expect((await client.getRun(run.runId)).inputs?.modelInputs).toEqual([])
  run.logMetric('plain', 1)
  run.logMetric('step', 1, 2)
  run.logMetrics({ record: 1 })
  run.logMetric('named', 1, { modelId: other })
  await run.flush()
  const { inputs } = await client.getRun(run.runId)
  expect(inputs?.modelInputs.map(({ modelId }) => modelId).sort()).toEqual([active, other].sort())
  const kept = await client.getLoggedModel(active)
  expect(kept.metrics?.map(({ key, step }) => [key, step]).sort()).toEqual([
    ['plain', 0],
    ['record', 0],
    ['step', 2],
  ])
})

it('an active model that is none is refused by the name of its variable; the older name counts where it is alone', () => {
  expect(() => readSettings({ MLFLOW_ACTIVE_MODEL_ID: 'net' })).toThrow(/MLFLOW_ACTIVE_MODEL_ID is "net".*like m-/)
  expect(readSettings({ _MLFLOW_ACTIVE_MODEL_ID: 'm-1', MLFLOW_ACTIVE_MODEL_ID: '' }).activeModelId).toBe('m-1')
  expect(readSettings({ _MLFLOW_ACTIVE_MODEL_ID: 'm-1', MLFLOW_ACTIVE_MODEL_ID: 'm-2' }).activeModelId).toBe('m-2')
})

it('a run that begins without its server links its models when that is there', async () => {
  const place = await served()
  const model = await newModel(place)
  place.server.faults.add({ status: 503, times: 3 })
  const run = await clientAt(place).startRun()
  run.logMetric('acc', 1, { modelId: model })
  await run.end()
  const [found] = await clientAt(place).searchRuns()
  expect(found?.inputs?.modelInputs).toEqual([{ modelId: model }])
})

it('a server without logged models is not asked to link one, and takes the points', async () => {
  const place = await served()
  const { server } = place
  const body = '{"error_code":"ENDPOINT_NOT_FOUND","message":"no such endpoint"}'
  server.faults.add({ on: 'getLoggedModel', status: 404, body, times: Number.POSITIVE_INFINITY })
  const client = clientAt(place)
  const run = await client.startRun()
  run.logMetric('acc', 1, { modelId: await newModel(place) })
  await run.flush()
  expect(linkings(server)).toEqual([])
  expect((await client.getRun(run.runId)).data.metrics).toEqual({ acc: 1 })
})

it('stats counts what was logged once at every moment, and never what makes, links and ends the run', async () => {
  const place = await served()
  const { faults } = place.server
  const model = await newModel(place)
  faults.add({ status: 503, times: 3 })
  const client = clientAt(place)
  const run = await client.startRun()
  let logged = 0
  const wrong: object[] = []
  const seen = new Set<string>()
  function look(): void {
    const { queued, inFlight, delivered, spooled, refused } = run.stats()
    const counts = { queued, inFlight, delivered, spooled, refused }
    for (const [name, count] of Object.entries(counts)) if (count > 0) seen.add(name)
    const isWhole = Object.values(counts).every((count) => count >= 0)
    if (!isWhole || queued + inFlight + delivered + spooled + refused !== logged) wrong.push({ logged, ...counts })
  }
  for (const event of ['retry', 'refused', 'spooled', 'recovered'] as const) client.on(event, look)
  let isOver = false
  const watching = (async () => {
    for (; !isOver; await new Promise(setImmediate)) look()
  })()
  const body = '{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}'
  faults.add({ on: 'logBatch', status: 400, body, times: 3 })
  for (const on of ['createRun', 'logInputs', 'updateRun'] as const) faults.add({ on, delayMs: 30 })
  run.logParams({ a: 1, b: 2 })
  logged += 2
  for (let step = 0; step < 5; step++) {
    run.logMetric('acc', step, { step, modelId: model })
    logged++
  }
  await run.flush().catch(() => {})
  await run.end()
  isOver = true
  await watching
  look()
  expect(wrong).toEqual([])
  expect([...seen]).toEqual(expect.arrayContaining(['delivered', 'inFlight', 'refused', 'spooled']))
  expect((await client.searchRuns())[0]).toMatchObject({ info: { status: 'FINISHED' }, inputs: { modelInputs: [{}] } })
})

it('the metrics of a logged model can be logged to another run as they are', async () => {
  const place = local()
  const client = clientAt(place)
  const modelId = await newModel(place)
  const run = await client.startRun()
  run.logMetric('auc', 0.9, { step: 3, timestamp: 5, modelId })
  await run.end()
  const { metrics } = await client.getLoggedModel(modelId)
  expect(metrics).toMatchObject([{ runId: run.runId }])
  const { runId } = (await client.createRun('0')).info
  await client.logBatch(runId, { metrics })
  expect(await client.getMetricHistory(runId, 'auc')).toEqual([{ key: 'auc', value: 0.9, step: 3, timestamp: 5 }])
})
