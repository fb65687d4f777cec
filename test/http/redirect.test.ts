import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { hopOf } from '../../src/http/redirect.js'
import { sender } from '../../src/http/send.js'
import { answering, rejection } from '../support/answering.js'
import { canMakeCertificates, certificates } from '../support/certificates.js'

const FROM = 'https://mlflow.example/api/a'
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

describe('where a download is handed on to', () => {
  it.each([
    ['https://store.example/a?sig=x', { origin: 'https://store.example', path: '/a?sig=x' }],
    ['//store.example:8443/a', { origin: 'https://store.example:8443', path: '/a' }],
    ['/b/../c', { origin: 'https://mlflow.example', path: '/c' }],
    ['http://store.example/a', undefined],
    ['file:///etc/passwd', undefined],
    ['https://u:p@store.example/a', undefined],
    ['https://127.0.0.1/a', undefined],
    ['https://localhost/a', undefined],
    ['https://[::1]/a', undefined],
    ['https://[::ffff:127.0.0.1]/a', undefined],
    ['https://169.254.169.254/latest/meta-data', undefined],
    ['https://[fe80::1]/a', undefined],
    ['https://0.0.0.0/a', undefined],
    ['https://2130706433/a', undefined],
    ['https://', undefined],
    [undefined, undefined],
  ])('%s', (location, hop) => {
    expect(hopOf(307, location, FROM, 'mlflow.example')).toEqual(hop)
  })

  it('may be this machine when the server is there', () => {
    const hop = { origin: 'https://127.0.0.1:9', path: '/a' }
    expect(hopOf(302, 'https://127.0.0.1:9/a', 'http://127.0.0.1:5000/', '127.0.0.1')).toEqual(hop)
  })

  it.each([200, 300, 304, 401])('is nowhere with a status of %i', (status) => {
    expect(hopOf(status, 'https://store.example/a', FROM, 'mlflow.example')).toBeUndefined()
  })
})

it.each([
  'https://mlflow.example/api/2.0/mlflow-artifacts/artifacts/1/%zz',
  'mlflow-artifacts:/1/r/artifacts?x',
  'ftp://mlflow.example/a',
])('an artifact URI that names no place on a server is refused as one: %s', async (uri) => {
  const error = await rejection((async () => proxied(sender({ url: 'https://mlflow.example' }))(uri))())
  expect(error).toMatchObject({ name: 'InvalidParameterError' })
  expect(error.message).toContain(uri.replace(/\?.*/, ''))
})

describe.skipIf(!canMakeCertificates)('a download that is handed on (needs openssl to make certificates)', () => {
  const made = certificates()

  async function store(answer: RequestListener) {
    const seen: { url: string; headers: object }[] = []
    const server = createServer({ cert: made.cert, key: made.key }, (request, response) => {
      seen.push({ url: request.url!, headers: request.headers })
      answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
  }

  async function artifacts(to: string) {
    const server = await answering((_, response) => void response.writeHead(307, { location: to }).end())
    const send = sender({
      url: server.url,
      tls: { ca: made.ca },
      auth: { token: 'secret-token' },
      headers: { 'x-api-key': 'secret-key' },
      workspace: 'ours',
    })
    return proxied(send, { rules: { attempts: 1 } })('mlflow-artifacts:/1/r/artifacts')
  }

  it('to https is read there, which hears of no credential', async () => {
    const there = await store((_, response) => response.end('the bytes'))
    const body = await (await artifacts(`${there.url}/bucket/a?X-Signature=s`)).read('a')
    expect(await new Response(body).text()).toBe('the bytes')
    expect(there.seen).toHaveLength(1)
    expect(there.seen[0]!.url).toBe('/bucket/a?X-Signature=s')
    expect(JSON.stringify(there.seen)).not.toMatch(/secret|authorization|ours/)
  })

  it('to another host is read without our certificate, which the server alone is shown', async () => {
    const names: unknown[] = []
    const asking = { cert: made.cert, key: made.key, ca: made.ca, requestCert: true, rejectUnauthorized: false }
    const listening = async (who: string, answer: RequestListener) => {
      const server = createServer(asking, (request, response) => {
        names.push([who, (request.socket as TLSSocket).getPeerCertificate().subject?.CN])
        answer(request, response)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      closers.push(() => {
        server.close()
        server.closeAllConnections()
      })
      return (server.address() as AddressInfo).port
    }
    const there = await listening('there', (_, response) => response.end('the bytes'))
    const to = `https://localhost:${there}/a`
    const here = await listening('here', (_, response) => response.writeHead(307, { location: to }).end())
    const tls = { ca: made.ca, clientCert: made.client }
    const send = sender({ url: `https://127.0.0.1:${here}`, tls })
    const { body } = await send.stream({ method: 'GET', path: '/a', mayRedirect: true })
    expect(await new Response(body).text()).toBe('the bytes')
    expect(names).toEqual([
      ['here', 'client'],
      ['there', undefined],
    ])
    await send.close()
  })

  it.each(['NoSuchKey', 'BlobNotFound'])(
    'to a bucket that has no such file (%s) is a file that is not there',
    async (code) => {
      const there = await store((_, response) => response.writeHead(404).end(`<Error><Code>${code}</Code></Error>`))
      const error = await rejection((await artifacts(`${there.url}/bucket/a`)).read('a'))
      expect(error).toMatchObject({ name: 'NotFoundError', code: 'RESOURCE_DOES_NOT_EXIST', status: 404 })
    },
  )

  it('to a page that wants a login is told as the redirect it is', async () => {
    const there = await store((_, response) => response.setHeader('content-type', 'text/html').end('<html>Log in'))
    const error = await rejection((await artifacts(`${there.url}/login?state=secret`)).read('model.onnx'))
    expect(error).toMatchObject({ name: 'ProtocolError', status: 307 })
    expect(error.message).toContain(`a redirect to ${there.url}/login`)
    expect(error.message).not.toContain('secret')
  })

  it.each([
    ['report.html', 'text/html'],
    ['c.xhtml', 'application/xhtml+xml'],
  ])('to a page is read when it is a page that was asked for, %s', async (name, type) => {
    const there = await store((_, response) => response.setHeader('content-type', type).end('<html>A report'))
    expect(await new Response(await (await artifacts(there.url)).read(name)).text()).toBe('<html>A report')
  })

  it('by a page in between goes on', async () => {
    const there = await store(({ url }, response) => {
      if (url === '/there') response.end('the bytes')
      else response.writeHead(302, { location: '/there', 'content-type': 'text/html' }).end('<html>Found')
    })
    expect(await new Response(await (await artifacts(`${there.url}/a`)).read('a')).text()).toBe('the bytes')
  })

  it('to where the connection breaks says that it was there, before the answer and in it', async () => {
    let count = 0
    const there = await store((_, response) => {
      if (++count > 1) response.writeHead(200, { 'content-length': '10' }).write('12345')
      setImmediate(() => response.socket?.destroy())
    })
    const from = await artifacts(`${there.url}/bucket/a?X-Signature=secret`)
    const before = await rejection(from.read('a'))
    const within = await rejection(from.read('a').then(async (body) => new Response(body).text()))
    for (const error of [before, within]) {
      expect(error).toMatchObject({ name: 'NetworkError', url: `${there.url}/bucket/a` })
      expect(error.message).not.toContain('secret')
    }
  })

  it('again and again ends, and says where it went', async () => {
    const there = await store((_, response) => void response.writeHead(302, { location: '/again' }).end())
    const error = await rejection((await artifacts(`${there.url}/first`)).read('a'))
    expect(error).toMatchObject({ name: 'ProtocolError', status: 302 })
    expect(error.message).toContain('a redirect to /again')
    expect(there.seen.map(({ url }) => url)).toEqual(['/first', '/again', '/again', '/again', '/again'])
  })

  it('to what is refused there says so without the signature', async () => {
    const there = await store((_, response) => void response.writeHead(403).end('<Code>AccessDenied</Code>'))
    const error = await rejection((await artifacts(`${there.url}/a?X-Signature=secret`)).read('a'))
    expect(error.message).toContain(`${there.url}/a answered 403`)
    expect(error.message).not.toContain('secret')
  })

  it.each([
    [401, '<Code>AccessDenied</Code>', 'UnauthenticatedError'],
    [401, '{"message":"who asks?"}', 'UnauthenticatedError'],
    [403, '<Code>AccessDenied</Code>', 'PermissionDeniedError'],
  ])('to what answers %i there with %s names no credentials, as it got none', async (status, text, name) => {
    const there = await store((_, response) => void response.writeHead(status).end(text))
    const server = await answering((_, response) => void response.writeHead(307, { location: there.url }).end())
    for (const keys of [
      { auth: () => ({ authorization: 'Bearer t' }) },
      { auth: { token: 't' }, keysFrom: () => 'a file of ours' },
      {},
    ]) {
      const send = sender({ url: server.url, tls: { ca: made.ca }, ...keys })
      const error = await rejection(send.stream({ method: 'GET', path: '/a', mayRedirect: true }))
      expect(error.name).toBe(name)
      expect(error.message).toContain('no credentials are sent there')
      expect(error.message).not.toMatch(/MLFLOW_|auth function|a file of ours/)
      await send.close()
    }
  })
})
