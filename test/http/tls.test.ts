import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { sender } from '../../src/http/send.js'
import { answering, rejection } from '../support/answering.js'
import { type Certificates, canMakeCertificates, certificates } from '../support/certificates.js'

const get = { method: 'GET', path: '/' } as const
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function secure({ cert, key, ca }: Certificates, options: ServerOptions = {}): Promise<string> {
  const server = createServer({ cert, key, ca, ...options }, (_, response) => response.end('{}'))
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

  it('for another host name is refused', async () => {
    const ours = certificates('elsewhere.example')
    const url = (await secure(ours)).replace('127.0.0.1', 'localhost')
    expect(await rejection(sender({ url, tls: { ca: ours.ca } }).text(get))).toMatchObject({ retryable: false })
  })

  it('takes any certificate only when asked to, and warns', async () => {
    const url = await secure(certificates())
    const warnings: string[] = []
    const send = sender({ url, tls: { insecure: true }, warn: (message) => void warnings.push(message) })
    expect((await send.text(get)).text).toBe('{}')
    expect(warnings).toHaveLength(1)
  })

  it('shows our certificate to a server that wants one', async () => {
    const ours = certificates()
    const url = await secure(ours, { requestCert: true, rejectUnauthorized: true })
    expect((await sender({ url, tls: { ca: ours.ca, clientCert: ours.client } }).text(get)).text).toBe('{}')
    expect(await rejection(sender({ url, tls: { ca: ours.ca } }).text(get))).toMatchObject({ name: 'NetworkError' })
  })

  it('with a server that speaks plain HTTP says so', async () => {
    const plain = await answering((_, response) => void response.end('{}'))
    const error = await rejection(sender({ url: plain.url.replace('http:', 'https:') }).text(get))
    expect(error).toMatchObject({ retryable: false })
    expect(error.message).toContain('http://')
  })
})
