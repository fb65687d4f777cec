import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { sender } from '../../src/http/send.js'
import { answering, rejection } from '../support/answering.js'
import { type Certificates, canMakeCertificates, certificates } from '../support/certificates.js'
import { tempDir } from '../support/temp-dir.js'

const get = { method: 'GET', path: '/' } as const
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function secure(
  { cert, key, ca }: Certificates,
  options: ServerOptions = {},
  react: RequestListener = (_, response) => response.end('{}'),
): Promise<string> {
  const server = createServer({ cert, key, ca, ...options }, react)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe.skipIf(!canMakeCertificates)('TLS (needs openssl to make certificates)', () => {
  it('with an authority of its own is trusted when that is given, and only then', async () => {
    const ours = certificates()
    const url = await secure(ours)
    expect((await sender({ url, tls: { ca: ours.ca } }).text(get)).text).toBe('{}')
    const error = await rejection(sender({ url }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: false, notSent: true })
    expect(error.message).toContain('MLFLOW_TRACKING_SERVER_CERT_PATH')
    expect(await rejection(sender({ url, tls: { ca: certificates().ca } }).text(get))).toMatchObject({
      retryable: false,
    })
  })

  it('for another host name is refused, and the error says which names it holds', async () => {
    const ours = certificates('elsewhere.example')
    const url = (await secure(ours)).replace('127.0.0.1', 'localhost')
    const error = await rejection(sender({ url, tls: { ca: ours.ca } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: false, notSent: true })
    expect(error.message).toMatch(
      /for another name .*elsewhere\.example.*MLFLOW_TRACKING_URI.*MLFLOW_TRACKING_INSECURE_TLS/,
    )
    expect((await sender({ url, tls: { insecure: true } }).text(get)).text).toBe('{}')
  })

  it('that has expired is refused, and the error says what to look at', async () => {
    const ours = certificates('localhost', { expired: true })
    const url = await secure(ours)
    const error = await rejection(sender({ url, tls: { ca: ours.ca } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: false, notSent: true })
    expect(error.message).toMatch(/has expired .*renewed, check the clock.*MLFLOW_TRACKING_INSECURE_TLS/)
    expect((await sender({ url, tls: { insecure: true } }).text(get)).text).toBe('{}')
  })

  it('signed by itself is refused until it is given as an authority', async () => {
    const ours = certificates()
    // The certificate of an authority is signed by itself.
    const url = await secure({ ...ours, cert: ours.ca, key: ours.caKey })
    const error = await rejection(sender({ url }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: false, notSent: true })
    expect(error.message).toMatch(/not trusted \((DEPTH_ZERO_)?SELF_SIGNED_CERT.*MLFLOW_TRACKING_SERVER_CERT_PATH/)
  })

  it.each([
    ['an authority', { ca: 'no certificate at all' }],
    ['a certificate of ours', { clientCert: '-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n' }],
  ])('that cannot be read as %s names the variables', async (_, tls) => {
    const ours = certificates()
    const url = await secure(ours)
    const error = await rejection(sender({ url, tls: { ca: ours.ca, ...tls } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: false, notSent: true })
    expect(error.message).toMatch(/MLFLOW_TRACKING_(SERVER|CLIENT)_CERT_PATH/)
  })

  it('that cannot be read leaves nothing open that could not be closed', async () => {
    const send = sender({ url: 'https://127.0.0.1:9', tls: { clientCert: 'no certificate' } })
    const [error, closed] = [rejection(send.text(get)), send.close()]
    await closed
    expect(await error).toMatchObject({ name: 'NetworkError', retryable: false })
    await send.close()
  })

  it('takes any certificate only when asked to, and warns', async () => {
    const url = await secure(certificates())
    const warnings: string[] = []
    const send = sender({ url, tls: { insecure: true }, warn: (message) => void warnings.push(message) })
    expect((await send.text(get)).text).toBe('{}')
    await send.text(get)
    expect(warnings).toHaveLength(1)
  })

  it('shows our certificate to a server that wants one', async () => {
    const ours = certificates()
    const url = await secure(ours, { requestCert: true, rejectUnauthorized: true })
    expect((await sender({ url, tls: { ca: ours.ca, clientCert: ours.client } }).text(get)).text).toBe('{}')
    for (const tls of [{ ca: ours.ca }, { ca: ours.ca, clientCert: certificates().client }]) {
      const error = await rejection(sender({ url, tls }).text(get))
      expect(error).toMatchObject({ name: 'NetworkError' })
      expect(error.message).toContain('MLFLOW_TRACKING_CLIENT_CERT_PATH')
    }
  })

  it('that may be what a server misses that ends a connection without a word', async () => {
    const ours = certificates()
    const url = await secure(ours, {}, (request) => request.socket.destroy())
    const error = await rejection(sender({ url, tls: { ca: ours.ca } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: true })
    expect(error.message).toContain('MLFLOW_TRACKING_CLIENT_CERT_PATH')
  })

  it.each(['-tls1_2', '-tls1_3'])(
    'with a server that says in TLS (%s) that it wants another certificate names the variable',
    async (version) => {
      const ours = certificates()
      const dir = tempDir()
      for (const name of ['ca', 'cert', 'key'] as const) writeFileSync(join(dir, name), ours[name])
      const verify = [version, '-CAfile', 'ca', '-Verify', '1', '-verify_return_error', '-www']
      const args = ['s_server', '-accept', '127.0.0.1:0', '-cert', 'cert', '-key', 'key', ...verify]
      const server = spawn('openssl', args, { cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] })
      closers.push(() => void server.kill())
      const port = await new Promise<string>((resolve) => {
        let said = ''
        server.stdout.on('data', (text: Buffer) => {
          said += text
          const [, found] = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(said) ?? []
          if (found) resolve(found)
        })
      })
      const url = `https://127.0.0.1:${port}`
      expect((await sender({ url, tls: { ca: ours.ca, clientCert: ours.client } }).text(get)).status).toBe(200)
      for (const tls of [{ ca: ours.ca }, { ca: ours.ca, clientCert: certificates().client }]) {
        const error = await rejection(sender({ url, tls }).text(get))
        expect(error).toMatchObject({ name: 'NetworkError', retryable: false, notSent: true })
        expect(error.message).toContain('MLFLOW_TRACKING_CLIENT_CERT_PATH')
      }
    },
  )

  it('that a web server misses, it says in a page: the variable is named', async () => {
    const page = '<html><head><title>400 No required SSL certificate was sent</title></head></html>'
    const server = await answering(
      (_, response) => void response.writeHead(400, { 'content-type': 'text/html' }).end(page),
    )
    const error = await rejection(sender({ url: server.url }).text(get))
    expect(error).toMatchObject({ name: 'ProtocolError', status: 400 })
    expect(error.message).toContain('MLFLOW_TRACKING_CLIENT_CERT_PATH')
  })

  it('that is left out says so, and may have been a server that starts', async () => {
    const ours = certificates()
    const url = (await secure(ours)).replace('https:', 'http:')
    const error = await rejection(sender({ url }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: true })
    expect(error.message).toMatch(
      /^http:\/\/.* ended the connection without an answer .*it may speak TLS; then the address begins with https:\/\/$/,
    )
  })

  it('with a server that speaks plain HTTP says so', async () => {
    const plain = await answering((_, response) => void response.end('{}'))
    const error = await rejection(sender({ url: plain.url.replace('http:', 'https:') }).text(get))
    expect(error).toMatchObject({ retryable: false })
    expect(error.message).toContain('http://')
  })
})
