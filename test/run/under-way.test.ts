import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Client, createClient, InvalidParameterError, type Run } from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { child } from '../support/child.js'
import { leftIn } from '../support/left.js'
import { linearModule } from '../support/linear-models.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const line = () => {}
const logger = { debug: line, info: line, warn: line, error: line }

function connect(trackingUri: string, spoolDir = join(tempDir(), 'spool')): Client {
  const client = createClient({ trackingUri, spoolDir, logger })
  closers.push(() => client.close())
  return client
}

async function serve(options: Parameters<typeof startTestServer>[0] = {}): Promise<TestServer> {
  const server = await startTestServer(options)
  closers.push(() => server.close())
  return server
}

/** Begins one of each, and waits for none; of the table's rows those from one on. */
const beginAll = (run: Run, from = 0): Promise<unknown>[] => [
  run.logText('a text', 'notes/text.txt'),
  run.logJson({ a: 1 }, 'a.json'),
  run.logImage({ data: new Uint8Array(12), width: 2, height: 2, channels: 3 }, { key: 'picture', step: 1 }),
  ...Array.from({ length: 20 - from }, (_, row) => run.logTable([{ row: from + row }], 'table.json')),
  run.logInput({ name: 'iris', source: 'file:iris.csv' }, { context: 'training' }),
  run.logModel(linearModule(), { name: 'net', flavor: 'node', registeredModelName: 'churn' }),
]

/** Nothing of what was begun may be missing, and all of it was there before the run had ended. */
async function expectAll(client: Client, runId: string): Promise<void> {
  const { info, data, inputs } = await client.getRun(runId)
  expect(info.status).toBe('FINISHED')
  expect(data.tags['mlflow.loggedImages']).toBe('True')
  expect(JSON.parse(data.tags['mlflow.loggedArtifacts'] ?? '')).toEqual([{ path: 'table.json', type: 'table' }])
  expect(inputs?.datasetInputs).toHaveLength(1)
  const dir = tempDir()
  const table = await client.downloadArtifacts({ runId, path: 'table.json' }, { dstPath: dir }).then(async (at) => {
    const { readFile } = await import('node:fs/promises')
    return JSON.parse(await readFile(at, 'utf8')) as { data: number[][] }
  })
  expect(table.data).toEqual(Array.from({ length: 20 }, (_, row) => [row]))
  const paths = (await client.listArtifacts(runId)).map(({ path }) => path)
  expect(paths).toEqual(expect.arrayContaining(['a.json', 'images', 'notes', 'table.json']))
  const models = await client.searchLoggedModels({ experimentIds: [info.experimentId] })
  expect(models.map(({ name, status, sourceRunId }) => [name, status, sourceRunId])).toEqual([['net', 'READY', runId]])
  expect(await client.getLatestVersions('churn')).toMatchObject([{ version: '1', runId }])
}

describe('what was begun and not waited for before the end of a run', () => {
  it('is there when the end has come, on the local store', async () => {
    const client = connect(join(tempDir(), 'mlruns'))
    const run = await client.startRun()
    const begun = beginAll(run)
    await run.end()
    await expectAll(client, run.runId)
    await Promise.all(begun)
  })

  it('is there when the end has come, on a server', async () => {
    const client = connect((await serve()).url)
    const run = await client.startRun()
    const begun = beginAll(run)
    await run.end()
    await expectAll(client, run.runId)
    await Promise.all(begun)
  })

  it('waits on disk when the server is away, and is sent with all else', async () => {
    const first = await startTestServer()
    await first.close()
    const spoolDir = join(tempDir(), 'spool')
    const client = connect(first.url, spoolDir)
    const run = await client.startRun()
    const begun = beginAll(run)
    await run.end()
    await Promise.all(begun)
    await client.close()
    const server = await serve({ port: Number(new URL(first.url).port) })
    const next = connect(server.url, spoolDir)
    await next.deliverSpool()
    expect(leftIn(spoolDir)).toEqual([])
    const [found] = await next.searchRuns()
    await expectAll(next, found?.info.runId ?? '')
  })

  it('waits on disk when the server goes away in the middle, and is sent with all else', async () => {
    const dir = join(tempDir(), 'server')
    const first = await startTestServer({ dir })
    const spoolDir = join(tempDir(), 'spool')
    const client = connect(first.url, spoolDir)
    const run = await client.startRun()
    // What a table holds that was begun before has to be known, to be added to.
    await run.logTable([{ row: 0 }], 'table.json')
    const begun = beginAll(run, 1)
    await first.close()
    await run.end()
    await Promise.all(begun)
    await client.close()
    const server = await serve({ dir, port: Number(new URL(first.url).port) })
    const next = connect(server.url, spoolDir)
    await next.deliverSpool()
    expect(leftIn(spoolDir)).toEqual([])
    await expectAll(next, run.runId)
  })

  it('goes to disk when its server is too slow for the end, and from there to the server', async () => {
    const server = await serve()
    const spoolDir = join(tempDir(), 'spool')
    const client = connect(server.url, spoolDir)
    const run = await client.startRun()
    await run.flush()
    server.faults.add({ on: 'artifacts', times: 100, delayMs: 120_000 })
    const texts = Array.from({ length: 30 }, (_, n) => `slow-${n}.txt`)
    const begun = [
      ...texts.map((file) => run.logText('slow', file)),
      run.logModel(linearModule(), { name: 'net', flavor: 'node', registeredModelName: 'churn' }),
    ]
    await run.end()
    await Promise.all(begun)
    await client.close()
    server.faults.clear()
    const next = connect(server.url, spoolDir)
    await next.deliverSpool()
    expect(leftIn(spoolDir)).toEqual([])
    expect((await next.getRun(run.runId)).info.status).toBe('FINISHED')
    const paths = (await next.listArtifacts(run.runId)).map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(texts))
    expect(await next.getLatestVersions('churn')).toMatchObject([{ version: '1', runId: run.runId }])
  }, 60_000)

  it('goes on its way where the disk has no room for it either', async () => {
    process.env.CAIRN_SPOOL_MAX_BYTES = '10000'
    const server = await serve()
    const client = connect(server.url)
    delete process.env.CAIRN_SPOOL_MAX_BYTES
    const run = await client.startRun()
    await run.flush()
    server.faults.add({ on: 'artifacts', delayMs: 14_000 })
    const begun = run.logText('x'.repeat(20_000), 'slow.txt')
    await run.end()
    expect((await client.getRun(run.runId)).info.status).toBe('FINISHED')
    expect(await client.listArtifacts(run.runId)).toEqual([])
    await begun
    expect(await client.listArtifacts(run.runId)).toMatchObject([{ path: 'slow.txt', fileSize: 20_000 }])
  }, 60_000)

  it('holds the end no longer than its time, which says what has not come through', async () => {
    const { stdout, stderr, code } = await child(
      `import { createClient } from 'CAIRN'
       const never = async () => new Promise(() => {})
       const client = createClient({
         trackingUri: 'mlruns',
         artifactStores: { file: () => ({ list: never, read: never, write: never, remove: never }) },
       })
       const run = await client.startRun()
       for (let n = 0; n < 3; n++) void run.logText('x', n + '.txt')
       void run.logTable([{ a: 1 }], 'table.json')
       await run.end()
       console.log((await client.getRun(run.runId)).info.status)`,
      { cwd: tempDir(), env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' } },
    )
    expect([code, stdout]).toEqual([0, 'FINISHED\n'])
    expect(stderr).toMatch(/^cairn: run [0-9a-f]{32}: 4 calls not through \(3 logText, logTable\)\n$/)
  }, 60_000)

  it('is told of where the process goes at once', async () => {
    const { stderr, code } = await child(
      `import { createClient } from 'CAIRN'
       const run = await createClient({ trackingUri: 'mlruns' }).startRun()
       void run.logText('x', 'x.txt')
       process.exit(0)`,
      { cwd: tempDir(), env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' } },
    )
    expect(code).toBe(0)
    expect(stderr).toMatch(/^cairn: run [0-9a-f]{32}: 1 call not through \(logText\)\n$/)
  })
})

it('a scoped run ends when what its function began is through', async () => {
  const { stdout, stderr, code } = await child(
    `import { startRun, logText, logTable, createClient } from 'CAIRN'
     const id = await startRun({}, (run) => {
       for (let row = 0; row < 5; row++) void logTable([{ row }], 'table.json')
       void logText('x', 'x.txt')
       return run.runId
     })
     const client = createClient()
     const { info } = await client.getRun(id)
     const files = await client.listArtifacts(id)
     console.log(info.status, files.map(({ path }) => path).join())
     process.exit(0)`,
    { cwd: tempDir(), env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' } },
  )
  expect([code, stdout, stderr]).toEqual([0, 'FINISHED table.json,x.txt\n', ''])
})

describe('a call that fails and was not waited for', () => {
  it('is its caller’s to hear of, once, and the run ends', async () => {
    const { stdout, stderr, code } = await child(
      `import { createClient } from 'CAIRN'
       const client = createClient({ trackingUri: 'mlruns' })
       const seen = []
       process.on('unhandledRejection', (error) => seen.push(error.name))
       const run = await client.startRun()
       void run.logText('x', 'no-name/')
       void run.logTable([{ a: 1 }], 'table.csv')
       void run.logTable([{ a: 1 }], 'table.json')
       const heard = run.logText(1, 'x.txt').catch((error) => error.name)
       await run.end()
       await new Promise((later) => setTimeout(later, 50))
       console.log(JSON.stringify([seen, await heard, (await client.getRun(run.runId)).info.status]))
       console.log((await client.listArtifacts(run.runId)).map(({ path }) => path).join())`,
      { cwd: tempDir(), env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' } },
    )
    const name = 'InvalidParameterError'
    expect(code).toBe(0)
    expect(stdout).toBe(`${JSON.stringify([[name, name], name, 'FINISHED'])}\ntable.json\n`)
    expect(stderr).toBe('')
  })
})

describe('what is begun after the end of a run was asked for', () => {
  it('is refused, by every verb', async () => {
    const client = connect(join(tempDir(), 'mlruns'))
    const run = await client.startRun()
    const ending = run.end()
    // All are heard at once: one would have been refused before anybody listened, while another is waited for.
    await Promise.all(beginAll(run).map((begun) => expect(begun).rejects.toThrow(InvalidParameterError)))
    await expect(run.logText('x', 'x.txt')).rejects.toThrow(/has ended; resume it/)
    await ending
    await expect(run.logCode()).rejects.toThrow(/has ended; resume it/)
    expect(await client.listArtifacts(run.runId)).toEqual([])
  })
})
