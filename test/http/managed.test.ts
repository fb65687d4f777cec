import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Client,
  type ClientOptions,
  createClient,
  InvalidParameterError,
  NotFoundError,
  RateLimitError,
  UnauthenticatedError,
} from '../../src/index.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { azureLike, databricksLike } from '../support/managed.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closers.splice(0).reverse()) await close()
})

function connect(options: ClientOptions): Client {
  const client = createClient({ spoolDir: join(tempDir(), 'spool'), ...options })
  closers.push(() => client.close())
  return client
}

/** What is logged arrives once, whatever the service asks for. */
async function logsAll(client: Client, experimentName: string, points: number) {
  const run = await client.startRun({ experimentName, tags: { team: 'growth' } })
  for (let step = 0; step < points; step++) run.logMetric('loss', 1 / (1 + step), step)
  for (let n = 0; n < 150; n++) run.setTag(`note.${n}`, 'x'.repeat(5000))
  run.logParam('lr', 0.1)
  await run.flush({ timeoutMs: 60_000 })
  expect(run.stats()).toMatchObject({ refused: 0, queued: 0 })
  await run.end()
  const history = await client.getMetricHistory(run.runId, 'loss')
  // Batches that are on their way together arrive in any order.
  const steps = history.map(({ step }) => Number(step)).sort((a, b) => a - b)
  expect(steps).toEqual(Array.from({ length: points }, (_, step) => step))
  const { info, data } = await client.getRun(run.runId)
  expect(info).toMatchObject({ status: 'FINISHED', startTime: expect.any(Number), endTime: expect.any(Number) })
  expect(data.params).toEqual({ lr: '0.1' })
  expect(Object.keys(data.tags).filter((key) => key.startsWith('note.'))).toHaveLength(150)
  expect((await client.getExperimentByName(experimentName))?.name).toBe(experimentName)
  expect(await client.searchRuns({ experimentNames: [experimentName], filter: "tags.team = 'growth'" })).toHaveLength(1)
}

describe('Databricks, as far as it is documented', () => {
  it('by the environment: absolute names, quoted whole numbers, its limits and its rate', {
    timeout: 90_000,
  }, async () => {
    const workspace = await databricksLike('dapi-1')
    closers.push(workspace.close)
    vi.stubEnv('DATABRICKS_HOST', `${workspace.url}/?o=42#job`)
    vi.stubEnv('DATABRICKS_TOKEN', 'dapi-1')
    const client = connect({ trackingUri: 'databricks' })
    await logsAll(client, '/Users/me@example.com/exp with ü & spaces', 2500)
    expect(Math.max(...workspace.seen.map(({ body }) => body.length))).toBeLessThan(1_000_000)
    expect(workspace.paths.filter((path) => !/ \/api\/2\.0\/mlflow\/|version|server-info/.test(path))).toEqual([])
    expect(workspace.seen.every(({ headers }) => headers.authorization === 'Bearer dapi-1')).toBe(true)
  })

  it.each([
    ['databricks', {}],
    ['databricks', { DATABRICKS_CONFIG_PROFILE: 'ml' }],
    ['databricks://ml', {}],
    ['databricks://ml:prefix', {}],
    ['databricks://ml', { DATABRICKS_HOST: 'http://127.0.0.1:1', DATABRICKS_TOKEN: 'other' }],
  ])('%s with %j by a section of .databrickscfg', async (trackingUri, env: Record<string, string>) => {
    const workspace = await databricksLike('dapi-2')
    closers.push(workspace.close)
    const file = join(tempDir(), '.databrickscfg')
    const own = `host = ${workspace.url}\ntoken = dapi-2\n`
    const isDefault = trackingUri === 'databricks' && !env.DATABRICKS_CONFIG_PROFILE
    writeFileSync(file, isDefault ? `[DEFAULT]\n${own}` : `[DEFAULT]\nhost = http://127.0.0.1:1\n[ml]\n${own}`)
    for (const [name, value] of Object.entries({ DATABRICKS_CONFIG_FILE: file, ...env })) vi.stubEnv(name, value)
    expect(await connect({ trackingUri }).searchExperiments()).toHaveLength(1)
  })

  it('a token that has run out is UnauthenticatedError, and the new one is found', async () => {
    const workspace = await databricksLike('dapi-3')
    closers.push(workspace.close)
    vi.stubEnv('DATABRICKS_HOST', workspace.url)
    vi.stubEnv('DATABRICKS_TOKEN', 'dapi-3')
    const client = connect({ trackingUri: 'databricks' })
    await client.searchExperiments()
    workspace.change('dapi-4')
    const error = await rejection(client.searchExperiments())
    expect(error).toBeInstanceOf(UnauthenticatedError)
    expect(error).toMatchObject({ status: 403, code: 'UNAUTHENTICATED', requestId: 'dbx-1' })
    expect(error.message).toBe('Invalid access token.: the token is taken no more, set a new one')
    vi.stubEnv('DATABRICKS_TOKEN', 'dapi-4')
    await client.searchExperiments()
  })

  it('a function of the user’s needs a host alone', async () => {
    const workspace = await databricksLike('oauth')
    closers.push(workspace.close)
    vi.stubEnv('DATABRICKS_HOST', workspace.url)
    vi.stubEnv('DATABRICKS_CONFIG_FILE', join(tempDir(), 'none'))
    const auth = async () => ({ authorization: 'Bearer oauth' })
    expect(await connect({ trackingUri: 'databricks', auth }).searchExperiments()).toHaveLength(1)
    expect((await rejection(connect({ trackingUri: 'databricks' }).searchExperiments())).message).toMatch(
      /no Databricks token in DATABRICKS_HOST and DATABRICKS_TOKEN; .* auth function/,
    )
  })

  it('what is missing is named', async () => {
    const file = join(tempDir(), 'none')
    vi.stubEnv('DATABRICKS_CONFIG_FILE', file)
    const client = connect({ trackingUri: 'databricks://eu' })
    for (const ask of [() => client.searchExperiments(), () => client.getExperimentByName('e')]) {
      const error = await rejection(ask())
      expect(error).toBeInstanceOf(NotFoundError)
      expect(error.message).toBe(
        `There is no Databricks host in the profile eu of ${file}: write host and token into it, for a profile takes nothing from DEFAULT`,
      )
    }
  })

  it('no profile is sent with what stands in DEFAULT: neither its token, nor to its host', async () => {
    const server = await answering((_, response) => asJson(response, { experiments: [] }))
    const file = join(tempDir(), '.databrickscfg')
    const named = ['[dev]', `host = ${server.url}`, 'auth_type = databricks-cli', '[bas]', `host = ${server.url}`]
    const nowhere = ['username = ann', 'password = p', '[nowhere]', 'token = t']
    writeFileSync(
      file,
      ['[DEFAULT]', `host = ${server.url}/default`, 'token = dapi-default', ...named, ...nowhere].join('\n'),
    )
    vi.stubEnv('DATABRICKS_CONFIG_FILE', file)
    const asking = (profile: string) => connect({ trackingUri: `databricks://${profile}` }).searchExperiments()
    expect((await rejection(asking('dev'))).message).toContain(`no Databricks token in the profile dev of ${file}`)
    expect((await rejection(asking('nowhere'))).message).toContain(
      `no Databricks host in the profile nowhere of ${file}`,
    )
    expect(server.seen).toEqual([])
    await asking('bas')
    const basic = `Basic ${Buffer.from('ann:p').toString('base64')}`
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(server.seen.map(() => basic))
    expect(server.seen).not.toEqual([])
  })

  it.each([
    'databricks:/prod',
    'databricks://',
    'databricks:',
    'databricks:prod',
    'databricks:///prod',
    ' databricks:// ',
  ])('%s names no profile, and is not taken for the default one', (uri) => {
    for (const option of ['trackingUri', 'registryUri']) {
      const make = () => createClient({ [option]: uri })
      expect(make).toThrow(InvalidParameterError)
      expect(make).toThrow('databricks://<profile>, with two slashes')
    }
  })

  it('its address is told as it may be given, and copies go there', async () => {
    const workspace = await databricksLike('t')
    closers.push(workspace.close)
    vi.stubEnv('DATABRICKS_HOST', workspace.url)
    vi.stubEnv('DATABRICKS_TOKEN', 't')
    const client = connect({ trackingUri: 'Databricks' })
    expect([client.getTrackingUri(), client.getRegistryUri()]).toEqual(['databricks', 'databricks'])
    expect(connect({ trackingUri: 'databricks://eu' }).getTrackingUri()).toBe('databricks://eu')
    const store = connect({ trackingUri: join(tempDir(), 'mlruns') })
    const run = await store.startRun()
    await run.end()
    expect((await client.sync(store.getTrackingUri(), { dryRun: true })).runs).toMatchObject({ added: 1 })
  })

  it('a name that is no path is refused with the words of the service, and 429 tells how long to wait', async () => {
    const workspace = await databricksLike('t')
    closers.push(workspace.close)
    vi.stubEnv('DATABRICKS_HOST', workspace.url)
    vi.stubEnv('DATABRICKS_TOKEN', 't')
    const client = connect({ trackingUri: 'databricks', retry: { maxRetries: 0 } })
    const error = await rejection(client.createExperiment('relative'))
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(error.message).toContain("invalid experiment name 'relative'")
    for (let n = 0; n < 5; n++) await client.searchExperiments()
    const throttled = await rejection(client.searchExperiments())
    expect(throttled).toBeInstanceOf(RateLimitError)
    expect(throttled).toMatchObject({ retryAfterMs: 1000, code: 'REQUEST_LIMIT_EXCEEDED', retryable: true })
  })

  it.each(['databricks-uc', 'databricks-uc://eu', 'uc:http://localhost'])(
    '%s says which registry to take',
    (registryUri) => {
      expect(() => createClient({ trackingUri: 'databricks', registryUri })).toThrow(/MLFLOW_REGISTRY_URI=databricks/)
    },
  )
})

describe('Azure Machine Learning, as far as it is documented', () => {
  it('by its address and a token: its limits are learnt', { timeout: 90_000 }, async () => {
    const workspace = await azureLike('jwt')
    closers.push(workspace.close)
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'jwt')
    vi.stubEnv('MLFLOW_TRACKING_URI', workspace.url)
    const client = connect({})
    await logsAll(client, 'credit-defaults', 3000)
    const sizes = workspace.seen
      .filter(({ url }) => url.endsWith('log-batch'))
      .map(({ body }) => (JSON.parse(body) as { metrics?: unknown[] }).metrics?.length ?? 0)
    // Some are too many until it is known; from then on none is.
    expect(sizes.filter((size) => size > 250).length).toBeLessThan(12)
    expect(sizes.at(-1)).toBeLessThanOrEqual(250)
    const pages = workspace.seen.filter(({ url }) => /max_results=(\d{5}|[2-9]\d{3})/.test(url))
    expect(pages.length).toBeLessThanOrEqual(1)
  })

  it('its errors keep their words, also those of its front door', async () => {
    const workspace = await azureLike('jwt')
    closers.push(workspace.close)
    const client = connect({ trackingUri: workspace.url, auth: { token: 'old' } })
    const error = await rejection(client.searchExperiments())
    expect(error).toBeInstanceOf(UnauthenticatedError)
    expect(error.message).toContain('Bearer token not provided.')
    const known = connect({ trackingUri: workspace.url, auth: { token: 'jwt' } })
    const tooMany = { metrics: Array.from({ length: 300 }, (_, step) => ({ key: 'm', value: 1, step })) }
    const run = await known.startRun()
    expect((await rejection(known.logBatch(run.runId, tooMany))).message).toContain('Limit=250, Size=300')
    await run.end()
  })

  it('azureml: says what to write in its place, unless somebody has plugged it in', () => {
    const uri = 'azureml://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/s/workspaces/w'
    expect(() => createClient({ trackingUri: uri })).toThrow(InvalidParameterError)
    expect(() => createClient({ trackingUri: uri })).toThrow(
      /write https:\/\/westeurope\.api\.azureml\.ms\/mlflow\/v1\.0\/subscriptions\/s\/workspaces\/w and .*MLFLOW_TRACKING_TOKEN/,
    )
    const own = () => Promise.reject(new Error('never opened'))
    expect(() => createClient({ trackingUri: uri, transports: { azureml: own } })).not.toThrow()
  })
})
