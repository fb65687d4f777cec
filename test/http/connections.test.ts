import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { fakeClock } from '../support/fake-clock.js'
import { tempDir } from '../support/temp-dir.js'

const get = { method: 'GET', path: '/x' } as const
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** A listener without HTTP of its own. */
async function bare(talk: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    talk(socket)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Says a text byte by byte, for ever from its start. */
const drip = (text: string) => (socket: Socket) => {
  let at = 0
  const timer = setInterval(() => socket.write(text[at++ % text.length] ?? ''), 10)
  socket.on('close', () => clearInterval(timer))
}

describe('a server that answers byte by byte', () => {
  const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n'
  it.each([
    ['headers', drip('HTTP/1.1 200 OK\r\nx-slow: and on and on and on')],
    [
      'a body',
      (socket: Socket) => {
        socket.write(HEAD)
        drip('x')(socket)
      },
    ],
  ])('%s: the call ends with its limit, and other servers are served meanwhile', async (what, talk) => {
    const url = await bare(talk)
    const well = await answering((_, response) => asJson(response, { well: true }))
    const slow = sender({ url, timeoutMs: 400 })
    const other = sender({ url: well.url })
    const waiting = Array.from({ length: 12 }, () => rejection(slow.text(get)))
    for (let n = 0; n < 10; n++) expect((await other.text(get)).status).toBe(200)
    for (const error of await Promise.all(waiting))
      expect(error).toMatchObject({ name: 'TimeoutError', retryable: true })
    if (what === 'headers') expect(await rejection(slow.stream(get))).toMatchObject({ name: 'TimeoutError' })
  })

  it('a download may be slow, but not silent', async () => {
    const url = await bare((socket) => socket.write(`${HEAD}abc`))
    const { body } = await sender({ url, timeoutMs: 300 }).stream(get)
    const error = await rejection(new Response(body).text())
    expect(error).toMatchObject({ name: 'TimeoutError' })
  })

  it('a download goes on past the limit of a call as long as something comes', async () => {
    const server = await answering((_, response) => {
      response.writeHead(200, { 'content-length': '20' })
      let left = 20
      const timer = setInterval(() => {
        response.write('x')
        if (--left === 0) clearInterval(timer)
      }, 50)
    })
    const { body } = await sender({ url: server.url, timeoutMs: 500 }).stream(get)
    expect(await new Response(body).text()).toBe('x'.repeat(20))
  })

  it('a download that the caller gives up ends with the reason', async () => {
    const url = await bare((socket) => socket.write(`${HEAD}abc`))
    const giving = new AbortController()
    const { body } = await sender({ url }).stream({ ...get, signal: giving.signal })
    const reason = new Error('enough')
    const reading = rejection(new Response(body).text())
    giving.abort(reason)
    expect(await reading).toBe(reason)
  })
})

describe('a kept connection that its server half-closes after each answer', () => {
  it('fails no call, and makes no run twice', async () => {
    let runs = 0
    const closed: Promise<unknown>[] = []
    const url = await bare((socket) => {
      closed.push(new Promise((gone) => socket.once('close', gone)))
      socket.once('data', () => {
        runs++
        const body = JSON.stringify({ run: { info: { run_id: `r${runs}`, experiment_id: '0' }, data: {} } })
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        )
        // The end comes on its own, after the answer, as from a server whose patience is over.
        setImmediate(() => socket.end())
      })
    })
    const transport = withRetry(httpTransport({ send: sender({ url }) }), { clock: fakeClock() })
    const made: (string | undefined)[] = []
    for (let n = 0; n < 30; n++) {
      made.push((await transport.call('createRun', { experiment_id: '0' })).run.info.run_id)
      await closed[n]
    }
    expect(new Set(made).size).toBe(30)
    expect(runs).toBe(30)
    await transport.close()
  })

  it('is used no more after an answer that was not read to its end', async () => {
    const sockets = new Set<number | undefined>()
    const server = await answering((_, response, count) => {
      sockets.add(response.socket?.remotePort)
      if (count === 1) response.writeHead(200, { 'content-encoding': 'unheard-of' }).write('x'.repeat(100_000))
      else asJson(response, {})
    })
    const send = sender({ url: server.url, connections: 1, timeoutMs: 5_000 })
    expect(await rejection(send.text(get))).toMatchObject({ name: 'ProtocolError' })
    expect((await send.text(get)).text).toBe('{}')
    expect(sockets.size).toBe(2)
    await send.close()
  })
})

it.each([
  ['100 Continue', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'],
  ['101 Switching Protocols', 'HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'],
])('an answer that begins with %s unasked is told so', async (what, answer) => {
  const url = await bare((socket) => socket.on('data', () => socket.write(answer)))
  const send = sender({ url })
  const error = await rejection(send.text(get))
  expect(error).toMatchObject({ name: 'ProtocolError', retryable: true })
  expect(error.message).toContain(`answered ${what}, which was not asked for`)
  await send.close()
})

describe('a server that ends its connection with its answer', () => {
  const SIZE = 1 << 20
  const body = Buffer.alloc(SIZE, 7)
  const lengthy = (version: string, more = '') => `HTTP/${version} 200 OK\r\ncontent-length: ${SIZE}\r\n${more}\r\n`
  const CLOSE = 'connection: close\r\n'
  const chunked = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${CLOSE}\r\n${SIZE.toString(16)}\r\n`
  const half = body.subarray(SIZE / 2)
  const little = body.subarray(0, 216 << 10)
  type How = 'end' | 'reset'
  const turns = async (count: number) => {
    for (let n = 0; n < count; n++) await new Promise(setImmediate)
  }

  /** Reads a download so slowly that all of it, and the end, waits before the last part is taken. */
  async function slowly(parts: (string | Buffer)[], how: How): Promise<number> {
    const url = await bare((socket) =>
      socket.once('data', () => {
        const all = Buffer.concat(parts.map((part) => Buffer.from(part)))
        if (how === 'end') socket.end(all)
        else socket.write(all, () => turns(20).then(() => socket.resetAndDestroy()))
      }),
    )
    const send = sender({ url })
    let bytes = 0
    for await (const chunk of (await send.stream(get)).body) {
      bytes += chunk.length
      await turns(how === 'end' ? 10 : 50)
    }
    await send.close()
    return bytes
  }

  it.each([
    ['by its length', [lengthy('1.1', CLOSE), body]],
    ['by its length in HTTP/1.0', [lengthy('1.0'), body]],
    ['by the end alone', ['HTTP/1.0 200 OK\r\n\r\n', body]],
    ['in chunks', [chunked, body, '\r\n0\r\n\r\n']],
  ])('is read whole %s, however slowly', async (_, parts) => {
    for (let n = 0; n < 4; n++) expect(await slowly(parts, 'end')).toBe(SIZE)
  })

  it.each<[string, (string | Buffer)[], How]>([
    ['by its length', [lengthy('1.1', CLOSE), half], 'end'],
    ['by its length in HTTP/1.0', [lengthy('1.0'), half], 'end'],
    ['in chunks', [chunked, half], 'end'],
    ['by a reset', [lengthy('1.1', CLOSE), little], 'reset'],
    ['by a reset in chunks', [chunked, little], 'reset'],
  ])('and is cut %s is a failure that is tried again', async (_, parts, how) => {
    for (let n = 0; n < 4; n++)
      expect(await rejection(slowly(parts, how))).toMatchObject({ name: 'NetworkError', retryable: true })
  })
})

it('a client that is closed leaves no connection behind, also one that only logged', async () => {
  const open = new Set<Socket>()
  let port = 0
  const url = await bare((near) => {
    open.add(near)
    near.on('close', () => open.delete(near))
    const far = connect(port, '127.0.0.1')
    near.pipe(far).pipe(near)
    far.on('error', () => near.destroy())
  })
  const server = await startTestServer({ hosts: [new URL(url).host] })
  port = Number(new URL(server.url).port)
  const client = createClient({ trackingUri: url, spoolDir: join(tempDir(), 'spool') })
  const run = await client.startRun()
  run.logMetric('loss', 1, 0)
  await run.logText('x', 'a.txt')
  await run.end()
  expect(open.size).toBeGreaterThan(0)
  await client.close()
  // What is kept alive unused goes by itself, though seconds later.
  await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 2_000 })
  await server.close()
})
