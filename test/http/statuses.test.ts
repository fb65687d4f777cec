import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { sender } from '../../src/http/send.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { fakeClock } from '../support/fake-clock.js'

const TRIES = 4
const input = { experiment_id: '1', key: 'k', value: 'v' }

/** A server that answers the first `times` requests with a status, and then well; and what a client with retries made of it. */
async function met(status: number, { times = 99, headers = {}, body = '' } = {}) {
  const server = await answering((_, response, count) => {
    if (count <= times) response.writeHead(status, headers).end(body)
    else asJson(response, {})
  })
  const clock = fakeClock()
  const send = sender({ url: server.url })
  const transport = withRetry(httpTransport({ send }), { clock, rules: { attempts: TRIES } })
  return { server, clock, transport, send }
}

describe('a status', () => {
  it.each([
    [408, 'UnavailableError', TRIES],
    [429, 'RateLimitError', TRIES],
    [500, 'UnavailableError', TRIES],
    [502, 'UnavailableError', TRIES],
    [503, 'UnavailableError', TRIES],
    [504, 'TimeoutError', TRIES],
    [301, 'ProtocolError', 1],
    [302, 'ProtocolError', 1],
    [303, 'ProtocolError', 1],
    [304, 'ProtocolError', 1],
    [307, 'ProtocolError', 1],
    [308, 'ProtocolError', 1],
    [400, 'InvalidParameterError', 1],
    [401, 'UnauthenticatedError', 1],
    [403, 'PermissionDeniedError', 1],
    [404, 'NotFoundError', 1],
    [405, 'NotFoundError', 1],
    [409, 'AlreadyExistsError', 1],
    [410, 'NotFoundError', 1],
    [413, 'InvalidParameterError', 1],
    [422, 'InvalidParameterError', 1],
    [431, 'ProtocolError', 1],
    [501, 'UnavailableError', 1],
    [505, 'UnavailableError', 1],
    [507, 'UnavailableError', TRIES],
    [511, 'UnavailableError', 1],
    [520, 'UnavailableError', TRIES],
  ])('%i is a %s, asked for %i times', async (status, name, times) => {
    const { server, transport } = await met(status)
    expect(await rejection(transport.call('setExperimentTag', input))).toMatchObject({
      name,
      status,
      // Whoever logs in to the network may ask again; no wait brings it about.
      retryable: times > 1 || status === 511,
    })
    expect(server.seen).toHaveLength(times)
  })

  it.each([408, 429, 500, 502, 503, 504])(
    '%i that passes is met by another try, with the same body',
    async (status) => {
      const { server, transport } = await met(status, { times: 2 })
      expect(await transport.call('setExperimentTag', input)).toEqual({})
      expect(server.seen.map(({ body }) => body)).toEqual(Array(3).fill(JSON.stringify(input)))
    },
  )

  it('204 is no answer where one is asked for', async () => {
    const { transport } = await met(204)
    for (const call of [
      () => transport.call('searchRuns', { experiment_ids: ['1'] }),
      () => transport.call('searchRegisteredModels', {}),
      () => transport.call('listArtifacts', { run_id: 'a' }),
      () => transport.call('logBatch', { run_id: 'a' }),
      () => transport.call('setExperimentTag', input),
    ])
      expect(await rejection(call())).toMatchObject({ name: 'ProtocolError', status: 204 })
  })

  it('204 is an empty answer to what removes, and what comes before an answer (103) is none', async () => {
    const { transport } = await met(204)
    expect(await transport.call('deleteExperimentTag', { experiment_id: '1', key: 'k' })).toEqual({})
    const server = createServer((_, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.end('{}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await httpTransport({ send: sender({ url }) }).call('setExperimentTag', input)).toEqual({})
    server.close()
    server.closeAllConnections()
  })
})

describe('Retry-After', () => {
  it.each([
    ['7', 7_000],
    ['1.5', 1_500],
    ['0', 1_000],
    ['1000000000', 300_000],
    [new Date(Date.now() + 3_600_000).toUTCString(), 300_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 1_000],
  ])('%s is waited for, within a second and five minutes', async (value, least) => {
    for (const status of [429, 503]) {
      const { transport, clock } = await met(status, { times: 1, headers: { 'retry-after': value } })
      const patient = transport.call('setExperimentTag', input)
      // Five minutes are all that there is to wait.
      if (least === 300_000) await rejection(patient)
      else await patient
      expect(clock.sleeps).toHaveLength(least === 300_000 ? 0 : 1)
      for (const slept of clock.sleeps) {
        expect(slept).toBeGreaterThanOrEqual(least)
        expect(slept).toBeLessThanOrEqual(least + 1_000)
      }
    }
  })

  it.each(['soon', '-5', '', 'NaN', '1e9', '２'])('%j is none: the wait is our own', async (value) => {
    const { server, transport, clock } = await met(429, {
      times: 1,
      headers: value ? { 'retry-after': encodeURI(value) } : {},
    })
    await transport.call('setExperimentTag', input)
    expect(server.seen).toHaveLength(2)
    for (const slept of clock.sleeps) expect(slept).toBeLessThanOrEqual(1_000)
  })
})

describe('a redirect', () => {
  const elsewhere = createServer((incoming, response) => {
    visits.push(`${incoming.method} ${incoming.url} ${JSON.stringify(incoming.headers)}`)
    response.end('{}')
  })
  const visits: string[] = []
  afterEach(() => {
    visits.length = 0
    elsewhere.close()
    elsewhere.closeAllConnections()
  })
  const listening = async () => {
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    return `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
  }

  it.each([
    ['to another host', (other: string) => `http://${other}/steal?token=1`, /a redirect to http:\/\/127/],
    ['to another host, without a scheme', (other: string) => `//${other}/steal`, /a redirect to \/\/127/],
    ['with credentials in it', (other: string) => `http://u:hunter2@${other}/`, /a redirect to http:\/\/127/],
    ['to a file', () => 'file:///etc/passwd', /a redirect to file:\/\/\/etc\/passwd/],
    ['to itself, for ever', () => '/api/2.0/mlflow/experiments/set-experiment-tag', /a redirect to \/api/],
    ['to nowhere', () => '', /a redirect/],
  ])('%s is followed by no call, no upload and no download', async (_, to, words) => {
    const other = await listening()
    const server = await answering((__, response) => void response.writeHead(307, { location: to(other) }).end())
    const send = sender({ url: server.url, auth: { token: 'secret-token' }, headers: { 'x-api-key': 'secret-key' } })
    const clock = fakeClock()
    const transport = withRetry(httpTransport({ send }), { clock })
    const artifacts = await proxied(send, { clock })('mlflow-artifacts:/1/r/artifacts')
    for (const tried of [
      () => transport.call('setExperimentTag', input),
      () => transport.call('searchExperiments', {}),
      () => artifacts.read('a'),
      () => artifacts.write('a', new Blob(['x'])),
      () => artifacts.list(''),
      () => artifacts.remove('a'),
    ]) {
      const error = await rejection(tried())
      expect(error.name).toBe('ProtocolError')
      expect(error.message).toMatch(words)
      expect(error.message).not.toMatch(/hunter2|secret/)
    }
    expect(server.seen).toHaveLength(6)
    expect(visits).toEqual([])
  })

  it('from https down to http is followed by nothing either: no credential goes over an open line', async () => {
    const open = await answering((_, response) => asJson(response, {}))
    const send = sender({ url: 'https://127.0.0.1:1', auth: { token: 'secret-token' } })
    await send.text({ method: 'GET', path: '/x', origin: open.url })
    expect(open.seen[0]?.headers.authorization).toBeUndefined()
  })
})
