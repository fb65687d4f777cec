import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileArtifacts } from '../../src/artifacts/file.js'
import { serverApp } from '../../src/server/app.js'
import { fileTransport } from '../../src/transport/file/file.js'
import { protocol } from '../../src/transport/protocol.js'
import { tempDir } from '../support/temp-dir.js'

interface More {
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string
}

function made(options: { token?: string } = {}) {
  const dir = tempDir()
  const app = serverApp({
    transport: fileTransport({ root: join(dir, 'mlruns'), artifactRoot: 'mlflow-artifacts:/' }),
    artifacts: fileArtifacts(join(dir, 'artifacts')),
    hosts: () => ['localhost:5000', '127.0.0.1:5000'],
    storeType: 'FileStore',
    version: '3.17.0',
    ...options,
  })
  const ask = async (method: string, url: string, more: More = {}) => {
    const headers = new Headers()
    for (const [name, value] of Object.entries({
      host: 'localhost:5000',
      'content-type': 'application/json',
      ...more.headers,
    }))
      if (value !== undefined) headers.set(name, value)
    const body = method === 'GET' ? {} : { body: more.body ?? '' }
    const request = new Request(`http://localhost:5000${url}`, { method, headers, ...body })
    const reply = await app.fetch(request, { incoming: { url } })
    return { status: reply.status, headers: Object.fromEntries(reply.headers), text: await reply.text() }
  }
  return { dir, ask }
}

describe('who is answered', () => {
  it.each([
    'evil.com',
    '10.evil.com:5000',
    '192.168.evil.com',
    'localhost:5000.evil.com',
    '127.0.0.1:5000.evil.com',
    'localhost.evil.com',
    '[::ffff:7f00:1]',
    '0.0.0.0',
    'localhost',
    'localhost:5001',
    '',
    undefined,
  ])('not Host: %s', async (host) => {
    const { ask } = made()
    expect((await ask('GET', '/api/2.0/mlflow/experiments/get?experiment_id=0', { headers: { host } })).status).toBe(
      403,
    )
  })

  it('no page of another origin that would change something', async () => {
    const { ask } = made()
    const body = '{"name":"x"}'
    for (const headers of [{ origin: 'http://evil.com' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }])
      expect((await ask('POST', '/api/2.0/mlflow/experiments/create', { headers, body })).status).toBe(403)
    const plain = { 'content-type': 'text/plain' }
    expect((await ask('POST', '/api/2.0/mlflow/experiments/create', { headers: plain, body })).status).toBe(400)
    const own = { origin: 'http://localhost:5000' }
    expect((await ask('POST', '/api/2.0/mlflow/experiments/create', { headers: own, body })).status).toBe(200)
  })
})

describe('what is answered', () => {
  it('health, version and the kind of store', async () => {
    const { ask } = made()
    expect((await ask('GET', '/health')).text).toBe('OK')
    expect((await ask('GET', '/version')).text).toBe('3.17.0')
    expect(JSON.parse((await ask('GET', '/api/3.0/mlflow/server-info')).text)).toMatchObject({
      store_type: 'FileStore',
    })
  })

  it('every operation of the table, at its path, and no other method or path', async () => {
    const { ask } = made()
    for (const [operation, { method, path }] of Object.entries(protocol)) {
      const url = path.replace(/\{\w+\}/g, 'm-1')
      const { status, text } = await ask(method, url, { body: method === 'GET' ? '' : '{}' })
      expect([200, 400, 404], operation).toContain(status)
      if (status !== 200) expect(JSON.parse(text), operation).toHaveProperty('error_code')
    }
    expect((await ask('PUT', '/api/2.0/mlflow/runs/create')).status).toBe(405)
    for (const url of ['/', '/api/2.0/mlflow/nope', '/api/2.0/mlflow/runs/create/', '/x/api/2.0/mlflow/runs/create'])
      expect((await ask('POST', url, { body: '{}' })).status, url).toBe(404)
  })

  it('input that breaks the schema is named in MLflow’s way', async () => {
    const { ask } = made()
    const message = async (body: string) =>
      JSON.parse((await ask('POST', '/api/2.0/mlflow/runs/log-metric', { body })).text).message
    expect(await message('{"run_id":"r","value":1}')).toContain("Missing value for required parameter 'key'")
    expect(await message('{"run_id":"r","key":"k","value":"much"}')).toContain(
      `Invalid value "much" for parameter 'value'`,
    )
    expect(await message('[1]')).toContain('not a JSON object')
    expect(await message('{')).toContain('not JSON')
  })

  it('failures that are not ours say nothing of their inside', async () => {
    const app = serverApp({
      transport: { call: () => Promise.reject(new Error('secret path')), close: async () => undefined },
      hosts: () => ['h'],
      storeType: 'FileStore',
      version: '1',
    })
    const url = '/api/2.0/mlflow/runs/get?run_id=r'
    const reply = await app.fetch(new Request(`http://h${url}`, { headers: { host: 'h' } }), { incoming: { url } })
    expect(reply.status).toBe(500)
    expect(await reply.text()).not.toContain('secret')
  })
})

describe('artifacts', () => {
  const base = '/api/2.0/mlflow-artifacts/artifacts'

  it('are never a page of the server’s', async () => {
    const { ask } = made()
    await ask('PUT', `${base}/x.html`, { body: '<script>' })
    const { headers, text } = await ask('GET', `${base}/x.html`)
    expect(text).toBe('<script>')
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': "attachment; filename*=UTF-8''x.html",
    })
  })

  it.each([
    '..%2f..%2fsecret',
    '..%252f..%252fsecret',
    '%2E%2E%2Fsecret',
    'a/../../secret',
    '.%2e/secret',
    '..;/secret',
    '..%5csecret',
    '%2fetc%2fpasswd',
    'a%00b',
    'a%23b',
    'C:%5cx',
    '%2%0952e%2%0952e/secret',
  ])('outside the root are neither read, written, listed nor removed: %s', async (path) => {
    const { dir, ask } = made()
    writeFileSync(join(dir, 'secret'), 'secret')
    mkdirSync(join(dir, 'artifacts'))
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { status, text } = await ask(method, `${base}/${path}`, { body: 'x' })
      expect(status).toBe(400)
      expect(text).not.toContain('secret"')
    }
    expect((await ask('GET', `${base}?path=${path}`)).status).toBe(400)
    expect(existsSync(join(dir, 'secret'))).toBe(true)
    expect(readdirSync(join(dir, 'artifacts'))).toEqual([])
  })
})
