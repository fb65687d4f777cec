import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Client,
  type ClientOptions,
  createClient,
  InvalidParameterError,
  NetworkError,
  ProtocolError,
  UnauthenticatedError,
  UnavailableError,
} from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { rejection } from '../support/answering.js'
import { leftIn } from '../support/left.js'
import { linearModule } from '../support/linear-models.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  delete process.env.CAIRN_OFFLINE
})

/** A port where nothing listens, and later a server. */
async function away(options: ClientOptions = {}) {
  const first = await startTestServer()
  const port = Number(new URL(first.url).port)
  await first.close()
  const dir = tempDir()
  const lines: string[] = []
  const line = (text: string) => void lines.push(text)
  const spoolDir = join(dir, 'spool')
  const logger = { debug: () => {}, info: () => {}, warn: line, error: line }
  const connect = (): Client => {
    const client = createClient({ trackingUri: first.url, spoolDir, logger, ...options })
    closers.push(() => client.close())
    return client
  }
  let server: TestServer | undefined
  const comeBack = async (): Promise<TestServer> => {
    server ??= await startTestServer({ port, dir: join(dir, 'server') })
    closers.push(async () => server?.close())
    return server
  }
  const pause = async (): Promise<void> => {
    await server?.close()
    server = undefined
  }
  return { connect, comeBack, pause, lines, spoolDir, url: first.url }
}

describe('a run that starts while its server is away', () => {
  it('refuses at the call a file name that its server would decode into another, in a model too', async () => {
    const { connect, comeBack } = await away()
    const client = connect()
    const run = await client.startRun({ experimentName: 'names' })
    await expect(run.logText('x', 'x%20y.txt')).rejects.toThrow(/"%20".*rename/)
    await expect(run.logTable([{ a: 1 }], 't%41.json')).rejects.toThrow(/"%41".*rename/)
    const { dir, module } = linearModule()
    writeFileSync(join(dir, 'x%20y.txt'), '')
    await expect(run.logModel({ dir, module }, { name: 'model' })).rejects.toThrow(/"%20".*rename/)
    await run.logText('half', '50%.csv')
    await comeBack()
    await run.end()
    const [found] = await client.searchRuns({ experimentNames: ['names'] })
    expect(await client.listArtifacts(found?.info.runId ?? '')).toMatchObject([{ path: '50%.csv' }])
  })

  it('refuses what is too long to wait on disk where it is logged, and keeps all else', async () => {
    const { connect, comeBack, lines } = await away()
    const client = connect()
    const run = await client.startRun({ experimentName: 'long' })
    run.logMetric('loss', 1, 1)
    // Within MLflow's limit, and six times as long in JSON.
    const profile = '\u0001'.repeat(12 << 20)
    await expect(run.logInput({ name: 'd', source: 's', profile })).rejects.toThrow(/64 MiB.*artifact/)
    await run.logInput({ name: 'd', source: 's' })
    run.logMetric('loss', 2, 2)
    await comeBack()
    await run.end()
    const [found] = await client.searchRuns({ experimentNames: ['long'] })
    expect(found?.inputs?.datasetInputs).toHaveLength(1)
    expect(await client.getMetricHistory(found?.info.runId ?? '', 'loss')).toHaveLength(2)
    expect(lines.filter((line) => /The spool does not take|damaged/.test(line))).toEqual([])
  })

  it('has names that any server has room for, or does not start', async () => {
    const { connect, comeBack } = await away()
    const client = connect()
    const [name, long] = ['n'.repeat(250), 'n'.repeat(251)]
    for (const options of [{ runName: long }, { tags: { 'mlflow.runName': long } }])
      await expect(client.startRun(options)).rejects.toThrow(/at most 250/)
    await expect(client.startRun({ experimentName: 'e'.repeat(257) })).rejects.toThrow(/at most 256/)
    await expect(client.setExperiment('e'.repeat(257))).rejects.toThrow(/at most 256/)
    const run = await client.startRun({ runName: '😀'.repeat(250), experimentName: 'e'.repeat(256) })
    expect(() => run.setTag('mlflow.runName', long)).toThrow(InvalidParameterError)
    run.setTag('mlflow.runName', name)
    await comeBack()
    await run.end()
    const found = await client.searchRuns({ experimentNames: ['e'.repeat(256)] })
    expect(found.map(({ info }) => info.runName)).toEqual([name])
  })

  it('counts what waits for it alike in its stats and in the words of a flush in vain', async () => {
    const { connect } = await away({ endTimeoutMs: 1000 })
    const run = await connect().startRun({ runName: 'far', params: { lr: 0.1 } })
    run.logMetric('loss', 1)
    await run.logText('x', 'a.txt')
    await run.logInput({ name: 'd', source: 's' })
    const error = await rejection(run.flush({ timeoutMs: 200 }))
    const { spooled, inFlight } = run.stats()
    expect([spooled + inFlight, error.message]).toEqual([4, expect.stringMatching(/^4 entries have not arrived/)])
  })

  it('is made when the server is back, once, with all that was logged', async () => {
    const { connect, comeBack, lines, spoolDir } = await away()
    const client = connect()
    const run = await client.startRun({ runName: 'brave', experimentName: 'far', params: { a: 1 }, tags: { t: 'x' } })
    expect(run.runId).toMatch(/^[0-9a-f]{32}$/)
    expect(lines.filter((line) => line.includes(run.runId))).toHaveLength(1)
    for (let i = 0; i < 1500; i++) run.logMetric('loss', i, i)
    await run.logText('hello', 'notes/hello.txt')
    await run.logTable([{ a: 1 }], 'table.json')
    await run.logTable([{ a: 2 }], 'table.json')
    await run.logInput({ name: 'iris', source: 'file:iris.csv' }, { context: 'training' })
    const info = await run.logModel(linearModule(), { name: 'net', flavor: 'node' })
    expect([info.modelUri, info.modelId]).toEqual([`runs:/${run.runId}/net`, undefined])
    await comeBack()
    await run.end()

    const [found, ...others] = await client.searchRuns({ experimentNames: ['far'] })
    expect(others).toEqual([])
    expect(found?.info).toMatchObject({ runName: 'brave', status: 'FINISHED' })
    expect(found?.data.params).toEqual({ a: '1' })
    expect(found?.data.tags.t).toBe('x')
    expect(found?.inputs?.datasetInputs).toHaveLength(1)
    const runId = found?.info.runId ?? ''
    expect(runId).not.toBe(run.runId)
    expect(await client.getMetricHistory(runId, 'loss')).toHaveLength(1500)
    expect((await client.listArtifacts(runId)).map(({ path }) => path)).toEqual(['net', 'notes', 'table.json'])
    expect(leftIn(spoolDir)).toEqual([])
    // The id that the script knows still leads to the run.
    const again = await client.startRun({ runId: run.runId })
    expect(again.runId).toBe(runId)
    await again.end()
  })

  it('is made once though its start had reached the server', async () => {
    const server = await startTestServer({ faults: [{ on: 'createRun', break: 'swallow', times: 3 }] })
    closers.push(() => server.close())
    server.faults.add({ on: 'searchRuns', status: 503, times: 2 })
    const client = createClient({ trackingUri: server.url, spoolDir: join(tempDir(), 'spool') })
    closers.push(() => client.close())
    const run = await client.startRun()
    run.logMetric('loss', 1)
    server.faults.clear()
    await run.end()
    const runs = await client.searchRuns()
    expect(runs).toHaveLength(1)
    expect(runs[0]?.data.metrics).toEqual({ loss: 1 })
  })

  it('is a child of a run that started so too', async () => {
    const { connect, comeBack } = await away()
    const client = connect()
    const parent = await client.startRun({ runName: 'parent' })
    const child = await client.startRun({ runName: 'child', parentRunId: parent.runId })
    child.logMetric('loss', 1)
    await comeBack()
    await Promise.all([child.end(), parent.end()])
    const runs = await client.searchRuns()
    const [up, down] = ['parent', 'child'].map((name) => runs.find(({ info }) => info.runName === name))
    expect(down?.data.tags['mlflow.parentRunId']).toBe(up?.info.runId)
  })

  it('is the parent of one that starts when the server is back but has not got it yet', async () => {
    const { connect, comeBack } = await away()
    const first = connect()
    const parent = await first.startRun({ runName: 'parent' })
    await comeBack()
    // Of another process, which knows of the parent by the disk alone.
    const second = connect()
    const child = await second.startRun({ runName: 'child', parentRunId: parent.runId })
    child.logMetric('loss', 1)
    await Promise.all([child.end(), parent.end()])
    const grandchild = await second.startRun({ runName: 'grandchild', parentRunId: child.runId })
    await grandchild.end()
    const runs = await second.searchRuns()
    const ids = ['parent', 'child', 'grandchild'].map((name) => runs.find(({ info }) => info.runName === name))
    const parents = ids.map((run) => run?.data.tags['mlflow.parentRunId'])
    expect(parents).toEqual([undefined, ids[0]?.info.runId, ids[1]?.info.runId])
    // Both ids of a run lead to it.
    expect((await second.getRun(child.runId)).info.runId).toBe(ids[1]?.info.runId)
    expect(await second.getMetricHistory(child.runId, 'loss')).toHaveLength(1)
  })

  it('takes an experiment that was set meanwhile', async () => {
    const { connect, comeBack } = await away()
    const client = connect()
    expect(await client.setExperiment('later')).toMatchObject({ name: 'later' })
    const run = await client.startRun()
    run.logMetric('loss', 1)
    await comeBack()
    await run.end()
    expect(await client.searchRuns({ experimentNames: ['later'] })).toHaveLength(1)
  })

  it('waits whole for its experiment when that is deleted', async () => {
    const { connect, comeBack, spoolDir, pause } = await away()
    await comeBack()
    const admin = connect()
    const experimentId = await admin.createExperiment('gone')
    await admin.deleteExperiment(experimentId)
    await pause()
    const client = connect()
    await client.setExperiment({ experimentId })
    const run = await client.startRun({ params: { a: 1 } })
    run.logMetric('loss', 1)
    const { delivered } = run.stats()
    await comeBack()
    await expect(run.flush({ timeoutMs: 2000 })).rejects.toThrow(/deleted|active/)
    expect([delivered, run.stats().refused, leftIn(spoolDir).length]).toEqual([0, 0, 1])
    await admin.restoreExperiment(experimentId)
    await run.end()
    expect(leftIn(spoolDir)).toEqual([])
    const [found] = await client.searchRuns({ experimentIds: [experimentId] })
    expect(found).toMatchObject({ info: { status: 'FINISHED' }, data: { params: { a: '1' }, metrics: { loss: 1 } } })
  })

  it('is delivered by another process of Cairn after this one', async () => {
    const { connect, comeBack, spoolDir } = await away()
    const first = connect()
    const run = await first.startRun()
    run.logMetric('loss', 1)
    const ending = run.end()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await first.close().catch(() => {})
    await ending
    expect(leftIn(spoolDir)).toHaveLength(1)
    await comeBack()
    const second = connect()
    const [delivered] = await second.deliverSpool()
    expect(delivered).toMatchObject({ runId: run.runId, complete: true, busy: false, refused: 0 })
    const [found] = await second.searchRuns()
    expect(found?.info).toMatchObject({ runId: delivered?.serverRunId, status: 'FINISHED' })
    expect(leftIn(spoolDir)).toEqual([])
  }, 40_000)
})

describe('a run that is taken up again while its server is away', () => {
  async function taken(status: 'FINISHED' | 'RUNNING') {
    const { connect, comeBack, pause, spoolDir } = await away()
    await comeBack()
    const maker = connect()
    const made = await maker.startRun({ runName: 'old' })
    made.logParam('a', 1)
    await made.flush()
    if (status === 'FINISHED') await made.end('FAILED')
    await pause()
    const client = connect()
    const run = await client.startRun({
      runId: made.runId,
      runName: 'new',
      tags: { again: 'yes' },
      description: 'note',
    })
    expect(run.runId).toBe(made.runId)
    run.logMetric('loss', 1)
    await run.logText('x', 'x.txt')
    await comeBack()
    await run.end()
    expect(leftIn(spoolDir)).toHaveLength(status === 'FINISHED' ? 0 : 1)
    const found = await client.getRun(made.runId)
    expect(found.info.runName).toBe('new')
    expect(found.data).toMatchObject({ params: { a: '1' }, metrics: { loss: 1 } })
    expect(found.data.tags).toMatchObject({ again: 'yes', 'mlflow.note.content': 'note' })
    expect(Object.keys(found.data.tags).filter((key) => key.startsWith('cairn.taken'))).toEqual([])
    expect((await client.listArtifacts(made.runId)).map(({ path }) => path)).toEqual(['x.txt'])
    await made.end()
    return { found, run }
  }

  it('is ended again when it had ended', async () => {
    const { found, run } = await taken('FINISHED')
    expect(found.info.status).toBe('FINISHED')
    expect(run.status).toBe('FINISHED')
  })

  it('is left running when another process runs it', async () => {
    const { found } = await taken('RUNNING')
    expect(found.info.status).toBe('RUNNING')
  })

  it('goes on by the id that the script knows, when its server has made it and lacks only what came later', async () => {
    const { connect, comeBack, pause, spoolDir } = await away({ endTimeoutMs: 1_000 })
    const made = await connect().startRun()
    const { runId } = made
    await comeBack()
    await made.flush()
    await pause()
    made.setTag('late', 'yes')
    await made.end()
    const client = connect()
    const run = await client.startRun({ runId })
    run.logMetric('loss', 1)
    expect(leftIn(spoolDir)).toHaveLength(2)
    await comeBack()
    await run.flush()
    expect(run.stats()).toMatchObject({ delivered: 1, refused: 0 })
    expect((await client.getRun(runId)).data).toMatchObject({ metrics: { loss: 1 }, tags: { late: 'yes' } })
  })
})

describe('files that a server does not take', () => {
  it('hold up neither points nor the process, and arrive when it does', async () => {
    const { connect, comeBack } = await away()
    const client = connect()
    const run = await client.startRun()
    await run.logText('x', 'a.txt')
    run.logMetric('loss', 1)
    const server = await comeBack()
    server.faults.add({ on: 'artifacts', status: 403, times: 1000 })
    const points = async () => {
      const [found] = await client.searchRuns()
      return found ? client.getMetricHistory(found.info.runId, 'loss') : []
    }
    while ((await points()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
    run.setTag('late', 'yes')
    server.faults.clear()
    await run.end()
    const [found] = await client.searchRuns()
    expect(found).toMatchObject({ info: { status: 'FINISHED' }, data: { tags: { late: 'yes' } } })
    expect((await client.listArtifacts(run.runId)).map(({ path }) => path)).toEqual(['a.txt'])
  })

  it('are set aside with the reason when they are refused for good', async () => {
    const { connect, comeBack, spoolDir } = await away()
    const client = connect()
    const refused: string[] = []
    client.on('refused', ({ error }) => void refused.push(error.message))
    const run = await client.startRun()
    await run.logText('x', 'a.txt')
    await run.logText('y', 'b.txt')
    const server = await comeBack()
    const body = '{"error_code":"INVALID_PARAMETER_VALUE","message":"no such file, please"}'
    server.faults.add({ on: 'artifacts', status: 400, body })
    await run.end()
    expect(refused).toEqual(['no such file, please'])
    expect((await client.listArtifacts(run.runId)).map(({ path }) => path)).toEqual(['b.txt'])
    const aside = readdirSync(spoolDir, { recursive: true, encoding: 'utf8' }).filter((path) =>
      /-files.\d+-file-0$/.test(path),
    )
    expect(aside.map((path) => readFileSync(join(spoolDir, path), 'utf8'))).toEqual(['x'])
    expect(leftIn(spoolDir)).toEqual([])
  })
})

describe('a 500 of a server that was there', () => {
  const busy = { status: 500, body: '{"error_code":"INTERNAL_ERROR","message":"database is locked"}', times: 3 }

  it('ends no training: the file, the rows and the input it was for are kept, and arrive', async () => {
    const { connect, comeBack, lines, spoolDir } = await away()
    const server = await comeBack()
    const client = connect()
    const run = await client.startRun()
    server.faults.add({ on: 'artifacts', ...busy })
    await run.logText('x', 'a.txt')
    await run.flush()
    server.faults.add({ on: 'artifacts', ...busy })
    await run.logTable({ epoch: [1] }, 'table.json')
    await run.flush()
    server.faults.add({ on: 'logInputs', ...busy })
    await run.logInput({ name: 'iris', source: 'iris.csv' })
    await run.end()
    expect(lines[0]).toMatch(/a\.txt of run .* kept on disk: database is locked/)
    expect((await client.listArtifacts(run.runId)).map(({ path }) => path)).toEqual(['a.txt', 'table.json'])
    expect((await client.getRun(run.runId)).inputs?.datasetInputs).toHaveLength(1)
    expect(leftIn(spoolDir)).toEqual([])
  })
})

describe('what needs an answer', () => {
  it('is refused while the registry is away, with the way out', async () => {
    const { connect } = await away({ retry: { maxRetries: 0 } })
    const client = connect()
    const failed = client.createModelVersion('churn', 'runs:/x/model').catch((error: unknown) => error)
    expect(await failed).toBeInstanceOf(NetworkError)
    expect(await failed).toMatchObject({
      retryable: true,
      message: expect.stringMatching(/Nothing listens at .*createModelVersion needs .*registeredModelName/),
    })
    await expect(client.transitionStage('churn', 1, 'Production')).rejects.toThrow(/not kept on disk/)
  })

  it('says of a run that has not arrived that it has not', async () => {
    const { connect, comeBack } = await away()
    const client = connect()
    const run = await client.startRun()
    await comeBack()
    const other = connect()
    await run.logText('x', 'a.txt')
    // Whether it has arrived meanwhile or not: never that there is no such run.
    await other.getRun(run.runId).then(
      ({ info }) => expect(info.status).toBe('RUNNING'),
      (error: Error) => expect(error.message).toContain('npx cairn-ml sync'),
    )
    await run.end()
    expect((await other.getRun(run.runId)).info.status).toBe('FINISHED')
  })
})

it('the starts after one that was slow to find its server away begin at once, until it has answered', async () => {
  const server = await startTestServer()
  let isAway = true
  let aheadMs = 0
  const now = performance.now.bind(performance)
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs)
  closers.push(
    () => server.close(),
    async () => clock.mockRestore(),
  )
  const said: string[] = []
  const line = (text: string) => void said.push(text)
  const { connect } = await away({
    trackingUri: 'slow://server',
    logger: { debug: () => {}, info: line, warn: line, error: line },
    transports: {
      async slow(_, context) {
        const inner = await context.openTransport(server.url)
        const call: typeof inner.call = async (...of) => {
          if (!isAway) return inner.call(...of)
          aheadMs = 10_000
          throw new UnavailableError('nothing came')
        }
        return { ...inner, call }
      },
    },
  })
  const client = connect()
  const begun = async () => {
    const run = await client.startRun()
    return { run, why: said.find((text) => text.includes(run.runId)) }
  }
  expect((await begun()).why).toMatch(/^The server is away \(nothing came\)/)
  const { run, why } = await begun()
  expect(why).toMatch(/^The server was away a moment ago/)
  isAway = false
  await run.flush()
  isAway = true
  expect((await begun()).why).toMatch(/^The server is away \(nothing came\)/)
  isAway = false
})

describe('a start that must not go on alone', () => {
  it('throws when CAIRN_OFFLINE is never, as soon as a run would begin on disk otherwise', async () => {
    process.env.CAIRN_OFFLINE = 'never'
    const { connect, spoolDir } = await away()
    const client = connect()
    for (const begin of [() => client.startRun(), () => client.setExperiment('e')]) {
      const met = await rejection(begin())
      expect(met).toBeInstanceOf(NetworkError)
      expect(met.message).toMatch(/CAIRN_OFFLINE is never.*try again.*begin on disk/)
    }
    expect(leftIn(spoolDir)).toEqual([])
  })

  it.each([
    ['ssh, which speaks first', (socket: Socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n')],
    ['redis', (socket: Socket) => void socket.on('data', () => socket.write('-ERR unknown command `GET`\r\n'))],
  ])('throws where something answers that does not speak HTTP: %s', async (_, react) => {
    const sockets = new Set<Socket>()
    let connections = 0
    const other = createServer((socket) => {
      connections++
      sockets.add(socket.on('error', () => undefined))
      react(socket)
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    closers.push(async () => {
      for (const socket of sockets) socket.destroy()
      other.close()
    })
    const { port } = other.address() as AddressInfo
    const { connect, spoolDir } = await away({ trackingUri: `http://127.0.0.1:${port}`, retry: {} })
    const client = connect()
    for (const begin of [() => client.startRun(), () => client.setExperiment('e')]) {
      connections = 0
      const error = await begin().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(ProtocolError)
      expect(String(error)).toContain(`What answers at http://127.0.0.1:${port}/`)
      expect(String(error)).toContain('does not speak HTTP')
      expect(connections).toBe(2)
    }
    expect(leftIn(spoolDir)).toEqual([])
    const checks = await client.doctor()
    expect(checks.find(({ name }) => name === 'reachable')).toMatchObject({
      status: 'fail',
      fix: 'correct host, port and scheme in MLFLOW_TRACKING_URI',
    })
  })

  it('throws for credentials that are missing and for a host that does not resolve', async () => {
    const server = await startTestServer({ credentials: { token: 'secret' } })
    closers.push(() => server.close())
    const spoolDir = join(tempDir(), 'spool')
    for (const trackingUri of [server.url, 'http://no-such-host.invalid:5000']) {
      const client = createClient({ trackingUri, spoolDir })
      closers.push(() => client.close())
      const kind = trackingUri === server.url ? UnauthenticatedError : NetworkError
      await expect(client.startRun()).rejects.toThrow(kind)
    }
    expect(leftIn(spoolDir)).toEqual([])
  })
})
