import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { InvalidParameterError, NetworkError } from '../../src/errors.js'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { answering, asJson as asAnswer, rejection } from '../support/answering.js'
import { tempDir } from '../support/temp-dir.js'

const servers: RunningServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function started(options: ServerOptions = {}) {
  const store = join(tempDir(), 'mlruns')
  const server = await startServer({ trackingUri: store, ...options })
  servers.push(server)
  return { store, server }
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  readonly text: string
}

/** A request exactly as given: no client tidies up the path or adds a header. */
function ask(
  { host, port }: Pick<RunningServer, 'host' | 'port'>,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: host === '0.0.0.0' ? '127.0.0.1' : host, port, method, path, headers },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const bytes = Buffer.concat(chunks)
          resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text: bytes.toString() })
        })
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

const asJson = (value: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
const experiments = '/api/2.0/mlflow/experiments/search'

async function runIn(server: RunningServer) {
  const client = createClient({ trackingUri: server.trackingUri })
  const run = await client.startRun({ runName: 'served' })
  await run.logText('0123456789', 'digits.txt')
  await run.logText('flavors: {}\n', 'net/MLmodel')
  run.logMetric('loss', 0.5, 1)
  await run.end()
  return { client, runId: run.runId }
}

describe('a server over a local store', () => {
  it('keeps places on this machine to itself: clients see mlflow-artifacts, the disk has files', async () => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    const { info } = await client.getRun(runId)
    expect(info.artifactUri).toBe(`mlflow-artifacts:/0/${runId}/artifacts`)
    expect(readFileSync(join(store, '0', runId, 'artifacts', 'digits.txt'), 'utf8')).toBe('0123456789')
    expect(readFileSync(join(store, '0', runId, 'meta.yaml'), 'utf8')).toContain('artifact_uri: file:///')
    const version = await client.registerModel(`runs:/${runId}/net`, 'm')
    expect(version.source).not.toContain('file:')
    await client.close()
    await using here = createClient({ trackingUri: store })
    expect((await here.listArtifacts(runId)).map(({ path }) => path)).toEqual(['digits.txt', 'net'])
  })

  it('refuses places of its machine that a client names', async () => {
    const { server } = await started()
    for (const artifact_location of [
      'file:///etc',
      '/etc',
      'mlflow-artifacts:/../../etc',
      'mlflow-artifacts:/models/x',
    ])
      expect(
        (
          await ask(
            server,
            'POST',
            '/api/2.0/mlflow/experiments/create',
            asJson({ name: artifact_location, artifact_location }),
          )
        ).status,
      ).toBe(400)
    await ask(server, 'POST', '/api/2.0/mlflow/registered-models/create', asJson({ name: 'm' }))
    for (const source of ['file:///etc', '/etc/passwd', 'mlflow-artifacts:/0/x/../../y'])
      expect(
        (await ask(server, 'POST', '/api/2.0/mlflow/model-versions/create', asJson({ name: 'm', source }))).status,
      ).toBe(400)
  })

  it('gives artifacts with their length, by ranges, as attachments that are never a page', async () => {
    const { server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    for (const path of [
      `/get-artifact?run_id=${runId}&path=digits.txt`,
      `/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/digits.txt`,
    ]) {
      const whole = await ask(server, 'GET', path)
      expect(whole.text).toBe('0123456789')
      expect(whole.headers).toMatchObject({
        'content-length': '10',
        'accept-ranges': 'bytes',
        'content-type': 'application/octet-stream',
        'content-disposition': "attachment; filename*=UTF-8''digits.txt",
        'x-content-type-options': 'nosniff',
        'content-security-policy': "sandbox; default-src 'none'",
      })
      const part = (range: string) => ask(server, 'GET', path, { headers: { range } })
      expect(await part('bytes=2-4')).toMatchObject({
        status: 206,
        text: '234',
        headers: { 'content-range': 'bytes 2-4/10' },
      })
      expect(await part('bytes=-3')).toMatchObject({ status: 206, text: '789' })
      expect(await part('bytes=8-')).toMatchObject({ status: 206, text: '89' })
      expect(await part('bytes=10-')).toMatchObject({ status: 416, headers: { 'content-range': 'bytes */10' } })
      expect(await part('bytes=0-1,3-4')).toMatchObject({ status: 200, text: '0123456789' })
      expect(await ask(server, 'HEAD', path)).toMatchObject({
        status: 200,
        text: '',
        headers: { 'content-length': '10' },
      })
    }
  })

  it('streams large files both ways, byte for byte', async () => {
    const { server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    const bytes = Buffer.alloc(9_000_001, 'cairn!')
    const path = `/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/large.bin`
    for (const headers of [{ 'content-length': String(bytes.length) }, { 'transfer-encoding': 'chunked' }]) {
      expect((await ask(server, 'PUT', path, { headers, body: bytes })).status).toBe(200)
      expect((await ask(server, 'GET', path)).bytes.equals(bytes)).toBe(true)
    }
  })

  it('keeps nothing of an upload that breaks off', async () => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    const path = `/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/half.bin`
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write(`PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Length: 5000000\r\n\r\n`)
        socket.write(Buffer.alloc(100_000), () => setTimeout(() => socket.destroy(), 50))
      })
      socket.on('close', () => resolve())
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(existsSync(join(store, '0', runId, 'artifacts', 'half.bin'))).toBe(false)
  })

  it.each([
    '0/meta.yaml',
    '0/RUN/meta.yaml',
    '0/RUN/metrics/loss',
    '0/RUN/artifacts/../meta.yaml',
    '0/RUN/artifacts/..%2fmeta.yaml',
    '0/RUN/artifacts/%2e%2e/meta.yaml',
    '0/RUN/artifacts/leak/meta.yaml',
    'models/m/artifacts/x',
    '.trash/RUN/artifacts/x',
    '0/tags/artifacts/x',
  ])('reaches nothing but artifact folders: %s', async (path) => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    symlinkSync(join(store, '0', runId), join(store, '0', runId, 'artifacts', 'leak'))
    const before = readFileSync(join(store, '0', runId, 'meta.yaml'), 'utf8')
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const url = `/api/2.0/mlflow-artifacts/artifacts/${path.replace('RUN', runId)}`
      expect([400, 404], method).toContain((await ask(server, method, url, { body: 'evil' })).status)
    }
    expect(readFileSync(join(store, '0', runId, 'meta.yaml'), 'utf8')).toBe(before)
  })

  it('makes no run by an upload', async () => {
    const { store, server } = await started()
    const path = '/api/2.0/mlflow-artifacts/artifacts/0/planted/artifacts/meta.yaml'
    expect((await ask(server, 'PUT', path, { body: 'x' })).status).toBe(404)
    expect(existsSync(join(store, '0', 'planted'))).toBe(false)
  })

  it('follows no file of a run out of its folder', async () => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    const secret = join(tempDir(), 'secret')
    mkdirSync(secret)
    writeFileSync(join(secret, 'key'), 'secret')
    symlinkSync(secret, join(store, '0', runId, 'artifacts', 'out'))
    for (const path of ['../meta.yaml', '/etc/passwd', 'out/key', '..%2fmeta.yaml', 'a\\..\\b'])
      expect([400, 404], path).toContain(
        (await ask(server, 'GET', `/get-artifact?run_id=${runId}&path=${encodeURIComponent(path)}`)).status,
      )
  })
})

describe('what the page asks', () => {
  const curvesOf = async (server: RunningServer, curves: object[]) =>
    JSON.parse((await ask(server, 'POST', '/cairn/curves', asJson({ curves }))).text).curves

  it('a curve that is broken leaves the others to be drawn', async () => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    writeFileSync(join(store, '0', runId, 'metrics', 'bad'), 'no line of a metric\n')
    const [good, bad] = await curvesOf(server, [
      { run_id: runId, key: 'loss' },
      { run_id: runId, key: 'bad' },
    ])
    expect(good).toMatchObject({ total: 1, value: [0.5] })
    expect(bad).toMatchObject({ total: 0, error: expect.stringContaining('bad') })
  })

  it('a stretch of a curve as fine as there is room for, by step or by time', async () => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    const lines = Array.from({ length: 5_000 }, (_, step) => `${100_000 + step} ${step % 7}.0 ${step}\n`).join('')
    writeFileSync(join(store, '0', runId, 'metrics', 'long'), lines)
    const asked = { run_id: runId, key: 'long' }
    const steps = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
    const [whole, byStep, byTime, none] = await curvesOf(server, [
      asked,
      { ...asked, within: { by: 'step', from: 1_000.5, to: 1_100 } },
      { ...asked, since: 4_000, within: { by: 'time', from: 102_000, to: 102_003 } },
      { ...asked, within: { by: 'step', from: 9_000, to: 9_001 } },
    ])
    expect(whole.step.length).toBeLessThan(3_000)
    expect(byStep).toMatchObject({ total: 5_000, from: 0, step: steps(1_000, 1_101) })
    expect(byTime).toMatchObject({ total: 5_000, from: 0, step: steps(1_999, 2_004) })
    expect(none.step).toEqual([4_999])
    const odd = asJson({ curves: [{ ...asked, within: { by: 'value', from: 0, to: 1 } }] })
    expect((await ask(server, 'POST', '/cairn/curves', odd)).status).toBe(400)
  })

  it('what is new of a curve, all of it when the file was written anew', async () => {
    const { store, server } = await started()
    const { client, runId } = await runIn(server)
    await client.close()
    const file = join(store, '0', runId, 'metrics', 'grows')
    const lines = (count: number, value: number) =>
      Array.from({ length: count }, (_, step) => `${1000 + step} ${value} ${step}\n`).join('')
    const told = (since: number) => curvesOf(server, [{ run_id: runId, key: 'grows', since }])
    writeFileSync(file, lines(3, 1))
    expect((await told(0))[0]).toMatchObject({ total: 3, from: 0, step: [0, 1, 2] })
    writeFileSync(file, lines(5, 1))
    await expect.poll(() => told(3)).toMatchObject([{ total: 5, from: 3, step: [3, 4] }])
    writeFileSync(file, lines(2, 7))
    await expect.poll(() => told(5)).toMatchObject([{ total: 2, from: 0, value: [7, 7] }])
    writeFileSync(file, lines(4, 8))
    await expect.poll(() => told(0)).toMatchObject([{ total: 4, from: 0, value: [8, 8, 8, 8] }])
  })
})

describe('who is answered', () => {
  it('on loopback, only who calls the server by its own names', async () => {
    const { server } = await started({ allowedHosts: ['runs.example.com', 'proxy:8443'] })
    const status = async (host: string) =>
      (
        await ask(server, 'POST', experiments, {
          ...asJson({ max_results: 1 }),
          headers: { host, 'content-type': 'application/json' },
        })
      ).status
    const { port } = server
    for (const host of [
      `127.0.0.1:${port}`,
      `LOCALHOST:${port}`,
      `[::1]:${port}`,
      'runs.example.com',
      `runs.example.com:${port}`,
      'proxy:8443',
    ])
      expect(await status(host), host).toBe(200)
    for (const host of [
      'evil.com',
      `10.evil.com:${port}`,
      `127.0.0.1:${port}.evil.com`,
      `localhost.evil.com:${port}`,
      '0.0.0.0',
      'localhost',
      'x.runs.example.com',
      'proxy',
    ])
      expect([400, 403], host).toContain(await status(host))
  })

  it('gives a page elsewhere nothing: no CORS, no change from another origin, no request but a visit', async () => {
    const { server } = await started()
    const plain = await ask(server, 'POST', experiments, asJson({ max_results: 1 }))
    expect(Object.keys(plain.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    expect(
      (
        await ask(server, 'OPTIONS', experiments, {
          headers: { origin: 'http://evil.com', 'access-control-request-method': 'POST' },
        })
      ).status,
    ).toBe(403)
    for (const headers of [
      { origin: 'http://evil.com' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${server.port}.evil.com` },
      { 'sec-fetch-site': 'cross-site' },
    ] as Record<string, string>[])
      expect(
        (
          await ask(server, 'POST', experiments, {
            headers: { 'content-type': 'application/json', ...headers },
            body: '{}',
          })
        ).status,
      ).toBe(403)
    expect(
      (
        await ask(server, 'GET', '/cairn/about', {
          headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
        })
      ).status,
    ).toBe(403)
    expect(
      (await ask(server, 'GET', '/', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } }))
        .status,
    ).toBe(200)
  })

  it('takes no change that does not say it is JSON', async () => {
    const { server } = await started()
    const body = '{"name":"m"}'
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      for (const path of ['/api/2.0/mlflow/registered-models/create', '/cairn/rollback'])
        expect((await ask(server, 'POST', path, { headers: { 'content-type': type }, body })).status).toBe(400)
  })

  it('beyond loopback, only who has the token: by the address once, as a cookie from then on, or as a bearer', async () => {
    const { server } = await started({ host: '0.0.0.0' })
    const { token = '' } = server
    expect(token.length).toBeGreaterThan(20)
    expect(server.url).toContain(`?token=${token}`)
    for (const path of [
      '/',
      '/page.js',
      '/cairn/about',
      '/get-artifact?run_id=x&path=y',
      '/api/3.0/mlflow/server-info',
    ])
      expect((await ask(server, 'GET', path)).status, path).toBe(401)
    expect((await ask(server, 'POST', experiments, asJson({}))).status).toBe(401)
    expect((await ask(server, 'GET', '/health')).text).toBe('OK')
    expect((await ask(server, 'GET', '/?token=wrong-token-wrong-token')).status).toBe(401)
    const entry = await ask(server, 'GET', `/?token=${token}`)
    expect(entry).toMatchObject({ status: 303, headers: { location: '/' } })
    const [cookie = ''] = entry.headers['set-cookie'] ?? []
    expect(cookie).toMatch(/HttpOnly.*SameSite/)
    expect((await ask(server, 'GET', `//evil.com/?token=${token}`)).headers.location).toBe('/evil.com/')
    expect((await ask(server, 'GET', '/cairn/about', { headers: { cookie: cookie.split(';')[0] ?? '' } })).status).toBe(
      200,
    )
    await using client = createClient({ trackingUri: `http://127.0.0.1:${server.port}`, auth: { token } })
    expect(await client.searchExperiments()).toMatchObject([{ name: 'Default' }])
  })

  it('says what is wrong with options', async () => {
    for (const options of [{ allowedHosts: ['*.example.com'] }, { allowedHosts: ['http://x'] }, { token: 'short' }])
      expect(await rejection(startServer({ trackingUri: tempDir(), ...options }))).toBeInstanceOf(InvalidParameterError)
    const { server } = await started()
    expect(await rejection(startServer({ trackingUri: tempDir(), port: server.port }))).toBeInstanceOf(NetworkError)
  })
})

describe('limits', () => {
  it('a head, a body and a slow sender are bounded', async () => {
    const { server } = await started({ limits: { json: 1000, artifact: 2000, patienceMs: 100 }, headMs: 200 })
    expect((await ask(server, 'GET', `/cairn/about?${'x'.repeat(40_000)}`)).status).toBe(431)
    expect((await ask(server, 'POST', experiments, asJson({ filter: 'x'.repeat(2000) }))).status).toBe(413)
    const chunked = {
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
      body: JSON.stringify({ filter: 'x'.repeat(2000) }),
    }
    expect((await ask(server, 'POST', experiments, chunked)).status).toBe(413)
    const { client, runId } = await runIn(server)
    await client.close()
    const file = `/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/x`
    expect((await ask(server, 'PUT', file, { body: Buffer.alloc(3000) })).status).toBe(413)
    const slow = (text: string) =>
      new Promise<string>((resolve) => {
        let said = ''
        const socket = connect(server.port, '127.0.0.1', () => socket.write(text))
        socket.on('data', (chunk) => {
          said += chunk
          socket.destroy()
        })
        socket.on('close', () => resolve(said))
        socket.on('error', () => undefined)
      })
    const head = `POST ${experiments} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n`
    expect(await slow(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`)).toContain(' 408 ')
    expect(await slow(head)).toContain(' 408 ')
  })

  it('connections past the limit are closed, and the others answered', async () => {
    const { server } = await started({ maxConnections: 20 })
    const sockets = Array.from({ length: 60 }, () => connect(server.port, '127.0.0.1').on('error', () => undefined))
    await expect
      .poll(() => sockets.filter((socket) => socket.destroyed || socket.closed).length)
      .toBeGreaterThanOrEqual(40)
    for (const socket of sockets) socket.destroy()
    await expect
      .poll(() =>
        ask(server, 'GET', '/health').then(
          ({ text }) => text,
          () => '',
        ),
      )
      .toBe('OK')
  })

  it('a filter made to be slow is answered', async () => {
    const { server } = await started()
    const { client } = await runIn(server)
    await client.close()
    const filter = `tags.mlflow.runName LIKE '${'%a'.repeat(2000)}%'`
    expect(
      (await ask(server, 'POST', '/api/2.0/mlflow/runs/search', asJson({ experiment_ids: ['0'], filter }))).status,
    ).toBe(200)
  })
})

describe('a server in front of another one', () => {
  it('passes on runs, artifacts and models', async () => {
    await using remote = await startTestServer()
    const { server } = await started({ trackingUri: remote.url })
    const { client, runId } = await runIn(server)
    expect((await client.getRun(runId)).data.metrics).toEqual({ loss: 0.5 })
    await client.close()
    expect((await ask(server, 'GET', `/get-artifact?run_id=${runId}&path=digits.txt`)).text).toBe('0123456789')
    const { text } = await ask(server, 'POST', '/cairn/curves', asJson({ curves: [{ run_id: runId, key: 'loss' }] }))
    expect(JSON.parse(text).curves[0]).toMatchObject({ total: 1, step: [1], value: [0.5] })
  })

  it('reads nothing of its own disk because the other one calls it by that name', async () => {
    const dir = tempDir()
    writeFileSync(join(dir, 'key'), 'secret')
    const run = { info: { run_id: 'r', experiment_id: '0', artifact_uri: `file://${dir}` }, data: {} }
    const remote = await answering((_, response) => asAnswer(response, { run }))
    const { server } = await started({ trackingUri: remote.url })
    const { status, text } = await ask(server, 'GET', '/get-artifact?run_id=r&path=key')
    expect(status).toBe(400)
    expect(text).not.toContain('secret')
  })
})

describe('a server with models in another place', () => {
  it('asks each of the two for its own', async () => {
    const models = join(tempDir(), 'registry')
    const { store, server } = await started({ registryUri: models })
    await using client = createClient({ trackingUri: server.trackingUri })
    await client.createRegisteredModel('apart')
    await using there = createClient({ trackingUri: models })
    expect(await there.searchRegisteredModels()).toMatchObject([{ name: 'apart' }])
    await using here = createClient({ trackingUri: store })
    expect(await here.searchRegisteredModels()).toEqual([])
  })
})

describe('cairn-ml server', () => {
  it('prints its address, answers, and ends with 0 when it is told to stop', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') }
    const args = [
      '--import',
      import.meta.resolve('tsx'),
      join(root, 'src/cli/main.ts'),
      'server',
      join(tempDir(), 'mlruns'),
      '--port',
      '0',
    ]
    const child = spawn(process.execPath, args, { env })
    const url = await new Promise<string>((resolve) =>
      child.stdout.once('data', (chunk) => resolve(String(chunk).trim())),
    )
    expect(await (await fetch(`${url}health`)).text()).toBe('OK')
    child.kill('SIGTERM')
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
  })
})

it.each([
  ['allowedHost', { allowedHost: ['runs.example.com'] }, 'did you mean allowedHosts?'],
  ['limits.jsn', { limits: { jsn: 1 } }, 'did you mean limits.json?'],
])('does not start with %s, which is no option', async (name, options, meant) => {
  const starting = startServer({ trackingUri: tempDir(), ...options } as ServerOptions)
  await expect(starting).rejects.toThrow(InvalidParameterError)
  await expect(starting).rejects.toThrow(`There is no option ${name}: ${meant}`)
})
