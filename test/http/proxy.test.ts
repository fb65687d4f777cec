import { createServer } from 'node:http'
import { createServer as createSecure } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { InvalidParameterError } from '../../src/errors.js'
import { proxyFor } from '../../src/http/proxy.js'
import { sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { readSettings } from '../../src/settings.js'
import { startTestServer } from '../../src/testing/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { built } from '../support/built.js'
import { canMakeCertificates, certificates } from '../support/certificates.js'
import { child } from '../support/child.js'
import { forwardProxy } from '../support/forward-proxy.js'
import { tempDir } from '../support/temp-dir.js'

const get = { method: 'GET', path: '/x' } as const
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A proxy that does with each tunnel as the test says. */
async function tunnelEnd(react: (socket: Duplex) => void): Promise<string> {
  const server = createServer()
  const sockets = new Set<Duplex>()
  server.on('connect', (_, socket) => {
    sockets.add(socket.on('error', () => undefined))
    react(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a proxy', () => {
  it('carries plain http as an absolute request, with its own credentials', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const proxy = await forwardProxy('pu:pp')
    const send = sender({ url: server.url, auth: { token: 't' }, proxy: { httpProxy: `http://pu:pp@${proxy.at}` } })
    await send.text({ method: 'POST', path: '/x', body: '{"a":1}' })
    expect(proxy.asked).toEqual([`POST ${server.url}/x`])
    expect(server.seen).toMatchObject([{ body: '{"a":1}', headers: { authorization: 'Bearer t' } }])
    expect(server.seen[0]?.headers['proxy-authorization']).toBeUndefined()
  })

  it.skipIf(!canMakeCertificates)('carries https through a tunnel, end to end', async () => {
    const ours = certificates()
    const server = createSecure({ cert: ours.cert, key: ours.key }, (_, response) => response.end('{}'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => server.close())
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    const proxy = await forwardProxy('pu:pp')
    const send = sender({ url, tls: { ca: ours.ca }, proxy: { httpsProxy: `http://pu:pp@${proxy.at}` } })
    expect((await send.text(get)).text).toBe('{}')
    expect(proxy.asked).toEqual([`CONNECT ${url.slice(8)}`])
    await send.close()
  })

  it('that wants other credentials is named, without showing them', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const proxy = await forwardProxy('pu:pp')
    for (const url of [server.url, server.url.replace('http:', 'https:')]) {
      const uri = `http://pu:hunter2@${proxy.at}`
      const error = await rejection(sender({ url, proxy: { httpProxy: uri, httpsProxy: uri } }).text(get))
      expect(error.message).toMatch(/407/)
      expect(`${error.message} ${(error.cause as Error).message}`).not.toContain('hunter2')
    }
    expect(server.seen).toEqual([])
  })

  it('is passed by for hosts in noProxy, and https ones when only http has a proxy', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const proxy = await forwardProxy()
    const httpProxy = `http://${proxy.at}`
    await sender({ url: server.url, proxy: { httpProxy, noProxy: 'other,127.0.0.1' } }).text(get)
    await sender({ url: server.url, proxy: { httpsProxy: httpProxy } }).text(get)
    await rejection(sender({ url: server.url.replace('http:', 'https:'), proxy: { httpProxy } }).text(get))
    expect(proxy.asked).toEqual([])
    await sender({ url: server.url, proxy: { httpProxy, noProxy: 'other' } }).text(get)
    expect(proxy.asked).toHaveLength(1)
  })

  it.each([200, 403])('that answers %i with a page of its own is named, without its credentials', async (status) => {
    const portal = await answering(
      (_, response) =>
        void response.writeHead(status, { 'content-type': 'text/html' }).end('<html><title>Blocked</title>'),
    )
    const host = `127.0.0.1:${portal.port}`
    const send = sender({
      url: 'http://mlflow.example.test:5000',
      proxy: { httpProxy: `http://pu:hunter2@${host}` },
    })
    const error = await rejection(httpTransport({ send }).call('searchExperiments', { max_results: 1 }))
    expect(error.message).toContain(
      status === 200
        ? `it came by the proxy ${host}: check HTTPS_PROXY or HTTP_PROXY, or name the host of the server in NO_PROXY`
        : `answered 403 by the proxy ${host} with an HTML page: "Blocked"`,
    )
    expect(error.message).not.toContain('hunter2')
    await send.close()
  })

  it('that refuses CONNECT is named, with what to check', async () => {
    const proxy = await tunnelEnd((socket) => void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    const send = sender({ url: 'https://mlflow.example.test', proxy: { httpsProxy: proxy } })
    expect((await rejection(send.text(get))).message).toContain('answered 502: check HTTPS_PROXY or HTTP_PROXY, or')
    await send.close()
  })

  it('that does not answer is not the server’s fault: nothing was sent', async () => {
    const error = await rejection(sender({ url: 'http://127.0.0.1:9', proxy: { httpProxy: '127.0.0.1:9' } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', notSent: true })
  })

  it.each([false, true])(
    'that takes CONNECT and never answers is given up, in the background too: %s',
    async (background) => {
      const proxy = await tunnelEnd(() => undefined)
      const url = 'https://mlflow.example.test'
      const send = sender({ url, proxy: { httpsProxy: proxy }, connectTimeoutMs: 100, background })
      const errors = await Promise.all([
        rejection(send.text(get)),
        rejection(send.stream({ ...get, timeoutMs: Infinity })),
      ])
      for (const error of errors) {
        expect(error).toMatchObject({ name: 'TimeoutError', notSent: true, retryable: true })
        expect(error.message).toContain(`The proxy ${new URL(proxy).host} on the way to ${url}`)
        expect(error.message).toMatch(/CONNECT.*HTTPS_PROXY.*NO_PROXY/)
      }
      await send.close()
    },
  )

  it('that never answers holds no call beyond its limit or its signal', async () => {
    const proxy = await tunnelEnd(() => undefined)
    const send = sender({ url: 'https://mlflow.example.test', proxy: { httpsProxy: proxy }, connectTimeoutMs: 60_000 })
    expect(await rejection(send.text({ ...get, timeoutMs: 100 }))).toMatchObject({ name: 'TimeoutError' })
    const giving = new AbortController()
    const waiting = [send.text({ ...get, signal: giving.signal }), send.stream({ ...get, signal: giving.signal })]
    const errors = waiting.map(rejection)
    giving.abort(new Error('enough'))
    for (const error of await Promise.all(errors)) expect(error.message).toBe('enough')
  })

  it.skipIf(!canMakeCertificates)(
    'that speaks TLS is trusted as a server is, and blamed for its own certificate',
    async () => {
      const ours = certificates()
      const server = await answering((_, response) => asJson(response, {}))
      const { at, asked } = await forwardProxy(undefined, ours)
      const through = (host: string) => ({ httpProxy: `https://${at.replace('127.0.0.1', host)}` })
      const warned: Error[] = []
      const hear = (warning: Error) => void warned.push(warning)
      process.on('warning', hear)
      closers.push(() => process.off('warning', hear))
      for (const host of ['127.0.0.1', 'localhost'])
        expect((await sender({ url: server.url, tls: { ca: ours.ca }, proxy: through(host) }).text(get)).status).toBe(
          200,
        )
      expect(asked).toHaveLength(2)
      for (const tls of [{}, { insecure: true }]) {
        const error = await rejection(sender({ url: server.url, tls, proxy: through('127.0.0.1') }).text(get))
        expect(error).toMatchObject({ name: 'NetworkError', notSent: true, retryable: false })
        expect(error.message).toMatch(`The certificate of the proxy ${at} on the way to ${server.url}`)
        expect(error.message).toMatch(/NODE_EXTRA_CA_CERTS.*NO_PROXY/)
        expect(error.message).not.toContain('INSECURE')
      }
      const named = certificates('elsewhere.example')
      const other = await forwardProxy(undefined, named)
      const misnamed = { httpProxy: `https://${other.at.replace('127.0.0.1', 'localhost')}` }
      const error = await rejection(sender({ url: server.url, tls: { ca: named.ca }, proxy: misnamed }).text(get))
      expect(error.message).toMatch(/certificate of the proxy localhost.*another name.*HTTPS_PROXY/)
      const plain = { httpProxy: `https://${(await forwardProxy()).at}` }
      expect((await rejection(sender({ url: server.url, proxy: plain }).text(get))).message).toMatch(
        /No TLS with the proxy/,
      )
      expect(warned).toEqual([])
    },
  )

  it('that breaks off a tunnel is named, and asked once for each try', async () => {
    let asked = 0
    const proxy = await tunnelEnd((socket) => {
      asked++
      socket.destroy()
    })
    const error = await rejection(sender({ url: 'https://a.example.test', proxy: { httpsProxy: proxy } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', notSent: true, retryable: true })
    expect(error.message).toContain(`The proxy ${new URL(proxy).host}`)
    expect(asked).toBe(1)
  })

  it.each(['socks5://u:hunter2@127.0.0.1:1080', 'socks5h://127.0.0.1:1080', 'socks4://127.0.0.1:1', 'ftp://x'])(
    'of another kind is refused in words, and only where it is needed: %s',
    async (httpProxy) => {
      const server = await answering((_, response) => asJson(response, {}))
      const error = await rejection(sender({ url: server.url, proxy: { httpProxy } }).text(get))
      expect(error).toBeInstanceOf(InvalidParameterError)
      expect(error).toMatchObject({ notSent: true, retryable: false })
      expect(error.message).toMatch(
        /ALL_PROXY.*for SOCKS put an HTTP proxy in front of it, or name the server in NO_PROXY/,
      )
      expect(error.message).not.toContain('hunter2')
      expect(server.seen).toEqual([])
      await sender({ url: server.url, proxy: { httpProxy, noProxy: '127.0.0.0/8' } }).text(get)
      await sender({ url: server.url, proxy: { httpsProxy: httpProxy } }).text(get)
      expect(server.seen).toHaveLength(2)
    },
  )
})

describe('the environment names proxies as it does for Python’s requests', () => {
  it.each<[string, Record<string, string>, Partial<ReturnType<typeof readSettings>['http']>]>([
    ['one for each scheme', { HTTP_PROXY: 'a', HTTPS_PROXY: 'b' }, { httpProxy: 'a', httpsProxy: 'b' }],
    [
      'lower case wins',
      { HTTP_PROXY: 'a', http_proxy: 'b', all_proxy: 'c', ALL_PROXY: 'd' },
      { httpProxy: 'b', httpsProxy: 'c' },
    ],
    ['ALL_PROXY for both', { ALL_PROXY: 'a' }, { httpProxy: 'a', httpsProxy: 'a' }],
    ['ALL_PROXY where there is no other', { ALL_PROXY: 'a', HTTPS_PROXY: 'b' }, { httpProxy: 'a', httpsProxy: 'b' }],
    [
      'HTTP_PROXY may be a header in a CGI program',
      { HTTP_PROXY: 'a', REQUEST_METHOD: 'GET' },
      { httpProxy: undefined },
    ],
    ['NO_PROXY in either case', { no_proxy: 'a,b' }, { noProxy: 'a,b' }],
    ['empty is none', { HTTP_PROXY: '', ALL_PROXY: '' }, { httpProxy: undefined, httpsProxy: undefined }],
  ])('%s', (_, env, expected) => {
    expect(readSettings(env).http).toMatchObject(expected)
  })

  it.each([
    ['*', 'http://any.where', true],
    ['example.com', 'http://example.com:5000', true],
    ['example.com', 'http://ml.example.com', true],
    ['.example.com', 'http://ml.example.com', true],
    ['*.example.com', 'http://ml.example.com', true],
    ['EXAMPLE.com ', 'http://ML.example.COM', true],
    ['example.com', 'http://notexample.com', false],
    ['a, example.com:5000', 'http://example.com:5000', true],
    ['example.com:5000', 'http://example.com:5001', false],
    ['example.com:80', 'http://example.com', true],
    ['example.com:443', 'http://example.com', false],
    ['10.0.0.1', 'http://10.0.0.1:5000', true],
    ['0.0.1', 'http://10.0.0.1', false],
    ['10.0.0.0/8', 'http://10.20.30.40', true],
    ['10.0.0.0/8', 'http://11.0.0.1', false],
    ['10.0.0.0/99', 'http://10.0.0.1', false],
    ['10.0.0.0/8', 'http://10.example.com', false],
    ['::1', 'http://[::1]:5000', true],
    ['[::1]:5000', 'http://[::1]:5000', true],
    ['[::1]:5000', 'http://[::1]:5001', false],
    ['0:0:0:0:0:0:0:1', 'http://[::1]:5000', true],
    ['[0:0:0:0:0:0:0:1]:5000', 'http://[::1]:5000', true],
    ['[::1]/128', 'http://[::1]:5000', true],
    ['[fd00::]/8', 'http://[fd12::1]', true],
    ['::2', 'http://[::1]', false],
    ['localhost.', 'http://localhost', true],
    ['localhost', 'http://localhost.', true],
    ['.', 'http://localhost.', false],
    ['fd00::/8', 'http://[fd12::1]', true],
    ['localhost,', 'http://localhost', true],
    ['', 'http://localhost', false],
  ])('NO_PROXY=%s and %s: reached directly: %s', (noProxy, origin, isDirect) => {
    const proxy = { httpProxy: 'proxy:3128', noProxy }
    expect(proxyFor(origin, proxy)).toBe(isDirect ? undefined : 'http://proxy:3128')
  })

  it('a process that has nothing else to do waits for no answer that comes by a proxy', async () => {
    const proxy = await forwardProxy()
    const behind = await startTestServer({ faults: [{ on: 'logBatch', delayMs: 3_600_000, times: 99 }] })
    closers.push(() => void behind.close())
    const script = `import { startRun, logMetric } from 'CAIRN'
      await startRun(); logMetric('loss', 1); console.log('logged')`
    const env = { MLFLOW_TRACKING_URI: behind.url, HTTP_PROXY: `http://${proxy.at}` }
    const ended = await child(script, { cwd: tempDir(), built: await built(), env })
    expect(ended).toMatchObject({ code: 0, stdout: 'logged\n' })
    expect(proxy.asked.some((request) => request.includes('log-batch'))).toBe(true)
  })

  it('a client goes through ALL_PROXY, and a socks one stops it with words', async () => {
    const server = await startTestServer()
    closers.push(() => void server.close())
    const proxy = await forwardProxy()
    vi.stubEnv('ALL_PROXY', `http://${proxy.at}`)
    const options = { trackingUri: server.url, spoolDir: join(tempDir(), 'spool') }
    const through = createClient(options)
    await (await through.startRun()).end()
    expect(proxy.asked.length).toBeGreaterThan(0)
    await through.close()

    vi.stubEnv('ALL_PROXY', 'socks5://127.0.0.1:1080')
    const stopped = createClient(options)
    expect((await rejection(stopped.startRun())).message).toContain('ALL_PROXY')
    expect((await rejection(stopped.searchExperiments())).message).toContain('SOCKS')
    await stopped.close()
    vi.unstubAllEnvs()
  })
})
