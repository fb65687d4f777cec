import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { registryChecks } from '../src/doctor/registry.js'
import { serverChecks } from '../src/doctor/server.js'
import type { DoctorDeps } from '../src/doctor.js'
import { TimeoutError } from '../src/errors.js'
import { type HttpRequest, sender } from '../src/http/send.js'
import { type Auth, type Check, createClient } from '../src/index.js'
import { startTestServer } from '../src/testing/index.js'
import { answering, asJson } from './support/answering.js'
import { blackHole, hasBlackHoles } from './support/black-hole.js'
import { canMakeCertificates, certificates } from './support/certificates.js'
import { forwardProxy } from './support/forward-proxy.js'
import { tempDir } from './support/temp-dir.js'

const patient = (trackingUri: string, more = {}) =>
  createClient({
    trackingUri,
    cacheDir: join(tempDir(), 'cache'),
    spoolDir: join(tempDir(), 'spool'),
    retry: { maxRetries: 0 },
    ...more,
  })
const named = (checks: readonly Check[], name: string) => checks.find((check) => check.name === name)

describe('doctor', () => {
  it('finds a local store well, and makes nothing by looking', async () => {
    const root = join(tempDir(), 'mlruns')
    const before = await patient(root).doctor()
    expect(before.map(({ status }) => status)).not.toContain('fail')
    expect(existsSync(root)).toBe(false)
    const client = patient(root)
    await (await client.startRun()).end()
    expect(named(await client.doctor(), 'store')).toMatchObject({ status: 'ok', detail: expect.stringContaining('1 ') })
  })

  it.skipIf(process.platform !== 'linux')(
    'tells of folders that cannot be made, though one may write there',
    async () => {
      const [store, cacheDir, spoolDir] = ['/proc/x/mlruns', '/proc/x', '/proc']
      const checks = await patient(store, { cacheDir, spoolDir }).doctor()
      expect(named(checks, 'store')).toMatchObject({ status: 'fail', detail: `${store} cannot be made` })
      expect(named(checks, 'cache')).toMatchObject({ status: 'fail', detail: `${cacheDir} may not be written` })
      expect(named(checks, 'spool')).toMatchObject({ status: 'fail', detail: expect.stringContaining('/proc may not') })
    },
  )

  it('finds a server well', async () => {
    await using server = await startTestServer()
    const checks = await patient(server.url).doctor()
    expect(checks.map(({ name, status }) => [name, status])).toEqual([
      ['tracking URI', 'ok'],
      ['credentials', 'ok'],
      ['proxy', 'ok'],
      ['reachable', 'ok'],
      ['clock', 'ok'],
      ['host check', 'ok'],
      ['path', 'ok'],
      ['server', 'ok'],
      ['authentication', 'ok'],
      ['artifacts', 'ok'],
      ['cache', 'ok'],
      ['spool', expect.stringMatching(/ok|warn/)],
    ])
    expect(named(checks, 'server')?.detail).toMatch(/^MLflow 3\..* on FileStore$/)
    expect(named(checks, 'artifacts')?.detail).toBe('through the server')
  })

  it('names what is wrong with a server, and the fix, and asks it nothing more', async () => {
    const checks = await patient('http://127.0.0.1:9').doctor()
    expect(named(checks, 'reachable')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('start the server'),
    })
    expect(named(checks, 'artifacts')).toMatchObject({ status: 'skip' })
    expect(named(checks, 'cache')).toMatchObject({ status: 'ok' })
  })

  it('looks at a registry server of its own as well, under its own name and variable', async () => {
    await using server = await startTestServer()
    await using registryServer = await startTestServer({ credentials: { token: 't' } })
    const looks = async (registryUri: string, trackingUri = server.url) =>
      (await patient(trackingUri, { registryUri }).doctor()).filter(({ name }) => name.startsWith('registry'))
    const strange = await looks(registryServer.url)
    expect(strange.map(({ name, status }) => [name, status])).toEqual([
      ['registry credentials', 'ok'],
      ['registry proxy', 'ok'],
      ['registry reachable', 'ok'],
      ['registry clock', 'ok'],
      ['registry host check', 'ok'],
      ['registry path', 'ok'],
      ['registry server', 'ok'],
      ['registry authentication', 'fail'],
    ])
    registryServer.faults.add({ on: 'searchExperiments', status: 403, times: 9 })
    const known = registryServer.url.replace('//', '//ann:secret@')
    expect(JSON.stringify(await looks(known))).not.toContain('secret')
    expect(named(await patient(server.url, { registryUri: known }).doctor(), 'tracking URI')?.status).toBe('warn')
    for (const trackingUri of [server.url, join(tempDir(), 'mlruns')]) {
      const away = await looks('http://127.0.0.1:9', trackingUri)
      expect(named(away, 'registry reachable')).toMatchObject({
        status: 'fail',
        fix: expect.stringContaining('host and port in MLFLOW_REGISTRY_URI'),
      })
      expect(named(away, 'registry authentication')?.detail).toContain('registry reachable')
    }
    const below = named(await looks(`${server.url}/api/2.0`), 'registry path')
    expect(below?.detail).toContain('the path in the registry URI is wrong')
    expect(below?.fix).toContain('off the end of MLFLOW_REGISTRY_URI')
    expect(await looks(server.url)).toEqual([])
    expect(registryServer.faults.left).toBe(9)
  })

  it('ends with its signal, and so do its requests', async () => {
    const reason = new Error('enough')
    const asked = new AbortController()
    let hangUp = () => {}
    const left = new Promise<void>((resolve) => {
      hangUp = resolve
    })
    const server = await answering((_, response) => {
      response.on('close', hangUp)
      asked.abort(reason)
    })
    await expect(patient(server.url).doctor({ signal: asked.signal })).rejects.toBe(reason)
    await left
    await expect(patient(join(tempDir(), 'mlruns')).doctor({ signal: asked.signal })).rejects.toBe(reason)
    await expect(patient(server.url).doctor({ signa: asked.signal } as never)).rejects.toThrow('did you mean signal?')
    expect(server.seen).toHaveLength(1)
  })

  it('looks at a registry in a folder of its own', async () => {
    const file = join(tempDir(), 'file')
    writeFileSync(file, '')
    const look = async (registryUri: string) =>
      named(await patient(join(tempDir(), 'mlruns'), { registryUri }).doctor(), 'registry')
    expect(await look(join(tempDir(), 'models'))).toMatchObject({ status: 'ok' })
    expect(await look(join(file, 'below'))).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('MLFLOW_REGISTRY_URI'),
    })
  })

  it.each(['/api/2.0', '/api/2.0/mlflow/', '/ajax-api/3.0'])(
    'names %s as what the address has too much of',
    async (tail) => {
      await using server = await startTestServer()
      const checks = await patient(`${server.url}${tail}`).doctor()
      expect(named(checks, 'path')).toMatchObject({
        status: 'fail',
        detail: expect.stringContaining('the path in the tracking URI is wrong'),
        fix: expect.stringContaining(`take ${tail.replace(/\/$/, '')} off the end of MLFLOW_TRACKING_URI`),
      })
      expect(named(checks, 'authentication')).toMatchObject({ status: 'skip', detail: expect.stringContaining('path') })
    },
  )

  it('tells missing credentials from a missing server', async () => {
    await using server = await startTestServer({ credentials: { username: 'ada', password: 'secret' } })
    const checks = await patient(server.url).doctor()
    expect(named(checks, 'reachable')).toMatchObject({ status: 'ok' })
    expect(named(checks, 'authentication')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('MLFLOW_TRACKING_USERNAME'),
    })
    const known = await patient(server.url, { auth: { username: 'ada', password: 'secret' } }).doctor()
    expect(JSON.stringify(known)).not.toContain('secret')
    expect(named(known, 'authentication')).toMatchObject({ status: 'ok' })
  })

  it('says what waits in the spool, and what was refused', async () => {
    const spoolDir = tempDir()
    const file = (...path: string[]) => {
      const at = join(spoolDir, 'v1', 'abc', ...path)
      mkdirSync(dirname(at), { recursive: true })
      writeFileSync(at, 'x'.repeat(10))
    }
    const look = async () => named(await patient(join(tempDir(), 'mlruns'), { spoolDir }).doctor(), 'spool')
    file('server.json')
    file('ids')
    expect(await look()).toMatchObject({ status: 'ok', detail: 'nothing waits' })
    file('refused', 'r1.jsonl')
    expect(await look()).toMatchObject({
      status: 'warn',
      detail: `what a server refused lies in ${join(spoolDir, 'v1', 'abc', 'refused')}`,
      fix: expect.stringContaining('read the reasons'),
    })
    file('runs', '1-r', '1.log')
    expect(await look()).toMatchObject({
      status: 'warn',
      detail: expect.stringMatching(/^10 bytes wait in .*; what a server refused/),
      fix: expect.stringMatching(/cairn-ml sync.*read the reasons/),
    })
  })

  it('says that nothing waits once all has arrived, whatever else a server’s folder keeps', async () => {
    await using server = await startTestServer()
    const spoolDir = tempDir()
    const client = patient(server.url, { spoolDir })
    const run = await client.startRun()
    run.logMetric('loss', 1)
    await run.end()
    await client.close()
    const [ours = ''] = readdirSync(join(spoolDir, 'v1'))
    expect(readdirSync(join(spoolDir, 'v1', ours))).toContain('reserve')
    const again = patient(server.url, { spoolDir })
    expect(named(await again.doctor(), 'spool')).toMatchObject({ status: 'ok', detail: 'nothing waits' })
    await again.close()
  })

  it.each([
    ['cache', 'cacheDir', 'CAIRN_CACHE_DIR'],
    ['spool', 'spoolDir', 'CAIRN_SPOOL_DIR'],
  ])('names the variable when the %s cannot be written', async (name, option, variable) => {
    const file = join(tempDir(), 'file')
    writeFileSync(file, '')
    const checks = await patient(join(tempDir(), 'mlruns'), { [option]: join(file, 'below') }).doctor()
    expect(named(checks, name)).toMatchObject({ status: 'fail', fix: expect.stringContaining(variable) })
  })
})

describe('doctor, asked about a server that', () => {
  const page = (response: ServerResponse, status: number, title: string, headers = {}) =>
    void response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(`<html><title>${title}</title>`)
  const experiment = (artifact_location: string) => ({
    experiments: [{ experiment_id: '0', name: 'Default', artifact_location }],
  })
  type React = (url: string, response: ServerResponse) => void
  const well =
    (answer: unknown, more: Readonly<Record<string, React>> = {}): React =>
    (url, response) => {
      const special = Object.entries(more).find(([path]) => url.startsWith(path))
      if (special) special[1](url, response)
      else if (url === '/health') response.end('OK')
      else if (url === '/version') response.end('3.17.0')
      else if (url.endsWith('experiments/search')) asJson(response, answer)
      else if (url.includes('mlflow-artifacts/artifacts')) asJson(response, { files: [] })
      else response.writeHead(404).end()
    }

  it.each<[string, React, string, string, RegExp]>([
    [
      'refuses its host name',
      (_, response) => void response.writeHead(403).end('Invalid Host header - possible DNS rebinding attack detected'),
      'host check',
      'fail',
      /--allowed-hosts/,
    ],
    [
      'sends to a login',
      (_, to) => void to.writeHead(302, { location: '/login' }).end(),
      'path',
      'fail',
      /final address/,
    ],
    ['shows a page', (_, to) => page(to, 200, 'Sign in'), 'path', 'fail', /in a browser/],
    ['says nothing', (_, to) => void to.end(), 'path', 'fail', /in a browser/],
    ['says nothing, as a 204', (_, to) => void to.writeHead(204).end(), 'path', 'fail', /in a browser/],
    ['is asked too often', (_, to) => void to.writeHead(429).end('slow'), 'authentication', 'fail', /wait.*limit/],
    [
      'wants credentials',
      (_, to) => void to.writeHead(401).end('who?'),
      'authentication',
      'fail',
      /MLFLOW_TRACKING_TOKEN/,
    ],
    [
      'forbids',
      (_, to) => asJson(to, { error_code: 'PERMISSION_DENIED', message: 'no' }, 403),
      'authentication',
      'fail',
      /right to read/,
    ],
    ['is served below another path', (_, to) => page(to, 404, 'Not Found'), 'path', 'fail', /--static-prefix/],
    [
      'has no workspaces',
      (_, to) =>
        asJson(to, { error_code: 'FEATURE_DISABLED', message: 'workspaces are not enabled on this server' }, 500),
      'reachable',
      'fail',
      /unset MLFLOW_WORKSPACE/,
    ],
    ['is behind a proxy that cannot reach it', (_, to) => page(to, 502, 'Bad Gateway'), 'reachable', 'fail', /runs/],
    ['breaks off', (_, to) => void to.socket?.destroy(), 'reachable', 'fail', /server runs; .* with https:\/\//],
    [
      'says it is 1.30',
      well(experiment('mlflow-artifacts:/0'), { '/version': (_, to) => void to.end('1.30.1') }),
      'server',
      'warn',
      /update the server/,
    ],
    [
      'has no version',
      well(experiment('mlflow-artifacts:/0'), { '/version': (_, to) => page(to, 404, 'no') }),
      'server',
      'ok',
      /^$/,
    ],
    [
      'lives in another time',
      well(experiment('mlflow-artifacts:/0'), {
        '/health': (_, to) => void to.writeHead(200, { date: 'Wed, 21 Oct 2015 07:28:00 GMT' }).end('OK'),
      }),
      'clock',
      'warn',
      /set the clock/,
    ],
    ['keeps artifacts on this disk', well(experiment('/srv/mlruns/0')), 'artifacts', 'ok', /^$/],
    ['keeps artifacts in a bucket', well(experiment('s3://b/0')), 'artifacts', 'warn', /registerArtifactStore/],
    [
      'serves no artifacts',
      well(experiment('mlflow-artifacts:/0'), {
        '/api/2.0/mlflow-artifacts': (_, to) =>
          void to.writeHead(503).end('Endpoint disabled due to `--no-serve-artifacts`'),
      }),
      'artifacts',
      'fail',
      /start the server with --serve-artifacts/,
    ],
    [
      'does not reach its bucket',
      well(experiment('mlflow-artifacts:/0'), {
        '/api/2.0/mlflow-artifacts': (_, to) =>
          asJson(to, { error_code: 'INTERNAL_ERROR', message: 'NoCredentialsError' }, 500),
      }),
      'artifacts',
      'fail',
      /log of the server.*--artifacts-destination/,
    ],
    ['is well', well(experiment('mlflow-artifacts:/0')), 'artifacts', 'ok', /^$/],
  ])('%s: finds it, with the fix', async (_, react, name, status, fix) => {
    const server = await answering(({ url }, response) => react(url, response))
    const checks = await patient(server.url).doctor()
    expect([named(checks, name)?.status, named(checks, name)?.fix ?? '']).toEqual([status, expect.stringMatching(fix)])
    // One thing is wrong, and one check says so; what depends on it is not looked at.
    const others = checks.filter((check) => check.name !== name && check.status !== 'skip')
    expect(others.map((check) => [check.name, check.status])).toEqual(others.map((check) => [check.name, 'ok']))
    for (const { detail } of checks) expect(detail).not.toBe('')
  })

  it('that keeps artifacts on a disk which is not ours: finds it, with both ways out', async () => {
    const server = await answering(({ url }, response) => well(experiment('/srv/mlruns/0'))(url, response))
    const checks = await patient(server.url, { allowLocalSources: false }).doctor()
    expect(checks.find(({ name }) => name === 'artifacts')).toMatchObject({
      status: 'fail',
      fix: expect.stringMatching(/--serve-artifacts .* CAIRN_ALLOW_LOCAL_SOURCES=true/),
    })
  })

  it.each<[string, (url: string, home: string) => { env?: Record<string, string>; uri?: string; auth?: Auth }, string]>(
    [
      [
        'variables',
        () => ({ env: { MLFLOW_TRACKING_USERNAME: 'ann', MLFLOW_TRACKING_PASSWORD: 'wrong' } }),
        'MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD',
      ],
      [
        'a user alone',
        () => ({ env: { MLFLOW_TRACKING_USERNAME: 'ann' } }),
        'MLFLOW_TRACKING_PASSWORD, without which the user is not sent',
      ],
      [
        'a password alone',
        () => ({ env: { MLFLOW_TRACKING_PASSWORD: 'wrong' } }),
        'MLFLOW_TRACKING_USERNAME, without which the password is not sent',
      ],
      ['a token', () => ({ env: { MLFLOW_TRACKING_TOKEN: 'wrong' } }), 'MLFLOW_TRACKING_TOKEN'],
      [
        "MLflow's file",
        (_, home) => {
          mkdirSync(join(home, '.mlflow'))
          const lines = ['[mlflow]', 'mlflow_tracking_username = ann', 'mlflow_tracking_password = wrong']
          writeFileSync(join(home, '.mlflow', 'credentials'), lines.join('\n'))
          return {}
        },
        'mlflow_tracking_username and mlflow_tracking_password in <home>/.mlflow/credentials',
      ],
      [
        'the address',
        (url) => ({ uri: url.replace('//', '//ann:wrong@') }),
        'the user and password in the address of the server',
      ],
      ['the auth option', () => ({ auth: { token: 'wrong' } }), 'the auth option of the client'],
      ['an auth function', () => ({ auth: () => ({ authorization: 'wrong' }) }), 'what the auth function gives'],
      [
        "Databricks' variables",
        (url) => ({ uri: 'databricks', env: { DATABRICKS_HOST: url, DATABRICKS_TOKEN: 'wrong' } }),
        'DATABRICKS_HOST and DATABRICKS_TOKEN',
      ],
      [
        'a profile of Databricks',
        (url, home) => {
          writeFileSync(join(home, 'cfg'), `[ml]\nhost = ${url}\ntoken = wrong\n`)
          return { uri: 'databricks://ml', env: { DATABRICKS_CONFIG_FILE: join(home, 'cfg') } }
        },
        'the profile ml of <home>/cfg',
      ],
    ],
  )(
    'that does not take the credentials of %s: finds it, and the fix names that place alone',
    async (_, given, words) => {
      const home = tempDir()
      vi.stubEnv('HOME', home)
      let status = 401
      const json = { error_code: '401', message: 'Credential was not sent.' }
      const server = await answering((__, to) => void asJson(to, json, status))
      const { env = {}, uri = server.url, auth } = given(server.url, home)
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
      const place = words.replace('<home>', home)
      const look = async () => named(await patient(uri, { auth }).doctor(), 'authentication')
      expect(await look()).toEqual({
        ...{ name: 'authentication', status: 'fail' },
        detail: `Credential was not sent. (check ${place})`,
        fix: `correct ${place}`,
      })
      status = 403
      expect((await look())?.fix).toMatch(/^ask whoever runs the server .*, or give credentials that have it: /)
      expect((await look())?.fix).toContain(place)
      vi.unstubAllEnvs()
    },
  )

  it('warns of half a pair of credentials, whether the server wants any or not', async () => {
    await using server = await startTestServer()
    vi.stubEnv('HOME', tempDir())
    vi.stubEnv('MLFLOW_TRACKING_USERNAME', 'ann')
    expect(named(await patient(server.url).doctor(), 'credentials')).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('lacks MLFLOW_TRACKING_PASSWORD'),
    })
    vi.unstubAllEnvs()
  })

  it('whose store is slower than the check-up is patient: warns, as a call would wait on', async () => {
    const url = 'http://localhost:1'
    const text = async ({ path, timeoutMs }: HttpRequest) => {
      throw new TimeoutError(`${url}${path.split('?')[0]} did not answer within ${timeoutMs} ms`, { url })
    }
    const send = async () => ({ ...sender({ url, timeoutMs: 60_000 }), text })
    const looks = [...serverChecks({} as DoctorDeps, send), ...registryChecks({} as DoctorDeps, send)]
    const found = (name: string) => looks.find((one) => one.name === name)?.look()
    for (const name of ['authentication', 'registry authentication'])
      expect(await found(name)).toMatchObject({
        status: 'warn',
        detail: 'a search took longer than 10 s; calls wait up to 60 s',
        fix: expect.stringContaining('its store does not'),
      })
    expect(await found('artifacts')).toMatchObject({
      status: 'skip',
      detail: expect.stringContaining('a search took longer than 10 s'),
    })
  })

  it('hangs: is given up where a call would be, and its store is named for a search alone', async () => {
    const hang = () => undefined
    const server = await answering(({ url }, response) =>
      well({}, { '/version': hang, '/api/2.0/mlflow/experiments': hang })(url, response),
    )
    const checks = await patient(server.url, { timeoutMs: 2000 }).doctor()
    expect(named(checks, 'authentication')).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(/search did not answer within 2000 ms$/),
      fix: expect.stringContaining('its store does not'),
    })
    const { detail, fix } = named(checks, 'server') ?? {}
    expect(detail).toMatch(/version did not answer within 2000 ms$/)
    expect(fix).toMatch(/^look at the log of the server, and what stands before it/)
  })

  it('whose auth function fails: names that', async () => {
    await using server = await startTestServer()
    const auth = () => Promise.reject(new Error('no token'))
    const checks = await patient(server.url, { auth }).doctor()
    expect(checks.find(({ status }) => status === 'fail')?.fix).toBe('correct the auth function of the client')
  })

  it('names the address without the path, where MLflow 2 serves its API whatever its prefix', async () => {
    const at = well(experiment('mlflow-artifacts:/0'))
    const server = await answering(({ url }, response) =>
      url.startsWith('/x/') ? page(response, 404, 'Not Found') : at(url, response),
    )
    const checks = await patient(`${server.url}/x`).doctor()
    expect(named(checks, 'path')).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining(`no MLflow at ${server.url}/x; there is one at ${server.url}`),
      fix: expect.stringContaining(`set MLFLOW_TRACKING_URI to ${server.url}: MLflow 2`),
    })
    expect(named(await patient(server.url).doctor(), 'path')?.status).toBe('ok')
  })

  it.each([
    [0, /^the server has the same time$/],
    [1_000, /^the server has the same time$/],
    [-1_000, /^the server has the same time$/],
    [10_000, /^10 s ahead of the server$/],
    [-10_000, /^10 s behind the server$/],
  ])('a clock %i ms ahead of the server is told in the seconds that servers have', async (ahead, detail) => {
    const now = Math.floor(Date.now() / 1000) * 1000
    const server = await answering(({ url }, response) => {
      response.setHeader('date', new Date(now - ahead).toUTCString())
      well(experiment('mlflow-artifacts:/0'))(url, response)
    })
    vi.spyOn(Date, 'now').mockReturnValue(now)
    const check = named(await patient(server.url).doctor(), 'clock')
    vi.restoreAllMocks()
    expect(check).toMatchObject({ status: 'ok', detail: expect.stringMatching(detail) })
  })

  it('is too old for what is asked of it: says so, and blames no path', async () => {
    const lacks = { '/api': (_: string, to: ServerResponse) => void to.writeHead(404).end() }
    const old = well({}, { ...lacks, '/version': (_, to) => void to.end('1.20.0') })
    const server = await answering(({ url }, response) => old(url, response))
    const checks = await patient(server.url).doctor()
    expect(named(checks, 'path')?.status).toBe('ok')
    expect(named(checks, 'server')?.fix).toContain('update the server')
    expect(named(checks, 'authentication')?.detail).toContain('The server has no searchExperiments')
  })

  it('is behind a proxy that is not there: names the proxy, and not the server', async () => {
    vi.stubEnv('http_proxy', 'http://u:secret@127.0.0.1:9')
    vi.stubEnv('no_proxy', '')
    const checks = await patient('http://mlflow.example.test:5000').doctor()
    vi.unstubAllEnvs()
    expect(named(checks, 'reachable')).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(/^The proxy 127\.0\.0\.1:9 on the way to http:\/\/mlflow\.example\.test:5000/),
      fix: expect.stringContaining('HTTPS_PROXY or HTTP_PROXY'),
    })
    expect(JSON.stringify(checks)).not.toContain('secret')
  })

  it.each([
    [200, 'path', 'it came by the proxy <host>', /HTTP_PROXY.*NO_PROXY.*MLFLOW_TRACKING_URI/],
    [403, 'authentication', 'by the proxy <host>', /^ask whoever .*HTTP_PROXY.*NO_PROXY.*MLFLOW_TRACKING_URI/],
    [429, 'authentication', 'by the proxy <host>', /^wait a while.*HTTP_PROXY.*NO_PROXY.*MLFLOW_TRACKING_URI/],
    [502, 'reachable', 'by the proxy <host>', /HTTP_PROXY.*NO_PROXY.*MLFLOW_TRACKING_URI/],
    [407, 'reachable', 'The proxy on the way', /the user and password in HTTPS_PROXY or HTTP_PROXY/],
    [401, 'authentication', 'by the proxy <host>', /^set MLFLOW_TRACKING_USERNAME/],
  ])('is behind a proxy that answers %i in its place: names the proxy', async (status, name, detail, fix) => {
    const portal = await answering((_, to) => page(to, status, 'Sign in'))
    vi.stubEnv('http_proxy', `http://u:secret@127.0.0.1:${portal.port}`)
    vi.stubEnv('no_proxy', '')
    const checks = await patient('http://mlflow.example.test:5000').doctor()
    vi.unstubAllEnvs()
    expect(named(checks, name)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining(detail.replace('<host>', `127.0.0.1:${portal.port}`)),
      fix: expect.stringMatching(fix),
    })
    expect(JSON.stringify(checks)).not.toContain('secret')
  })

  it('is given without what it is to be spoken to with: says so, and not of a proxy', async () => {
    vi.stubEnv('MLFLOW_TRACKING_SERVER_CERT_PATH', join(tempDir(), 'none.pem'))
    const lacking = await patient('https://mlflow.example.test').doctor()
    vi.unstubAllEnvs()
    expect(named(lacking, 'credentials')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('MLFLOW_TRACKING_SERVER_CERT_PATH'),
    })
    expect(named(lacking, 'proxy')?.status).toBe('skip')
    const why = 'not looked at before this is well: credentials'
    for (const name of ['reachable', 'clock', 'artifacts'])
      expect(named(lacking, name)).toMatchObject({ status: 'skip', detail: why })
  })

  it('does not exist, is hidden, is spoken to wrongly: names what to correct', async () => {
    const server = await answering(() => undefined)
    const secure = server.url.replace('http:', 'https:')
    for (const [uri, fix] of [
      ['http://nowhere.invalid:1', /host name|network/],
      [secure, /http:\/\//],
    ] as const)
      expect(named(await patient(uri).doctor(), 'reachable')).toMatchObject({
        status: 'fail',
        fix: expect.stringMatching(fix),
      })
  })

  it.each([
    [70, /there is no TLS version or cipher in common/, /^let the server.* speak TLS 1\.2/],
    [40, /wants a certificate of ours .*or there is no TLS version/, /CLIENT_CERT_PATH.*; else .* TLS 1\.2/],
    [80, /check host and port/, /./],
  ])('has no TLS for us, by its alert %i: says so, and nothing of plain HTTP', async (alert, detail, fix) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, alert])))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const found = named(await patient(`https://127.0.0.1:${port}`).doctor(), 'reachable')
    server.close()
    expect(found).toMatchObject({ detail: expect.stringMatching(detail), fix: expect.stringMatching(fix) })
    expect(JSON.stringify(found)).not.toContain('http://')
  })

  it.skipIf(!hasBlackHoles)('drops what comes: a firewall, perhaps', async () => {
    const { url, close } = await blackHole()
    const checks = await patient(url, { timeoutMs: 600 }).doctor()
    expect(named(checks, 'reachable')).toMatchObject({ status: 'fail', fix: expect.stringContaining('firewall') })
    await close()
  })

  it.skipIf(!canMakeCertificates)('shows a certificate of its own authority: names the variable', async () => {
    const { cert, key } = certificates()
    const server = createServer({ cert, key }, (_, response) => response.end('OK'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const checks = await patient(`https://127.0.0.1:${(server.address() as AddressInfo).port}`).doctor()
    expect(named(checks, 'reachable')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('MLFLOW_TRACKING_SERVER_CERT_PATH'),
    })
    server.close()
  })

  it('is behind a proxy: says which, without its password; a socks one is named with the way out', async () => {
    await using server = await startTestServer()
    const { at } = await forwardProxy('pu:hunter2')
    vi.stubEnv('HTTP_PROXY', `http://pu:hunter2@${at}`)
    const checks = await patient(server.url).doctor()
    expect(named(checks, 'proxy')?.detail).toContain(at)
    expect(named(checks, 'authentication')).toMatchObject({ status: 'ok' })
    expect(JSON.stringify(checks)).not.toContain('hunter2')
    vi.stubEnv('NO_PROXY', '127.0.0.1')
    expect(named(await patient(server.url).doctor(), 'proxy')?.detail).toContain('without one')
    vi.stubEnv('NO_PROXY', '')
    vi.stubEnv('HTTP_PROXY', 'socks5://u:hunter2@127.0.0.1:1080')
    const socks = await patient(server.url).doctor()
    expect(named(socks, 'proxy')).toMatchObject({ status: 'fail', fix: expect.stringContaining('NO_PROXY') })
    expect(socks.filter(({ status }) => status === 'skip')).toHaveLength(7)
    expect(JSON.stringify(socks)).not.toContain('hunter2')
    vi.unstubAllEnvs()
  })

  it('is given with its password in the address: warns, and does not show it', async () => {
    await using server = await startTestServer({ credentials: { username: 'ann', password: 'hunter2' } })
    const checks = await patient(server.url.replace('//', '//ann:hunter2@')).doctor()
    expect(named(checks, 'tracking URI')).toMatchObject({ status: 'warn', fix: expect.stringContaining('credentials') })
    expect(named(checks, 'authentication')).toMatchObject({ status: 'ok' })
    expect(JSON.stringify(checks)).not.toContain('hunter2')
  })
})
