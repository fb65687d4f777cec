import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { type Client, createClient, InvalidParameterError } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closers.splice(0).reverse()) await close()
})

const INFO = '/api/3.0/mlflow/server-info'
const FEATURES = '/api/3.0/mlflow/server-features'

/** What a server says of itself, by path; all that it does not say there is a 404, and without any it is away. */
type Says = Readonly<Record<string, unknown>>

/** A server that heeds no workspace, whatever it says of itself. */
async function server(first: Says | undefined) {
  let says = first
  const behind = await startTestServer()
  closers.push(() => behind.close())
  const front = await answering(async ({ url, method, body }, response) => {
    if (!says) return void response.socket?.destroy()
    if (url.includes('/api/3.0/')) return says[url] ? asJson(response, says[url]) : void response.writeHead(404).end()
    const got = await fetch(behind.url + url, {
      method,
      ...(body ? { body, headers: { 'content-type': 'application/json' } } : {}),
    })
    response.writeHead(got.status, { 'content-type': got.headers.get('content-type') ?? '' }).end(await got.text())
  })
  const asked = () => front.seen.map(({ url }) => url.replace(/\?.*/, ''))
  const change = (to: Says | undefined) => {
    says = to
  }
  return { url: front.url, seen: front.seen, asked, change }
}

function connect(trackingUri: string, workspace = 'team', spoolDir = join(tempDir(), 'spool')): Client {
  vi.stubEnv('MLFLOW_WORKSPACE', workspace)
  const client = createClient({ trackingUri, spoolDir, retry: { maxRetries: 2 } })
  closers.push(() => client.close())
  return client
}

async function works(client: Client): Promise<void> {
  const run = await client.startRun({ experimentName: 'e' })
  run.logMetric('loss', 1)
  await run.logText('hello', 'a.txt')
  await run.flush()
  await run.end()
  expect((await client.getRun(run.runId)).data.metrics.loss).toBe(1)
}

it.each<[string, Says, string[], RegExp]>([
  [
    'has none',
    { [INFO]: { workspaces_enabled: false } },
    [INFO],
    /"team" cannot be used: workspaces are not enabled at/,
  ],
  ['does not say', { [INFO]: { store_type: 'SqlStore' } }, [INFO], /not enabled/],
  ['says so elsewhere', { [FEATURES]: { workspaces_enabled: false } }, [INFO, FEATURES], /not enabled/],
  ['is older than they are', {}, [INFO, FEATURES], /does not say whether it has workspaces .* MLFLOW_WORKSPACE$/],
])('a server that %s is told nothing that was meant for a workspace', async (_, says, places, message) => {
  const { url, asked } = await server(says)
  const client = connect(url)
  for (const call of [() => client.startRun(), () => client.searchExperiments()]) {
    const before = asked().length
    const error = await rejection(call())
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(error.message).toMatch(message)
    expect(asked().slice(before)).toEqual(places)
  }
  const found = (await client.doctor()).filter(({ status }) => status === 'fail')
  expect(found).toMatchObject([
    { detail: expect.stringMatching(message), fix: expect.stringMatching(/unset MLFLOW_W/) },
  ])
})

it.each([INFO, FEATURES])('a server that says at %s that it has workspaces is asked once', async (place) => {
  const { url, seen, asked } = await server({ [place]: { workspaces_enabled: true } })
  const client = connect(url)
  await works(client)
  expect(asked()[0]).toBe(INFO)
  expect(asked().filter((path) => path === FEATURES)).toHaveLength(place === FEATURES ? 1 : 0)
  expect(seen.every(({ headers }) => headers['x-mlflow-workspace'] === 'team')).toBe(true)
})

it('without a workspace no server is asked for them', async () => {
  const { url, asked } = await server({})
  await connect(url, '').searchExperiments()
  expect(asked()).toEqual(['/api/2.0/mlflow/experiments/search'])
})

it('what was logged while the server was away waits for one that has workspaces', async () => {
  const { url, asked, change } = await server(undefined)
  const client = connect(url)
  const run = await client.startRun({ experimentId: '0' })
  run.logMetric('loss', 1)
  await run.logText('hello', 'a.txt')
  const told = new Promise<void>((resolve) => {
    client.on('retry', ({ error }) => error.message.includes('workspaces are not enabled') && resolve())
  })
  change({ [INFO]: { workspaces_enabled: false } })
  const flushing = run.flush()
  flushing.catch(() => undefined)
  await told
  expect(asked().filter((path) => path !== INFO)).toEqual([])
  expect(run.stats()).toMatchObject({ delivered: 0, refused: 0 })
  change({ [INFO]: { workspaces_enabled: true } })
  await flushing
  await run.end()
  expect(run.stats()).toMatchObject({ queued: 0, refused: 0 })
})

it('what was logged to a workspace goes to that one, whatever is set when it is delivered', async () => {
  const { url, seen, change } = await server(undefined)
  const spoolDir = join(tempDir(), 'spool')
  const logged = connect(url, 'team', spoolDir)
  const run = await logged.startRun({ experimentId: '0' })
  run.logMetric('loss', 1)
  await logged.close()
  change({ [INFO]: { workspaces_enabled: true } })
  const before = seen.length
  const later = connect(url, '', spoolDir)
  expect(await later.deliverSpool({ dryRun: true })).toMatchObject([{ workspace: 'team' }])
  expect(await later.deliverSpool()).toMatchObject([{ complete: true, workspace: 'team' }])
  expect(seen.slice(before).every(({ headers }) => headers['x-mlflow-workspace'] === 'team')).toBe(true)
})
