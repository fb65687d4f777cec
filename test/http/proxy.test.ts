import { createServer as createSecure } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { InvalidParameterError } from '../../src/errors.js'
import { sender } from '../../src/http/send.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { canMakeCertificates, certificates } from '../support/certificates.js'
import { forwardProxy } from '../support/forward-proxy.js'

const get = { method: 'GET', path: '/x' } as const
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

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

  it('that does not answer is not the server’s fault: nothing was sent', async () => {
    const error = await rejection(sender({ url: 'http://127.0.0.1:9', proxy: { httpProxy: '127.0.0.1:9' } }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', notSent: true })
  })

  it('of the SOCKS kind is refused in words', async () => {
    const send = sender({ url: 'http://localhost:1', proxy: { httpProxy: 'socks5://u:hunter2@localhost:1080' } })
    const error = await rejection(send.text(get))
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(error.message).toContain('SOCKS')
    expect(error.message).not.toContain('hunter2')
  })
})
