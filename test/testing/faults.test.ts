import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { InvalidParameterError, NetworkError, RateLimitError, UnauthenticatedError } from '../../src/errors.js'
import { sender } from '../../src/http/send.js'
import { type Fault, startTestServer } from '../../src/testing/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { rejection } from '../support/answering.js'
import { fakeClock } from '../support/fake-clock.js'

const points = (...values: number[]) =>
  values.map((value, step) => ({ key: 'loss', value, step, timestamp: 1_700_000_000_000 }))

const FAULTS: [string, Fault][] = [
  ['refused', { on: 'logBatch', break: 'refuse', times: 2 }],
  ['answer lost after commit', { on: 'logBatch', break: 'swallow', times: 2 }],
  ['answer cut in the middle', { on: 'logBatch', break: 'cut', times: 2 }],
  ['500 five times', { on: 'logBatch', status: 500, times: 5 }],
  [
    '502 with a page, after commit',
    { on: 'logBatch', status: 502, body: '<html>', headers: { 'content-type': 'text/html' }, carriedOut: true },
  ],
  ['429 with Retry-After', { on: 'logBatch', status: 429, headers: { 'retry-after': '2' } }],
  ['silence, after commit', { on: 'logBatch', status: 504, carriedOut: true, delayMs: 50 }],
]

describe('with retries, every point is stored once on a store that appends blindly', () => {
  it.each(FAULTS)('%s', async (_, fault) => {
    await using server = await startTestServer({ faults: [fault] })
    const transport = withRetry(httpTransport({ send: sender({ url: server.url }) }), { clock: fakeClock() })
    const { run } = await transport.call('createRun', { experiment_id: '0' })
    const run_id = run.info.run_id
    const metrics = points(0.5, Number.NaN, 0.25, Number.POSITIVE_INFINITY, -0)
    await transport.call('logBatch', { run_id, metrics, params: [{ key: 'lr', value: '0.1' }] })
    const { metrics: stored } = await transport.call('getMetricHistory', { run_id, metric_key: 'loss' })
    expect(stored.toSorted((a, b) => Number(a.step) - Number(b.step))).toEqual(metrics)
    expect(server.faults.left).toBe(0)
    await transport.close()
  })

  it.each(['refuse', 'swallow', 'cut'] as const)('a run is made once: %s', async (kind) => {
    await using server = await startTestServer({ faults: [{ on: 'createRun', break: kind, times: 2 }] })
    const transport = withRetry(httpTransport({ send: sender({ url: server.url }) }), { clock: fakeClock() })
    const { run } = await transport.call('createRun', { experiment_id: '0', run_name: 'once' })
    const { runs } = await transport.call('searchRuns', { experiment_ids: ['0'], run_view_type: 'ALL' })
    expect(runs.map(({ info }) => info.run_id)).toEqual([run.info.run_id])
  })

  it('a version is made once, and artifacts arrive whole', async () => {
    await using server = await startTestServer({ faults: [{ on: 'createModelVersion', break: 'swallow' }] })
    const send = sender({ url: server.url })
    const transport = withRetry(httpTransport({ send }), { clock: fakeClock() })
    await transport.call('createRegisteredModel', { name: 'm' })
    await transport.call('createModelVersion', { name: 'm', source: 's3://b/m' })
    expect((await transport.call('searchModelVersions', {})).model_versions).toHaveLength(1)

    server.faults.add({ on: 'artifacts', break: 'swallow' })
    server.faults.add({ on: 'artifacts', status: 500, times: 2 })
    const store = await proxied(send, { clock: fakeClock() })('mlflow-artifacts:/0/r/artifacts')
    await store.write('a.txt', new Blob(['whole']))
    server.faults.add({ on: 'artifacts', status: 502 })
    expect(await new Response(await store.read('a.txt')).text()).toBe('whole')
    server.faults.add({ on: 'artifacts', break: 'cut' })
    expect(await rejection(new Response(await store.read('a.txt')).text())).toBeInstanceOf(NetworkError)
  })
})

describe('the test server', () => {
  it('answers nobody without its credentials, and remembers who asked for what', async () => {
    await using server = await startTestServer({ credentials: { username: 'u', password: 'p' } })
    const asking = (url: string) => httpTransport({ send: sender({ url }) }).call('searchExperiments', {})
    expect(await rejection(asking(server.url))).toBeInstanceOf(UnauthenticatedError)
    expect((await asking(server.url.replace('//', '//u:p@'))).experiments).toMatchObject([{ name: 'Default' }])
    expect(server.requests.map(({ operation, status }) => [operation, status])).toEqual([
      ['searchExperiments', 401],
      ['searchExperiments', 200],
    ])
  })

  it.each([204, 205, 304])('answers %i, which has no body, when told to', async (status) => {
    await using server = await startTestServer({ faults: [{ status, headers: { 'x-by': 'script' } }] })
    const answer = await fetch(`${server.url}/health`)
    expect([answer.status, answer.headers.get('x-by'), await answer.text()]).toEqual([status, 'script', ''])
    expect(server.requests).toMatchObject([{ method: 'GET', url: '/health', status }])
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
  })

  it.each<Fault>([
    { status: 101 },
    { status: 199 },
    { status: 600 },
    { status: Number.NaN },
    { status: 500, headers: { 'x-a': 'b\nc' } },
  ])('refuses to arm an answer that cannot be sent: %j', async (fault) => {
    await using server = await startTestServer()
    expect(() => server.faults.add(fault)).toThrow(InvalidParameterError)
    expect(() => server.faults.add(fault)).toThrow('a status of 200 to 599')
    expect(server.faults.left).toBe(0)
    expect(await rejection(startTestServer({ faults: [fault] }))).toBeInstanceOf(InvalidParameterError)
  })

  it('remembers a request too whose body broke off', async () => {
    await using server = await startTestServer({ faults: [{ on: 'createRun', break: 'double' }] })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    const head = 'POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n'
    socket.write(`${head}{"experiment`, () => setImmediate(() => socket.destroy()))
    await vi.waitFor(() => expect(server.requests).toMatchObject([{ method: 'POST', operation: 'createRun' }]), 10_000)
    expect(server.requests[0]?.status).toBeUndefined()
  })

  it('is not met by a fault that is to strike no times', async () => {
    await using server = await startTestServer()
    server.faults.add({ status: 500, times: 0 })
    expect(server.faults.left).toBe(0)
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
  })

  it('lets requests pass before a fault, delivers twice when told to, and forgets faults', async () => {
    await using server = await startTestServer()
    const transport = httpTransport({ send: sender({ url: server.url }) })
    server.faults.add({ on: 'createRun', status: 429, skip: 1 })
    await transport.call('createRun', { experiment_id: '0' })
    expect(await rejection(transport.call('createRun', { experiment_id: '0' }))).toBeInstanceOf(RateLimitError)
    server.faults.add({ on: 'createRun', break: 'double' })
    await transport.call('createRun', { experiment_id: '0' })
    expect((await transport.call('searchRuns', { experiment_ids: ['0'] })).runs).toHaveLength(3)
    server.faults.add({ status: 500, times: 9 })
    server.faults.clear()
    await transport.call('searchExperiments', {})
  })
})
