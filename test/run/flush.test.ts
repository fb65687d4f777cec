import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import {
  type ClientEvents,
  createClient,
  InvalidParameterError,
  PermissionDeniedError,
  type SyncOptions,
  TimeoutError,
} from '../../src/index.js'
import { notArrived } from '../../src/run/outlet.js'
import { startTestServer } from '../../src/testing/index.js'
import { rejection } from '../support/answering.js'
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

it.each([
  ['waits in vain', 503, 300, TimeoutError, undefined],
  ['may not write', 403, 60_000, PermissionDeniedError, expect.stringMatching(/log-batch$/)],
])(
  'a flush that %s tells what was refused, too, and no later one tells it again',
  async (_, status, timeoutMs, Kind, url) => {
    const run = await client.startRun()
    const refused = new Promise((resolve) => client.on('refused', resolve))
    server.faults.add({ on: 'logBatch', status: 400, body: '{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}' })
    run.setTag('bad', 'x')
    await refused
    server.faults.add({ on: 'logBatch', status, times: Number.POSITIVE_INFINITY })
    run.logMetric('loss', 1)
    const error = await rejection(run.flush({ timeoutMs }))
    expect(error).toBeInstanceOf(Kind)
    expect(error.url).toEqual(url)
    expect(error.cause).toMatchObject({ errors: [expect.any(Kind), expect.any(InvalidParameterError)] })
    server.faults.clear()
    await run.flush()
    expect(run.stats()).toMatchObject({ delivered: 1, refused: 1 })
    await run.end()
  },
)

it.each<[unknown, RegExp]>([
  [5000, /^flush takes options, like \{ timeoutMs: 5000 \}, not a number$/],
  [null, /not null$/],
  ['5000', /not a text$/],
  [{ timeoutMs: Number.NaN }, /^timeoutMs must be a number of milliseconds, 0 or more, not NaN$/],
  [{ timeoutMs: -1 }, /not -1$/],
  [{ timeoutMs: '5000' }, /not "5000"$/],
  [{ timeoutMS: 5000 }, /^There is no option timeoutMS: did you mean timeoutMs\?$/],
])('a flush(%j) is refused, also by a client without a run', async (options, message) => {
  const run = await client.startRun()
  await run.flush({ timeoutMs: undefined })
  for (const one of [run, client]) {
    const flushing = one.flush(options as never)
    await expect(flushing).rejects.toThrow(InvalidParameterError)
    await expect(flushing).rejects.toThrow(message)
  }
  await run.end()
  await expect(client.flush(options as never)).rejects.toThrow(message)
})

it.each<[unknown, unknown, RegExp]>([
  [
    'Retry',
    () => {},
    /^An event must be one of retry, refused, spooled, recovered, not "Retry": did you mean retry\?$/,
  ],
  ['error', () => {}, /not "error"$/],
  [undefined, () => {}, /not undefined$/],
  ['retry', undefined, /^The listener must be a function, not undefined$/],
  ['retry', {}, /^The listener must be a function, not an object$/],
])('nobody listens to %s with %s', (event, listener, message) => {
  const listen = () => client.on(event as keyof ClientEvents, listener as () => void)
  expect(listen).toThrow(InvalidParameterError)
  expect(listen).toThrow(message)
})

it.each<[unknown, unknown, RegExp]>([
  [undefined, {}, /^The source of a copy must be a text, not undefined$/],
  [null, {}, /^The source .* not null$/],
  ['./mlruns', null, /^sync takes a source and options, like \{ to: .* \}, not null$/],
  ['./mlruns', 'http://localhost:5000', /not a text$/],
  ['./mlruns', { to: null }, /^to must be a text, not null$/],
  ['./mlruns', { dryrun: true }, /^There is no option dryrun: did you mean dryRun\?$/],
  ['./mlruns', { dryRun: 'yes' }, /^dryRun must be true or false, not "yes"$/],
  ['./mlruns', { experimentNames: 'x' }, /^experimentNames must be a list of names, like \[ … \], not a text$/],
  ['./mlruns', { runIds: [5] }, /^runIds\[0\] must be a text, not 5$/],
  ['./mlruns', { deleted: 'x' }, /^deleted must be/],
  [
    './mlruns',
    { signal: new AbortController() },
    /^signal must be an AbortSignal, not an instance of AbortController$/,
  ],
  ['./mlruns', { onProgress: 5 }, /^onProgress must be a function, not 5$/],
])('nothing is copied by sync(%j, %j)', async (source, options, message) => {
  const before = server.requests.length
  const copying = client.sync(source as string, options as SyncOptions)
  await expect(copying).rejects.toThrow(InvalidParameterError)
  await expect(copying).rejects.toThrow(message)
  expect(server.requests).toHaveLength(before)
})

it.each<[unknown, RegExp]>([
  [null, /^deliverSpool takes options, like \{ dryRun: true \}, not null$/],
  ['x', /not a text$/],
  [{ server: 'x' }, /^There is no option server: there are signal, patienceMs, dryRun, onProgress$/],
  [{ dryrun: true }, /did you mean dryRun\?$/],
  [{ dryRun: 'false' }, /^dryRun must be true or false, not "false"$/],
  [{ patienceMs: Number.POSITIVE_INFINITY }, /^patienceMs must be .* above 0, at most 2147483647/],
  [{ signal: 5 }, /^signal must be an AbortSignal, not 5$/],
  [{ onProgress: 5 }, /^onProgress must be a function/],
])('nothing is delivered by deliverSpool(%j)', async (options, message) => {
  const delivering = client.deliverSpool(options as never)
  await expect(delivering).rejects.toThrow(InvalidParameterError)
  await expect(delivering).rejects.toThrow(message)
})

it('what may be left out of them may be null or undefined', async () => {
  await client.deliverSpool({ signal: undefined, patienceMs: undefined, dryRun: true, onProgress: null as never })
  await client.flush(undefined)
  await client.flush({ timeoutMs: null as never })
})

it.each(['RUNNING', 'SCHEDULED', 'finished', null])('a run does not end as %s, and goes on', async (status) => {
  const run = await client.startRun()
  const ending = run.end(status as never)
  await expect(ending).rejects.toThrow(InvalidParameterError)
  await expect(ending).rejects.toThrow(/must be one of FINISHED, FAILED, KILLED, not /)
  run.logMetric('loss', 1)
  await run.end('KILLED')
  expect((await client.getRun(run.runId)).info.status).toBe('KILLED')
})

it.each([
  [0, /^The start or end of the run, or a link to a model, has not arrived after 5 ms; what is left is kept/],
  [1, /^1 entry has not arrived/],
  [2, /^2 entries have not arrived/],
])('a wait in vain with %i entries left says what has not arrived', (left, said) => {
  expect(notArrived(left, 5, undefined).message).toMatch(said)
})
