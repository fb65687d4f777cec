import { writeFileSync } from 'node:fs'
import { request as ask } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { PermissionDeniedError, ProtocolError, UnauthenticatedError } from '../../src/errors.js'
import { type SenderOptions, sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { bytesOf } from '../contract/artifact-store.js'
import { fresh } from '../contract/registry/facts.js'
import { rejection } from '../support/answering.js'
import { canMakeCertificates, certificates } from '../support/certificates.js'
import { forwardProxy } from '../support/forward-proxy.js'
import { tempDir } from '../support/temp-dir.js'
import { available, type Running, startMlflow } from './servers.js'

/** A run with metrics and a large artifact goes there and comes back. */
async function aRunWorks(options: SenderOptions): Promise<void> {
  const send = sender(options)
  const transport = withRetry(httpTransport({ send }))
  const { experiment_id } = await transport.call('createExperiment', { name: fresh('access') })
  const { run } = await transport.call('createRun', { experiment_id })
  const { run_id, artifact_uri } = run.info
  await transport.call('logBatch', { run_id, metrics: [{ key: 'm', value: 0.5, timestamp: 1, step: 0 }] })
  expect((await transport.call('getRun', { run_id })).run.data.metrics).toMatchObject([{ key: 'm', value: 0.5 }])
  const artifacts = await proxied(send)(artifact_uri as string)
  const bytes = Buffer.alloc(5_000_000, 'abc')
  await artifacts.write('big.bin', new Blob([bytes]))
  expect((await bytesOf(artifacts, 'big.bin')).equals(bytes)).toBe(true)
  await transport.close()
}

describe.skipIf(!available('latest'))('a server with basic authentication', () => {
  let server: Running
  beforeAll(async () => {
    const dir = tempDir()
    const config = join(dir, 'auth.ini')
    const entries = [
      'default_permission = READ',
      `database_uri = sqlite:///${dir}/auth.db`,
      'admin_username = admin',
      'admin_password = a-test-passphrase',
    ]
    const how = 'authorization_function = mlflow.server.auth:authenticate_request_basic_auth'
    writeFileSync(config, ['[mlflow]', ...entries, how, ''].join('\n'))
    const env = { MLFLOW_AUTH_CONFIG_PATH: config, MLFLOW_FLASK_SERVER_SECRET_KEY: 'for tests' }
    server = await startMlflow('latest', { store: 'sqlite', dir, args: ['--app-name', 'basic-auth'], env })
  })
  afterAll(() => server?.stop())

  it('lets us in by option, by address and by function, and tells its store', async () => {
    const auth = { username: 'admin', password: 'a-test-passphrase' }
    await aRunWorks({ url: server.url, auth })
    await aRunWorks({ url: server.url.replace('//', '//admin:a-test-passphrase@') })
    const authorization = `Basic ${Buffer.from('admin:a-test-passphrase').toString('base64')}`
    await aRunWorks({ url: server.url, auth: async () => ({ authorization }) })
    expect(await httpTransport({ send: sender({ url: server.url, auth }) }).appendsBlindly()).toBe(false)
  })

  it('refuses others with an UnauthenticatedError, and what is not allowed with a PermissionDeniedError', async () => {
    const as = (username: string, password: string) =>
      httpTransport({ send: sender({ url: server.url, auth: { username, password } }) })
    for (const transport of [httpTransport({ send: sender({ url: server.url }) }), as('admin', 'wrong')])
      expect(await rejection(transport.call('searchExperiments', {}))).toBeInstanceOf(UnauthenticatedError)
    const admin = sender({ url: server.url, auth: { username: 'admin', password: 'a-test-passphrase' } })
    const body = JSON.stringify({ username: 'reader', password: 'a long password' })
    await admin.text({
      method: 'POST',
      path: '/api/2.0/mlflow/users/create',
      body,
      headers: { 'content-type': 'application/json' },
    })
    const { experiment_id } = await httpTransport({ send: admin }).call('createExperiment', { name: fresh('owned') })
    const reader = as('reader', 'a long password')
    expect((await reader.call('getExperiment', { experiment_id })).experiment.experiment_id).toBe(experiment_id)
    const forbidden = await rejection(reader.call('deleteExperiment', { experiment_id }))
    expect(forbidden).toBeInstanceOf(PermissionDeniedError)
    expect(forbidden.message).toContain('a text: "Permission denied": the user who asks lacks the permission')

    const owner = createClient({ trackingUri: server.url, auth: { username: 'admin', password: 'a-test-passphrase' } })
    const run = await owner.startRun({ experimentId: experiment_id })
    const other = createClient({ trackingUri: server.url, auth: { username: 'reader', password: 'a long password' } })
    for (const runName of [undefined, 'taken'])
      await expect(other.startRun({ runId: run.runId, runName })).rejects.toThrow(PermissionDeniedError)
    const again = await owner.startRun({ runId: run.runId })
    again.logParam('p', 1)
    await again.end()
    await run.end()
    await expect(other.startRun({ runId: run.runId })).rejects.toThrow(PermissionDeniedError)
    expect(await other.getRun(run.runId)).toMatchObject({ info: { status: 'FINISHED' }, data: { params: { p: '1' } } })
    await Promise.all([owner.close(), other.close()])
  })
})

describe.skipIf(!available('latest'))('a server behind', () => {
  let server: Running
  beforeAll(async () => {
    server = await startMlflow('latest', { store: 'sqlite' })
  })
  afterAll(() => server?.stop())

  it.skipIf(!canMakeCertificates)('TLS with its own authority, under a path, with a client certificate', async () => {
    const { ca, cert, key, client } = certificates()
    const target = new URL(server.url)
    const tls = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (incoming, response) => {
      const path = (incoming.url as string).replace(/^\/team\/ml/, '')
      const headers = { ...incoming.headers, host: target.host }
      const outgoing = ask(
        { host: target.hostname, port: target.port, path, method: incoming.method, headers },
        (answer) => {
          response.writeHead(answer.statusCode as number, answer.headers)
          answer.pipe(response)
        },
      )
      incoming.pipe(outgoing)
    })
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
    const { port } = tls.address() as AddressInfo
    await aRunWorks({ url: `https://localhost:${port}/team/ml`, tls: { ca, clientCert: client } })
    tls.close()
    tls.closeAllConnections()
  })

  it('a forward proxy', async () => {
    const proxy = await forwardProxy('pu:pp')
    await aRunWorks({ url: server.url, proxy: { httpProxy: `http://pu:pp@${proxy.at}` } })
    expect(proxy.asked.length).toBeGreaterThan(4)
  })

  it('another name than it knows itself by says which option to give it', async () => {
    const send = sender({ url: server.url.replace('127.0.0.1', 'localhost') })
    await httpTransport({ send }).call('searchExperiments', {})
    const strange = sender({ url: server.url, headers: { host: 'mlflow.example.com' } })
    const error = await rejection(httpTransport({ send: strange }).call('searchExperiments', {}))
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toContain('--allowed-hosts')
  })

  it('no workspaces refuses one, for good', async () => {
    const error = await rejection(
      httpTransport({ send: sender({ url: server.url, workspace: 'team' }) }).call('searchExperiments', {}),
    )
    expect(error).toMatchObject({ code: 'FEATURE_DISABLED', retryable: false })
  })
})

describe.skipIf(!available('latest'))('a server with workspaces', () => {
  let server: Running
  beforeAll(async () => {
    server = await startMlflow('latest', { store: 'sqlite', args: ['--enable-workspaces'] })
  })
  afterAll(() => server?.stop())

  it('keeps each to itself: runs, artifacts and models of one are not seen from another', async () => {
    const plain = sender({ url: server.url })
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ name: 'team-a' })
    await plain.text({ method: 'POST', path: '/api/3.0/mlflow/workspaces', body, headers })
    await aRunWorks({ url: server.url, workspace: 'team-a' })
    const at = (workspace?: string) => httpTransport({ send: sender({ url: server.url, workspace }) })
    await at('team-a').call('createRegisteredModel', { name: 'theirs' })
    const names = async (transport: ReturnType<typeof at>) => [
      (await transport.call('searchExperiments', {})).experiments.map(({ name }) => name.slice(0, 6)),
      (await transport.call('searchRegisteredModels', {})).registered_models.map(({ name }) => name),
    ]
    expect(await names(at('team-a'))).toEqual([['access'], ['theirs']])
    expect(await names(at())).toEqual([['Defaul'], []])
    expect(await rejection(at('nobody').call('searchExperiments', {}))).toMatchObject({ retryable: false })
  })
})
