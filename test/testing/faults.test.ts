import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { InvalidParameterError, NetworkError, RateLimitError, UnauthenticatedError } from '../../src/errors.js'
import { sender } from '../../src/http/send.js'
import { type Fault, startTestServer, type TestServerOptions } from '../../src/testing/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { rejection } from '../support/answering.js'
import { child } from '../support/child.js'
import { fakeClock } from '../support/fake-clock.js'
import { tempDir } from '../support/temp-dir.js'

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

  it.each<[string, unknown]>([
    [
      'on must be an operation (like logBatch), artifacts or all, not "logBatches": did you mean logBatch?',
      { on: 'logBatches', status: 500 },
    ],
    ['did you mean logBatch?', { on: 'log-batch', status: 500 }],
    ['did you mean artifacts?', { on: 'uploadArtifact', status: 500 }],
    ['on must be a text', { on: 5, status: 500 }],
    ['on must be an operation', { on: 'toString', status: 500 }],
    ['There is no option stauts: did you mean status?', { stauts: 500 }],
    ['There is no option constructor', { constructor: 1, status: 500 }],
    ['times must be a whole number from 0, or Infinity, not "2"', { status: 500, times: '2' }],
    ['times must be', { status: 500, times: -1 }],
    ['times must be', { status: 500, times: Number.NaN }],
    ['skip must be', { status: 500, skip: 0.5 }],
    ['delayMs must be milliseconds from 0', { delayMs: -1 }],
    ['delayMs must be milliseconds from 0', { delayMs: 2 ** 31 }],
    ['status must be a status of 200 to 599, not "500"', { status: '500' }],
    ['break must be one of refuse, swallow, cut, double, not "drop"', { break: 'drop' }],
    ['a status or a break, not both', { status: 500, break: 'cut' }],
    ['body must be a text, not an object', { status: 500, body: {} }],
    ['headers.retry-after must be a text, not 5', { status: 500, headers: { 'retry-after': 5 } }],
    ['carriedOut must be true or false', { status: 500, carriedOut: 'yes' }],
    ['An answer of 204 has no body', { status: 204, body: 'x' }],
    ['body is for a fault that answers', { break: 'cut', body: 'x' }],
    ['must say what goes wrong', {}],
    ['must say what goes wrong', { status: undefined }],
    ["A fault is an object, like { on: 'logBatch', status: 503 }, not null", null],
    ["A fault is an object, like { on: 'logBatch', status: 503 }, not a text", 'logBatch'],
  ])('refuses to arm what could never do what it says: %s', async (said, fault) => {
    await using server = await startTestServer()
    expect(() => server.faults.add(fault as Fault)).toThrow(InvalidParameterError)
    expect(() => server.faults.add(fault as Fault)).toThrow(said)
    expect(server.faults.left).toBe(0)
  })

  it.each<[string, unknown]>([
    ['A test server takes options, like { port: 5000 }, not null', null],
    ['A test server takes options, like { port: 5000 }, not a number', 5000],
    ['There is no option prot: did you mean port?', { prot: 5000 }],
    ['port must be a whole number from 0 to 65535, not "5000"', { port: '5000' }],
    ['port must be', { port: 65_536 }],
    ['port must be', { port: -1 }],
    ['dir must be a text that is not blank, not ""', { dir: '' }],
    ['hosts must be a list', { hosts: 'ml.internal' }],
    ['hosts[0] must be a host as it stands in a Host header', { hosts: ['http://ml.internal'] }],
    ['faults must be a list of faults', { faults: { status: 500 } }],
    ['did you mean createRun?', { faults: [{ on: 'createRuns', status: 500 }] }],
    ['credentials must be { username, password } or { token }, of texts', { credentials: { username: 'hidden' } }],
    ['of texts that are not blank', { credentials: { token: '' } }],
    ['of texts that are not blank', { credentials: { username: ' ', password: 'hidden' } }],
  ])('does not start with options that make no sense: %s', async (said, options) => {
    const error = await rejection(startTestServer(options as TestServerOptions))
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect((error as Error).message).toContain(said)
    expect((error as Error).message).not.toContain('hidden')
  })

  it.each([
    [400, 'INVALID_PARAMETER_VALUE'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'RESOURCE_DOES_NOT_EXIST'],
    [409, 'RESOURCE_ALREADY_EXISTS'],
    [429, 'REQUEST_LIMIT_EXCEEDED'],
    [500, 'INTERNAL_ERROR'],
    [502, 'INTERNAL_ERROR'],
    [503, 'TEMPORARILY_UNAVAILABLE'],
  ])("answers %i, when no body is said, with MLflow's code for it", async (status, code) => {
    await using server = await startTestServer({ faults: [{ status }] })
    const answer = await fetch(`${server.url}/health`)
    expect([answer.status, await answer.json()]).toEqual([status, { error_code: code, message: `${status} by script` }])
  })

  it('takes no fault once it is closed, which could meet nothing', async () => {
    const server = await startTestServer()
    await server.close()
    expect(() => server.faults.add({ status: 500 })).toThrow(InvalidParameterError)
    expect(() => server.faults.add({ status: 500 })).toThrow('The test server is closed')
  })

  it('leaves no folder behind when nobody closes it before the process ends', async () => {
    const cwd = tempDir()
    const script = `
      import { startTestServer } from ${JSON.stringify(new URL('../../src/testing/index.ts', import.meta.url).href)}
      import { readdirSync } from 'node:fs'
      import { tmpdir } from 'node:os'
      await startTestServer()
      await (await startTestServer()).close()
      await startTestServer()
      console.log(readdirSync(tmpdir()).filter((name) => name.startsWith('cairn-test-server-')).length)
      process.exit()`
    const ended = await child(script, { cwd, env: { TMPDIR: cwd } })
    expect(ended).toMatchObject({ code: 0, stdout: '2\n' })
    expect(readdirSync(cwd).filter((name) => name.startsWith('cairn-test-server-'))).toEqual([])
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
