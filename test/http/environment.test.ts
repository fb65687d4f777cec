import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ClientOptions, createClient, InvalidParameterError, TimeoutError } from '../../src/index.js'
import { readSettings } from '../../src/settings.js'
import { startTestServer } from '../../src/testing/index.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { canMakeCertificates, certificates } from '../support/certificates.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closers.splice(0)) await close()
})

function connect(env: Record<string, string>, options: ClientOptions = {}) {
  vi.stubEnv('HOME', tempDir())
  // What this machine itself may say.
  for (const name of ['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']) vi.stubEnv(name, '')
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const client = createClient({ spoolDir: join(tempDir(), 'spool'), ...options })
  closers.push(() => client.close())
  return client
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

describe('variables of MLflow mean what they mean to Python', () => {
  it.each([
    ['a user and password', { MLFLOW_TRACKING_USERNAME: 'a', MLFLOW_TRACKING_PASSWORD: 'b' }, '', basic('a:b')],
    ['a token', { MLFLOW_TRACKING_TOKEN: 't' }, '', 'Bearer t'],
    [
      'user and password before a token',
      { MLFLOW_TRACKING_USERNAME: 'a', MLFLOW_TRACKING_PASSWORD: 'b', MLFLOW_TRACKING_TOKEN: 't' },
      '',
      basic('a:b'),
    ],
    ['a blank token is none', { MLFLOW_TRACKING_TOKEN: ' ' }, '', undefined],
    ['a user alone is none', { MLFLOW_TRACKING_USERNAME: 'a', MLFLOW_TRACKING_TOKEN: 't' }, '', 'Bearer t'],
    ['the address before all', { MLFLOW_TRACKING_TOKEN: 't' }, 'u:p@', basic('u:p')],
    ['nothing', {}, '', undefined],
  ])('who asks: %s', async (_, env, prefix, expected) => {
    const server = await answering((__, response) => asJson(response, {}))
    const client = connect({ ...env, MLFLOW_TRACKING_URI: server.url.replace('//', `//${prefix}`) })
    await client.searchExperiments()
    expect(server.seen[0]?.headers.authorization).toBe(expected)
  })

  it('a token that no header can carry is told by the name of its variable', async () => {
    const client = connect({ MLFLOW_TRACKING_TOKEN: 'a\nb', MLFLOW_TRACKING_URI: 'http://localhost:1' })
    const error = await rejection(client.searchExperiments())
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(error.message).toBe('MLFLOW_TRACKING_TOKEN holds a character that no header can carry (U+000A at 2)')
  })

  it.each(['', '/', '///'])('an address may end in slashes (%j): the page of a run stands behind one', async (end) => {
    const server = await startTestServer()
    closers.push(() => server.close())
    const run = await connect({ MLFLOW_TRACKING_URI: server.url + end }).startRun()
    expect(run.url).toBe(`${server.url}/#/experiments/${run.experimentId}/runs/${run.runId}`)
    await run.end()
  })

  it('a workspace goes along as a header', async () => {
    const server = await answering((_, response) => asJson(response, { workspaces_enabled: true }))
    const client = connect({ MLFLOW_TRACKING_URI: server.url, MLFLOW_WORKSPACE: 'team-a' })
    await client.searchExperiments()
    expect(server.seen.map(({ headers }) => headers['x-mlflow-workspace'])).toEqual(['team-a', 'team-a'])
  })

  it('a time limit is in seconds', async () => {
    const server = await answering(() => undefined)
    const env = { MLFLOW_HTTP_REQUEST_TIMEOUT: '0.2', MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0' }
    const client = connect({ ...env, MLFLOW_TRACKING_URI: server.url })
    const error = await rejection(client.searchExperiments())
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toContain('within 200 ms')
    expect(server.seen).toHaveLength(1)
  })

  it('a time limit may be a fraction of a millisecond more', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const client = connect({ MLFLOW_TRACKING_URI: server.url, MLFLOW_HTTP_REQUEST_TIMEOUT: '9.0005' })
    expect(await client.searchExperiments()).toEqual([])
  })

  it('retries are counted after the first try', async () => {
    const server = await answering((_, response) => void response.writeHead(503).end())
    const env = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: '2', MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0' }
    const client = connect({ ...env, MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: '0', MLFLOW_TRACKING_URI: server.url })
    await rejection(client.searchExperiments())
    expect(server.seen).toHaveLength(3)
  })

  it('a pool has as many connections as it may', async () => {
    const sockets = new Set<number | undefined>()
    const server = await answering((_, response) => {
      sockets.add(response.socket?.remotePort)
      setTimeout(() => asJson(response, {}), 20)
    })
    const client = connect({ MLFLOW_TRACKING_URI: server.url, MLFLOW_HTTP_POOL_MAXSIZE: '2' })
    await Promise.all(Array.from({ length: 12 }, () => client.searchExperiments()))
    expect(sockets.size).toBe(2)
  })

  it.each([
    ['MLFLOW_TRACKING_AUTH', 'my-plugin'],
    ['MLFLOW_TRACKING_AWS_SIGV4', 'true'],
  ])('%s is a way that only Python has, and says so unless the client is given one', async (name, value) => {
    const server = await answering((_, response) => asJson(response, {}))
    const client = connect({ MLFLOW_TRACKING_URI: server.url, [name]: value })
    const error = await rejection(client.searchExperiments())
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(error.message).toMatch(new RegExp(`^${name} asks .* give the client an auth function`))
    expect(server.seen).toEqual([])
    await connect({}, { trackingUri: server.url, auth: () => ({ authorization: 'signed' }) }).searchExperiments()
    expect(server.seen[0]?.headers.authorization).toBe('signed')
  })

  it.skipIf(!canMakeCertificates)('certificates to trust, also where Python’s requests looks for them', async () => {
    const { ca, cert, key } = certificates()
    const server = createServer({ cert, key }, (_, response) => response.end('{}'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => server.close())
    const uri = { MLFLOW_TRACKING_URI: `https://127.0.0.1:${(server.address() as AddressInfo).port}` }
    const file = join(tempDir(), 'ca.pem')
    writeFileSync(file, ca)
    // A folder of them, as systems keep one, counts as well.
    writeFileSync(join(dirname(file), 'README'), 'no certificate')
    for (const name of ['MLFLOW_TRACKING_SERVER_CERT_PATH', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'])
      for (const place of [file, dirname(file)]) {
        const client = connect({ ...uri, [name]: place })
        expect(await client.searchExperiments(), name).toEqual([])
        vi.unstubAllEnvs()
      }
    const empty = connect({ ...uri, MLFLOW_TRACKING_SERVER_CERT_PATH: tempDir() })
    expect((await rejection(empty.searchExperiments())).message).toContain('a folder without a certificate')
    vi.unstubAllEnvs()
    await connect({ ...uri, MLFLOW_TRACKING_INSECURE_TLS: 'true', REQUESTS_CA_BUNDLE: '/nowhere' }).searchExperiments()
    vi.unstubAllEnvs()
    const lost = connect({ ...uri, MLFLOW_TRACKING_SERVER_CERT_PATH: '/nowhere/ca.pem' })
    expect((await rejection(lost.searchExperiments())).message).toMatch(
      /^MLFLOW_TRACKING_SERVER_CERT_PATH names \/nowhere\/ca\.pem/,
    )
  })

  it.skipIf(!canMakeCertificates)('files of certificates that cannot be used are named, and read again', async () => {
    const ours = certificates()
    const dir = tempDir()
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
    const [certificate = '', key = ''] = ours.client.split(/(?=-----BEGIN (?:EC )?PRIVATE KEY)/)
    const [other = ''] = certificates().client.split(/(?=-----BEGIN (?:EC )?PRIVATE KEY)/)
    writeFileSync(join(dir, 'key'), key)
    writeFileSync(join(dir, 'ca'), ours.ca)
    openssl('pkey', '-in', 'key', '-aes256', '-passout', 'pass:x', '-out', 'locked')
    openssl('ec', '-in', 'key', '-aes256', '-passout', 'pass:x', '-out', 'locked-of-old')
    openssl('x509', '-in', 'ca', '-outform', 'DER', '-out', 'der')
    const read = (name: string) => readFileSync(join(dir, name))
    const server = createServer(
      { cert: ours.cert, key: ours.key, ca: ours.ca, requestCert: true, rejectUnauthorized: true },
      (_, response) => response.end('{}'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => server.close())
    const uri = { MLFLOW_TRACKING_URI: `https://127.0.0.1:${(server.address() as AddressInfo).port}` }
    const file = join(dir, 'file.pem')
    const CLIENT = 'MLFLOW_TRACKING_CLIENT_CERT_PATH'
    const SERVER = 'MLFLOW_TRACKING_SERVER_CERT_PATH'
    const cases: [string, string | Buffer, RegExp][] = [
      [CLIENT, '', /without a certificate in PEM.* a certificate and its key.*openssl x509 -inform DER/],
      [CLIENT, read('der'), /without a certificate in PEM/],
      [CLIENT, key, /without a certificate in PEM/],
      [CLIENT, certificate, /cannot be read .*a certificate and its key/],
      [CLIENT, certificate + read('locked'), /key has a passphrase; openssl pkey -in/],
      [CLIENT, certificate + read('locked-of-old'), /key has a passphrase/],
      [CLIENT, other + key, /certificate and key do not belong together/],
      [SERVER, '', /without a certificate in PEM/],
      [SERVER, read('der'), /without a certificate in PEM.*openssl x509 -inform DER/],
    ]
    for (const [variable, content, says] of cases) {
      writeFileSync(file, content)
      const client = connect({ ...uri, [CLIENT]: '', [SERVER]: join(dir, 'ca'), [variable]: file })
      const error = await rejection(client.searchExperiments())
      expect(error, String(says)).toMatchObject({ name: 'InvalidParameterError', retryable: false })
      expect(error.message.startsWith(`${variable} names ${file}, `), error.message).toBe(true)
      expect(error.message).toMatch(says)
      await client.close()
      vi.unstubAllEnvs()
    }
    writeFileSync(file, certificate)
    const client = connect({ ...uri, [SERVER]: join(dir, 'ca'), [CLIENT]: file })
    await rejection(client.searchExperiments())
    writeFileSync(file, ours.client)
    expect(await client.searchExperiments()).toEqual([])
  })

  it.each([
    ['MLFLOW_HTTP_REQUEST_TIMEOUT', '15s'],
    ['MLFLOW_HTTP_REQUEST_TIMEOUT', '0'],
    ['MLFLOW_HTTP_REQUEST_MAX_RETRIES', '11'],
    ['MLFLOW_HTTP_REQUEST_MAX_RETRIES', '1.5'],
    ['MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR', '121'],
    ['MLFLOW_HTTP_REQUEST_BACKOFF_JITTER', '-1'],
    ['MLFLOW_HTTP_POOL_MAXSIZE', '0'],
    ['MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER', 'yes'],
    ['MLFLOW_TRACKING_INSECURE_TLS', 'on'],
    ['CAIRN_END_TIMEOUT', '0'],
  ])('%s=%s makes no sense and is named', (name, value) => {
    expect(() => readSettings({ [name]: value })).toThrow(new RegExp(`^${name} is ${JSON.stringify(value)}`))
  })

  it('a choice may be in any case', () => {
    expect(readSettings({ CAIRN_LOG_LEVEL: 'WARN' }).logLevel).toBe('warn')
    expect(readSettings({ CAIRN_OFFLINE: 'Never' }).offline).toBe('never')
    expect(() => readSettings({ CAIRN_LOG_LEVEL: 'Verbose' })).toThrow(/^CAIRN_LOG_LEVEL is "Verbose"; .*trace, debug/)
  })

  it.each(['MLFLOW_HTTP_REQUEST_TIMEOUT', 'CAIRN_END_TIMEOUT'])('%s is refused with its unit', (name) => {
    expect(() => readSettings({ [name]: '10s' })).toThrow(/it must be a plain number of seconds, /)
  })

  it('a certificate to trust and the wish to trust any contradict each other', () => {
    const env = { MLFLOW_TRACKING_INSECURE_TLS: 'true', MLFLOW_TRACKING_SERVER_CERT_PATH: '/x' }
    expect(() => readSettings(env)).toThrow(/contradict each other/)
  })
})
