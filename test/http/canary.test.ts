import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { databricksProfile, mlflowCredentials } from '../../src/core/ini.js'
import { type SenderOptions, sender } from '../../src/http/send.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { fakeClock } from '../support/fake-clock.js'
import { forwardProxy } from '../support/forward-proxy.js'

const CANARY = 'canary-5ecret'
const get = { method: 'GET', path: '/' } as const
const BASIC = Buffer.from(`ann:${CANARY}`).toString('base64')
const BASIC_NAME = Buffer.from(`${CANARY}:`).toString('base64')

/** Everything about a thing that could be printed, logged or sent to a tracker of errors. */
const everything = (thing: unknown): string =>
  [
    inspect(thing, { depth: 12, showHidden: true }),
    String(thing),
    (thing as Error)?.stack,
    JSON.stringify(thing),
    JSON.stringify(Object.getOwnPropertyDescriptors(Object(thing))),
  ].join('\n')

const printed: string[] = []
const catching = ['log', 'info', 'warn', 'error', 'debug'] as const
const real = Object.fromEntries(catching.map((name) => [name, console[name]]))
const published: string[] = []
// undici's own channels carry whole requests; ours must not add any.
const listen = (message: unknown, name: string | symbol) => void published.push(String(name) + everything(message))

beforeAll(() => {
  for (const name of catching)
    console[name] = (...words: unknown[]) => void printed.push(words.map(everything).join(' '))
  subscribe('cairn', listen)
})
afterAll(() => {
  Object.assign(console, real)
  unsubscribe('cairn', listen)
})

/** Each way to hold a secret. */
const HOLDERS: [string, (url: string) => Promise<SenderOptions> | SenderOptions][] = [
  ['password', (url) => ({ url, auth: { username: 'ann', password: CANARY } })],
  ['token', (url) => ({ url, auth: { token: CANARY } })],
  ['address', (url) => ({ url: url.replace('//', `//ann:${CANARY}@`) })],
  ['user name of the address', (url) => ({ url: url.replace('//', `//${CANARY}@`) })],
  ['user name', (url) => ({ url, auth: { username: CANARY, password: '' } })],
  ['header', (url) => ({ url, headers: { 'x-api-key': CANARY, authorization: `Bearer ${CANARY}` } })],
  ['function', (url) => ({ url, auth: () => ({ authorization: `Custom ${CANARY}`, 'x-amz-security-token': CANARY }) })],
  [
    'credentials file',
    (url) => ({
      url,
      auth: { username: 'ann', password: '', ...mlflowCredentials(`[mlflow]\nmlflow_tracking_password=${CANARY}`) },
    }),
  ],
  [
    'databricks file',
    (url) => ({ url, auth: { token: databricksProfile(`[DEFAULT]\ntoken=${CANARY}`)?.token ?? '' } }),
  ],
  ['proxy', async (url) => ({ url, proxy: { httpProxy: `http://ann:${CANARY}@${(await forwardProxy()).at}` } })],
  [
    'user name of a proxy',
    async (url) => ({ url, proxy: { httpProxy: `http://${CANARY}@${(await forwardProxy()).at}` } }),
  ],
  [
    'refusing proxy',
    async (url) => ({ url, proxy: { httpProxy: `http://ann:${CANARY}@${(await forwardProxy('other:one')).at}` } }),
  ],
  ['socks proxy', (url) => ({ url, proxy: { httpProxy: `socks5://ann:${CANARY}@127.0.0.1:1` } })],
]

/** What a server may do to make us talk; several echo what they were sent. */
const SERVERS: [string, Parameters<typeof answering>[0]][] = [
  [
    'echoes as an error',
    ({ headers, url }, response) =>
      asJson(response, { error_code: 'INTERNAL_ERROR', message: `${url} ${JSON.stringify(headers)}` }, 500),
  ],
  [
    'echoes as a refusal',
    ({ headers }, response) => asJson(response, { error_code: 'BAD_REQUEST', message: JSON.stringify(headers) }, 400),
  ],
  [
    'says who asked',
    ({ headers }, response) => {
      const who = Buffer.from(headers.authorization?.split(' ')[1] ?? '', 'base64').toString('utf8')
      asJson(response, { error_code: 'PERMISSION_DENIED', message: `${who} may not do that` }, 403)
    },
  ],
  ['echoes as text', ({ headers }, response) => void response.writeHead(401).end(Object.values(headers).join(' '))],
  [
    'echoes as a page',
    ({ headers }, response) =>
      void response
        .writeHead(200, { 'content-type': 'text/html' })
        .end(`<html><title>${headers.authorization} ${headers['x-api-key']}</title>`),
  ],
  [
    'sends elsewhere',
    (_, response) =>
      void response
        .writeHead(302, { location: `https://ann:${CANARY}@login.example/?token=${CANARY}#${CANARY}` })
        .end(),
  ],
  ['breaks off', (_, response) => void response.socket?.destroy()],
  [
    'echoes in no HTTP at all',
    ({ headers }, response) => void response.socket?.end(`SSH-2.0 ${JSON.stringify(headers)}\r\n`),
  ],
  [
    'answers nonsense',
    ({ headers }, response) => asJson(response, { experiments: [{ experiment_id: headers.authorization ?? 7 }, 7] }),
  ],
]

describe.each(HOLDERS)('a secret in: %s', (_, hold) => {
  it.each(SERVERS)('comes out nowhere when the server %s', async (_, react) => {
    const server = await answering(react)
    const warned: string[] = []
    const events: unknown[] = []
    const failures: unknown[] = []
    const options = await hold(server.url)
    const send = sender({ ...options, timeoutMs: 2_000, warn: (message) => void warned.push(message) })
    const clock = fakeClock()
    const transport = withRetry(httpTransport({ send }), {
      clock,
      rules: { attempts: 3 },
      onLong: (event) => void events.push(event),
    })
    const artifacts = await proxied(send, { clock, rules: { attempts: 2 } })('mlflow-artifacts:/1/r/artifacts')
    const trying: (() => Promise<unknown>)[] = [
      () => transport.call('searchExperiments', {}),
      () => transport.call('getMetricHistory', { run_id: 'r', metric_key: 'm' }),
      () => artifacts.list(''),
      () => artifacts.read('x'),
      () => artifacts.write('x', new Blob(['x'])),
    ]
    for (const attempt of trying) await attempt().catch((error: unknown) => failures.push(error))
    expect(failures.length).toBeGreaterThan(0)
    const out = [...failures, ...events, transport, send]
      .map(everything)
      .concat(warned, printed, published, send.base)
      .join('\n')
    expect(out).not.toContain(CANARY)
    for (const basic of [BASIC, BASIC_NAME]) {
      expect(out).not.toContain(basic)
      expect(out).not.toContain(encodeURIComponent(basic))
    }
  })
})

it.each([
  ['a token with a line break', { auth: { token: `${CANARY}\nx` } }],
  ['a header with a line break', { headers: { 'x-api-key': `${CANARY}\r\nx: y` } }],
  ['a password beyond a header, in the address', { url: `http://ann:${CANARY}@host:port` }],
  ['a query in the address', { url: `http://host/?token=${CANARY}` }],
  ['a fragment in the address', { url: `http://host/#${CANARY}` }],
  ['a slash in the password of the address', { url: `http://ann:12/${CANARY}@host` }],
  ['one slash after the scheme', { url: `http:/ann:${CANARY}@host` }],
  ['another scheme', { url: `postgresql://ann:${CANARY}@host/db` }],
])('%s is refused without being shown', (_, options) => {
  let thrown: unknown
  try {
    sender({ url: 'http://localhost:1', ...options })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(Error)
  expect(everything(thrown)).not.toContain(CANARY)
})

it.each([
  ['a slash in its password', `http://ann:p/${CANARY}@proxy:3128`],
  ['no scheme, and a slash', `ann:p/${CANARY}@proxy:3128`],
  ['one slash', `http:/ann:${CANARY}@proxy:3128`],
  ['a stray %', `http://ann:50%x${CANARY}@proxy:3128`],
  ['a kind that is not spoken', `socks5://ann:p/${CANARY}@proxy:1080`],
])('a proxy with %s is refused in words, for good, without being shown', async (_, httpProxy) => {
  const error = await rejection(sender({ url: 'http://localhost:1', proxy: { httpProxy } }).text(get))
  expect(error).toMatchObject({ name: 'InvalidParameterError', retryable: false })
  expect(error.message).toContain('HTTP_PROXY')
  expect(everything(error)).not.toContain(CANARY)
})

const SPECIAL = `${CANARY}"\\ä`
it.each<[string, (shown: string) => { body: string; headers?: Record<string, string> }]>([
  ['in JSON', (shown) => ({ body: JSON.stringify({ error_code: 'INTERNAL_ERROR', message: shown }) })],
  ['as Python writes it', (shown) => ({ body: `got ${JSON.stringify(shown).replace(/ä/g, '\\u00e4')}` })],
  ['as an address has it', (shown) => ({ body: `GET /?token=${encodeURIComponent(shown)}` })],
  ['as the name of the server', () => ({ body: 'no', headers: { server: CANARY } })],
  ['as the id of the request', () => ({ body: 'no', headers: { 'x-request-id': CANARY } })],
])('a secret that comes back %s is not shown', async (_, echo) => {
  const server = await answering((_, response) => {
    const { body, headers } = echo(SPECIAL)
    response.writeHead(500, headers).end(body)
  })
  const send = sender({ url: server.url, auth: { username: CANARY, password: SPECIAL }, headers: { 'x-key': CANARY } })
  const error = await rejection(send.text(get))
  expect(everything(error)).not.toContain(CANARY)
})

it('what a proxy is shown does not come out when it sends it back', async () => {
  const proxy = await answering(({ headers }, response) => {
    response.writeHead(502, { 'content-type': 'text/plain' }).end(JSON.stringify(headers))
  })
  const httpProxy = proxy.url.replace('http://', `http://ann:${CANARY}@`)
  const error = await rejection(sender({ url: 'http://mlflow.example.test', proxy: { httpProxy } }).text(get))
  expect(error.message).toContain('502')
  expect(everything(error)).not.toContain(CANARY)
  expect(everything(error)).not.toContain(Buffer.from(`ann:${CANARY}`).toString('base64'))
})

it('a function of the user’s that returns what no header can carry is refused without being shown', async () => {
  const send = sender({ url: 'http://localhost:1', auth: () => ({ authorization: `${CANARY}\nx` }) })
  const error = await send.text({ method: 'GET', path: '/' }).catch((thrown: unknown) => thrown)
  expect(everything(error)).not.toContain(CANARY)
  expect(error).toMatchObject({ name: 'InvalidParameterError' })
})
