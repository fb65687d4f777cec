import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { type Client, type ClientOptions, createClient, UnsafePathError } from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { isOfThisMachine } from '../../src/wire/uri.js'
import { wire } from '../../src/wire.js'
import { plain } from '../support/plain-flavor.js'
import { tempDir } from '../support/temp-dir.js'

const VARIABLE = 'CAIRN_ALLOW_LOCAL_SOURCES'
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  delete process.env[VARIABLE]
})

/** A server that names a folder of this machine as the place of its runs' files. */
async function naming() {
  const dir = tempDir()
  const folder = tempDir()
  let server: TestServer = await startTestServer({ dir: join(dir, 'server') })
  const { url } = server
  closers.push(() => server.close())
  const connect = (options: ClientOptions = {}): Client => {
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const spoolDir = join(dir, 'spool')
    const client = createClient({
      trackingUri: url,
      spoolDir,
      cacheDir: join(dir, 'cache'),
      flavors: [plain],
      logger,
      ...options,
    })
    closers.push(() => client.close())
    return client
  }
  await connect().createExperiment('theirs', { artifactLocation: pathToFileURL(folder).href })
  const pause = () => server.close()
  const comeBack = async () => {
    server = await startTestServer({ dir: join(dir, 'server'), port: Number(new URL(url).port) })
  }
  return { url, folder, connect, pause, comeBack }
}

const files = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())

describe('a folder of this machine that a server names', () => {
  it('is neither read nor written where the two are said to share no disk', async () => {
    const { folder, connect } = await naming()
    const client = connect({ allowLocalSources: false })
    const run = await client.startRun({ experimentName: 'theirs' })
    const file = join(tempDir(), 'a.txt')
    writeFileSync(file, 'a')
    const acts = [
      run.logText('x', 'authorized_keys'),
      run.logArtifact(file),
      run.logTable([{ a: 1 }], 't.json'),
      run.logModel({ weights: { a: 1 } }, { name: 'model' }),
      client.listArtifacts(run.runId),
      client.downloadArtifacts({ runId: run.runId, path: 'a.txt' }),
      client.loadModel(`runs:/${run.runId}/model`),
    ]
    for (const act of await Promise.allSettled(acts)) {
      expect(act).toMatchObject({ status: 'rejected', reason: expect.any(UnsafePathError) })
      expect(String((act as PromiseRejectedResult).reason)).toContain(VARIABLE)
    }
    expect(files(folder)).toEqual([])
  })

  it('is not written by what waited on disk either, and what waited is set aside', async () => {
    const { folder, connect, pause, comeBack } = await naming()
    const client = connect({ allowLocalSources: false })
    const refused: string[] = []
    client.on('refused', ({ error }) => void refused.push(error.message))
    await pause()
    const run = await client.startRun({ experimentName: 'theirs' })
    await run.logText('x', 'authorized_keys')
    await comeBack()
    await run.end().catch(() => undefined)
    expect(refused.join()).toContain(VARIABLE)
    expect(files(folder)).toEqual([])
  })

  it('is read and written alike where the server is of this machine, or said to share its disk', async () => {
    const { folder, connect } = await naming()
    for (const options of [{}, { allowLocalSources: true }]) {
      const client = connect(options)
      const run = await client.startRun({ experimentName: 'theirs' })
      await run.logText('x', 'a.txt')
      await run.logModel({ weights: { a: 1 } }, { name: 'model' })
      await run.end()
      expect(readFileSync(await client.downloadArtifacts({ runId: run.runId, path: 'a.txt' }), 'utf8')).toBe('x')
      await using model = await client.loadModel(`runs:/${run.runId}/model`)
      expect(model).toBeDefined()
      expect(existsSync(join(folder, run.runId, 'artifacts', 'a.txt'))).toBe(true)
    }
  })

  it('is what the environment says, and the client before it', async () => {
    const { folder, connect } = await naming()
    process.env[VARIABLE] = 'false'
    const run = await connect().startRun({ experimentName: 'theirs' })
    await expect(run.logText('x', 'a.txt')).rejects.toThrow(UnsafePathError)
    expect(files(folder)).toEqual([])
    const allowed = await connect({ allowLocalSources: true }).startRun({ experimentName: 'theirs' })
    await allowed.logText('x', 'a.txt')
    expect(files(folder)).toHaveLength(1)
    process.env[VARIABLE] = 'perhaps'
    expect(() => connect()).toThrow(/CAIRN_ALLOW_LOCAL_SOURCES is "perhaps"/)
  })

  it('is copied by sync under the same rule', async () => {
    const { url, folder, connect } = await naming()
    const run = await connect().startRun({ experimentName: 'theirs' })
    await run.logText('x', 'a.txt')
    await run.end()
    const to = join(tempDir(), 'mlruns')
    const refused = await connect({ allowLocalSources: false }).sync(url, { to })
    expect(refused.failed).toMatchObject([{ error: expect.any(UnsafePathError) }])
    expect((await connect().sync(url, { to })).failed).toEqual([])
    expect(files(folder)).toHaveLength(1)
  })
})

it('a server elsewhere shares no disk unless that is said', () => {
  const at = (options: ClientOptions) => wire({ trackingUri: 'http://mlflow.test:5000', ...options })
  expect(() => at({}).openNamedPlace('file:///home/x/.ssh')).toThrow(UnsafePathError)
  expect(() => at({}).impatient.openNamedPlace('/home/x/.ssh')).toThrow(UnsafePathError)
  expect(() => at({ allowLocalSources: true }).openNamedPlace('file:///home/x')).not.toThrow()
  process.env[VARIABLE] = 'true'
  expect(() => at({}).openNamedPlace('file:///home/x')).not.toThrow()
})

it.each<[string, boolean]>([
  ['/data/mlruns', true],
  ['http://127.0.0.1:5000', true],
  ['http://user:secret@localhost:5000/mlflow', true],
  ['https://[::1]:5000', true],
  ['http://10.0.0.1:5000', false],
  ['http://127.0.0.1.evil.com', false],
  ['http://localhost@evil.com', false],
  ['databricks://localhost', false],
  ['mine://localhost', false],
])('%s is of this machine: %s', (uri, expected) => {
  expect(isOfThisMachine(uri)).toBe(expected)
})
