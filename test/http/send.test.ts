import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { MockAgent } from 'undici'
import { describe, expect, it, vi } from 'vitest'
import {
  InvalidParameterError,
  NetworkError,
  NotFoundError,
  PermissionDeniedError,
  ProtocolError,
  RateLimitError,
  TimeoutError,
  UnauthenticatedError,
  UnavailableError,
  UnsafePathError,
} from '../../src/errors.js'
import { sender } from '../../src/http/send.js'
import { answering, asJson, rejection } from '../support/answering.js'

const get = { method: 'GET', path: '/x' } as const

describe('a request', () => {
  it('goes to its path below the address, with body, length and headers', async () => {
    const server = await answering((_, response) => asJson(response, { ok: true }))
    const send = sender({ url: `${server.url}/prefix/`, headers: { 'X-Team': 'a' }, workspace: 'w1' })
    const answer = await send.text({ method: 'POST', path: '/api/x?y=1', body: '{"a":"é"}' })
    expect(JSON.parse(answer.text)).toEqual({ ok: true })
    expect(server.seen).toMatchObject([
      {
        method: 'POST',
        url: '/prefix/api/x?y=1',
        body: '{"a":"é"}',
        headers: { 'content-length': '10', 'x-team': 'a', 'x-mlflow-workspace': 'w1' },
      },
    ])
    await send.close()
  })

  it('keeps its connection for the next', async () => {
    const ports = new Set<number | undefined>()
    const server = await answering((_, response) => {
      ports.add(response.socket?.remotePort)
      asJson(response, {})
    })
    const send = sender({ url: server.url })
    for (let round = 0; round < 20; round++) await send.text(get)
    expect(ports.size).toBeLessThanOrEqual(2)
    await send.close()
  })

  it('a path that would climb or be read otherwise is refused before anything is sent', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const send = sender({ url: server.url })
    for (const path of ['/a/../b', '/a/%2e%2E/b', '/a\\b', '/a b', '/a\tb', '/a#b', '/é', '/./x'])
      await expect(send.text({ method: 'GET', path }), path).rejects.toBeInstanceOf(UnsafePathError)
    expect(server.seen).toEqual([])
  })

  it('a large file is streamed with its length, and can be sent twice', async () => {
    const sizes: string[] = []
    const server = await answering((seen, response, count) => {
      sizes.push(`${seen.headers['content-length']}=${seen.body.length} ${seen.headers['transfer-encoding']}`)
      asJson(response, {}, count === 1 ? 401 : 200)
    })
    const send = sender({ url: server.url, auth: () => ({}) })
    await send.text({ method: 'PUT', path: '/f', body: new Blob(['x'.repeat(3_000_000)]) })
    expect(sizes).toEqual(Array(2).fill('3000000=3000000 undefined'))
  })
})

describe('an answer', () => {
  it('is unpacked', async () => {
    const server = await answering((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"a":1}'))
    })
    expect((await sender({ url: server.url }).text(get)).text).toBe('{"a":1}')
  })

  it.each<[string, Buffer]>([
    ['deflate', deflateSync('{"a":1}')],
    ['deflate', deflateRawSync('{"a":1}')],
    ['gzip, identity', gzipSync('{"a":1}')],
    ['identity', Buffer.from('{"a":1}')],
  ])('is unpacked from %s, with the header of zlib or without', async (encoding, packed) => {
    const server = await answering((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(packed)
    })
    expect((await sender({ url: server.url }).text(get)).text).toBe('{"a":1}')
  })

  it('larger than the cap is let go, packed or not', async () => {
    const server = await answering((_, response, count) => {
      const body = Buffer.alloc(5_000_000, 0x20)
      if (count === 1) response.writeHead(200).end(body)
      else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body))
    })
    const send = sender({ url: server.url, maxAnswerBytes: 1_000_000 })
    for (let round = 0; round < 2; round++) {
      const error = await rejection(send.text(get))
      expect(error).toBeInstanceOf(ProtocolError)
      expect(error.message).toContain('1000000 bytes')
    }
  })

  it('in an encoding nobody asked for is a ProtocolError', async () => {
    const server = await answering((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip, gzip, gzip' }).end('x')
    })
    expect(await rejection(sender({ url: server.url }).text(get))).toBeInstanceOf(ProtocolError)
  })

  it.each([
    [400, { error_code: 'INVALID_PARAMETER_VALUE', message: 'bad key' }, InvalidParameterError, false],
    [404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no run' }, NotFoundError, false],
    [429, { error_code: 'REQUEST_LIMIT_EXCEEDED', message: 'slow down' }, RateLimitError, true],
    [500, { error_code: 'INTERNAL_ERROR', message: 'oops' }, UnavailableError, true],
    [500, { error_code: 'FEATURE_DISABLED', message: 'no workspaces' }, UnavailableError, false],
    [503, { error_code: 'TEMPORARILY_UNAVAILABLE', message: 'later' }, UnavailableError, true],
  ])('%i %j becomes our class, with its code, message and request id', async (status, body, Kind, retryable) => {
    const server = await answering((_, response) => asJson(response, body, status, { 'x-request-id': 'r-1' }))
    const error = await rejection(sender({ url: server.url }).text({ method: 'GET', path: '/x?token=abc' }))
    expect(error).toBeInstanceOf(Kind)
    expect(error).toMatchObject({
      code: body.error_code,
      message: status < 500 ? body.message : `${body.message} (${server.url}/x answered ${status})`,
      status,
      retryable,
      requestId: 'r-1',
      url: `${server.url}/x`,
    })
  })

  it('whose message is no text shows it as JSON, cut', async () => {
    const message = { en: 'bad key', more: 'x'.repeat(2_000) }
    const server = await answering((_, response) => asJson(response, { error_code: 'BAD_REQUEST', message }, 400))
    const error = await rejection(sender({ url: server.url }).text(get))
    expect(error.message).toMatch(/^\{"en":"bad key","more":"x+…$/)
    expect(error.message.length).toBeLessThan(600)
  })

  it('with a changed parameter is a conflict and final, whatever its status', async () => {
    const message = "Changing param values is not allowed. Param with key='lr' was already logged"
    const server = await answering((_, response) => asJson(response, { error_code: 'INTERNAL_ERROR', message }, 500))
    expect(await rejection(sender({ url: server.url }).text(get))).toMatchObject({
      name: 'ParamConflictError',
      retryable: false,
    })
  })

  it.each([
    [
      302,
      { location: 'https://u:p@login.example/in?next=1' },
      '',
      ProtocolError,
      'a redirect to https://login.example/in.',
    ],
    [
      401,
      { 'www-authenticate': 'Basic' },
      'You are not authenticated',
      UnauthenticatedError,
      'MLFLOW_TRACKING_USERNAME',
    ],
    [
      401,
      { 'content-type': 'text/html; charset=utf-8' },
      'You are not authenticated',
      UnauthenticatedError,
      'with a text: "You are not authenticated": it wants credentials',
    ],
    [
      403,
      { 'content-type': 'text/html; charset=utf-8', server: 'gunicorn' },
      'Permission denied',
      PermissionDeniedError,
      'answered 403 (from gunicorn) with a text: "Permission denied": the user who asks lacks the permission',
    ],
    [
      403,
      { 'content-type': 'text/html' },
      '\n<p>No entry</p><title>Blocked</title>',
      PermissionDeniedError,
      'with an HTML page: "Blocked"',
    ],
    [500, { 'content-type': 'text/html' }, '', UnavailableError, 'answered 500 with nothing'],
    [403, {}, 'Invalid Host header - possible DNS rebinding attack detected', ProtocolError, '--allowed-hosts'],
    [404, { 'content-type': 'text/html' }, '<html><title>404 Not Found</title>', NotFoundError, 'no such endpoint'],
    [
      502,
      { server: 'nginx' },
      '<html><head><title>502 Bad Gateway</title>',
      UnavailableError,
      '(from nginx) with an HTML page: "502 Bad Gateway"',
    ],
    [503, {}, 'Endpoint disabled due to `--no-serve-artifacts`', UnavailableError, 'disabled'],
    [413, {}, '', InvalidParameterError, 'too large'],
    [304, {}, '', ProtocolError, 'a cache or proxy'],
    [307, { location: 'file:///etc/passwd' }, '', ProtocolError, 'redirect'],
    [511, {}, '<html><title>Log in to the network</title>', UnavailableError, 'Log in to the network'],
    [400, {}, '<html><title>The plain HTTP request was sent to HTTPS port</title>', ProtocolError, 'scheme'],
  ])('%i that is not MLflow’s says what answered and what to check', async (status, headers, body, Kind, words) => {
    const server = await answering((_, response) => void response.writeHead(status, headers as never).end(body))
    const error = await rejection(sender({ url: server.url }).text(get))
    expect(error).toBeInstanceOf(Kind)
    expect(error.message).toContain(words)
    expect(error.status).toBe(status)
    expect(error.message).not.toContain('u:p')
  })
})

it.each(['/api/2.0', '/x/api/2.0/mlflow/', '/ajax-api/3.0'])(
  'an address that ends in %s is told to leave it off',
  async (tail) => {
    const server = await answering((_, response) => void response.writeHead(404).end())
    for (const path of ['/api/2.0/mlflow/runs/create', '/api/2.0/mlflow-artifacts/artifacts/a/api/2.0/b']) {
      const ask = (end: string) => rejection(sender({ url: server.url + end }).text({ method: 'GET', path }))
      const off = tail.replace('/x', '').replace(/\/$/, '')
      expect((await ask(tail)).message).toContain(`leave ${off} off the end of the tracking URI`)
      expect((await ask('/x')).message).toContain('older than this call')
    }
  },
)

describe('a failure', () => {
  it('to connect was not sent', async () => {
    const server = await answering(() => undefined)
    await server.close()
    const error = await rejection(sender({ url: server.url }).text(get))
    expect(error).toBeInstanceOf(NetworkError)
    expect(error).toMatchObject({ retryable: true, notSent: true })
    expect(error.message).toContain('Nothing listens')
  })

  it('to find the host was not sent', async () => {
    const error = await rejection(sender({ url: 'http://nowhere.invalid:1' }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', notSent: true })
  })

  it('after the request went out may have been carried out', async () => {
    const server = await answering((_, response) => void response.socket?.destroy())
    const error = await rejection(sender({ url: server.url }).text(get))
    expect(error).toMatchObject({ name: 'NetworkError', retryable: true })
    expect(error.notSent).toBeUndefined()
  })

  it('in the middle of the answer is no answer', async () => {
    const server = await answering((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"a":')
      setTimeout(() => response.socket?.destroy(), 20)
    })
    expect(await rejection(sender({ url: server.url }).text(get))).toBeInstanceOf(NetworkError)
  })

  it('of headers that do not come is a TimeoutError', async () => {
    const server = await answering(() => undefined)
    const error = await rejection(sender({ url: server.url, timeoutMs: 150 }).text(get))
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.notSent).toBeUndefined()
  })

  it('of a body that comes byte by byte ends with the limit on the whole call', async () => {
    const server = await answering((_, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    })
    expect(await rejection(sender({ url: server.url, timeoutMs: 300 }).text(get))).toBeInstanceOf(TimeoutError)
  })

  it('by the caller rejects with the reason of the signal', async () => {
    const server = await answering(() => undefined)
    const send = sender({ url: server.url })
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 30)
    expect(await rejection(send.text({ ...get, signal: controller.signal }))).toBe(reason)
    expect(await rejection(send.text({ ...get, signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(await rejection(send.stream({ ...get, signal: AbortSignal.abort(reason) }))).toBe(reason)
  })

  it('to speak HTTP is not a success', async () => {
    const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const error = await rejection(sender({ url: `http://127.0.0.1:${port}` }).text(get))
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toBe(
      `What answers at http://127.0.0.1:${port}/x does not speak HTTP: check host and port, and whether the address begins with https://`,
    )
    server.close()
  })
})

describe('a kept connection that the server closed as we used it', () => {
  const closing = () =>
    answering((_, response, count) => {
      if (count === 2) response.socket?.destroy()
      else asJson(response, { count })
    })

  it('is replaced unseen for an idempotent request', async () => {
    const server = await closing()
    const send = sender({ url: server.url })
    await send.text(get)
    expect(JSON.parse((await send.text({ ...get, idempotent: true })).text)).toEqual({ count: 3 })
  })

  it('is replaced though others were closed as well, but not for ever', async () => {
    const server = await answering((_, response, count) => {
      if (count === 1 || count === 6) asJson(response, { count })
      else response.socket?.destroy()
    })
    const send = sender({ url: server.url })
    await send.text(get)
    expect(JSON.parse((await send.text({ ...get, idempotent: true })).text)).toEqual({ count: 6 })
    expect(await rejection(send.text({ ...get, idempotent: true }))).toBeInstanceOf(NetworkError)
    expect(server.seen).toHaveLength(11)
  })

  it('is told as what it is for any other', async () => {
    const server = await closing()
    const send = sender({ url: server.url })
    await send.text(get)
    const error = await rejection(send.text({ method: 'POST', path: '/create' }))
    expect(error).toBeInstanceOf(NetworkError)
    expect(error).toMatchObject({ code: 'STALE_CONNECTION', retryable: true })
    expect(server.seen).toHaveLength(2)
  })
})

describe('a download', () => {
  it('comes as a stream; one cut short errors in the reading', async () => {
    const server = await answering((_, response, count) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345')
      if (count === 1) response.end('67890')
      else setTimeout(() => response.socket?.destroy(), 20)
    })
    const send = sender({ url: server.url })
    const whole = await send.stream(get)
    expect(await new Response(whole.body).text()).toBe('1234567890')
    const cut = await send.stream(get)
    expect(await rejection(new Response(cut.body).text())).toBeInstanceOf(NetworkError)
  })

  it('that is not packed as it says is told so', async () => {
    const server = await answering((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'.repeat(100_000))
    })
    const send = sender({ url: server.url })
    const error = await rejection(new Response((await send.stream(get)).body).text())
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toBe(`${server.url}/x answered a body that is not the gzip it claims`)
    await send.close()
  })

  it('that is cancelled lets its connection go', async () => {
    const server = await answering((_, response) => void response.writeHead(200).write('x'.repeat(100_000)))
    const send = sender({ url: server.url })
    const { body } = await send.stream(get)
    await body.cancel()
    await send.close()
  })
})

describe('a dispatcher of the user’s own', () => {
  it('carries the requests in place of ours, and stays open', async () => {
    const agent = new MockAgent()
    agent.disableNetConnect()
    agent
      .get('https://mlflow.example')
      .intercept({ method: 'POST', path: '/api/x', headers: { authorization: 'Bearer t' } })
      .reply(200, { ok: true })
    const send = sender({ url: 'https://mlflow.example', auth: { token: 't' }, dispatcher: agent })
    expect((await send.text({ method: 'POST', path: '/api/x', body: '{}' })).text).toBe('{"ok":true}')
    await send.close()
    agent.assertNoPendingInterceptors()
    await agent.close()
  })
})

describe('an answer that comes before all was sent', () => {
  it('is none: what was to be stored cannot be there', async () => {
    const server = createHttpServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      request.on('error', () => undefined).pause()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const send = sender({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const put = send.text({ method: 'PUT', path: '/x', body: new Blob([new Uint8Array(30_000_000)]) })
    const error = await rejection(put)
    expect(error).toBeInstanceOf(NetworkError)
    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('before all was sent') })
    server.closeAllConnections()
    server.close()
    await send.close()
  })
})

describe('a function for credentials that never answers', () => {
  it('is waited for no longer than the limit of the call, or its signal', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const send = sender({ url: server.url, auth: () => new Promise(() => {}), timeoutMs: 300 })
    const slow = { message: 'The auth function gave no headers within 300 ms', notSent: true, retryable: true }
    const waiting = [send.text(get), send.text({ ...get, timeoutMs: Number.POSITIVE_INFINITY }), send.stream(get)]
    for (const error of await Promise.all(waiting.map(rejection))) {
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error).toMatchObject(slow)
    }
    const leaving = new AbortController()
    const asked = send.text({ ...get, signal: leaving.signal, timeoutMs: 60_000 })
    leaving.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    const limited = new AbortController()
    const slower = send.text({ ...get, signal: limited.signal, timeoutMs: 60_000 })
    const reason = new TimeoutError("The caller's own limit is over")
    limited.abort(reason)
    await expect(slower).rejects.toBe(reason)
    expect(server.seen).toEqual([])
    await send.close()
  })

  it.each([true, false])(
    'holds the process as any call of its sender does, in the background (%s) or not',
    async (background) => {
      const setting = vi.spyOn(globalThis, 'setTimeout')
      const send = sender({
        url: 'http://localhost:1',
        auth: () => new Promise(() => {}),
        timeoutMs: 54_321,
        background,
      })
      const leaving = new AbortController()
      const asked = rejection(send.text({ ...get, signal: leaving.signal }))
      await vi.waitFor(() => expect(setting.mock.calls.filter(([, ms]) => ms === 54_321)).toHaveLength(2))
      const limits = setting.mock.results.filter((_, index) => setting.mock.calls[index]?.[1] === 54_321)
      const holding = limits.map(({ value }) => (value as NodeJS.Timeout).hasRef())
      setting.mockRestore()
      expect(holding).toEqual([!background, !background])
      leaving.abort(new Error('enough'))
      expect((await asked).message).toBe('enough')
      await send.close()
    },
  )
})
