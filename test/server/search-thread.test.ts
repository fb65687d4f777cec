import { createHook } from 'node:async_hooks'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type * as Server from '../../src/server/index.js'
import { fileTransport } from '../../src/transport/file/file.js'
import { built } from '../support/built.js'
import { tempDir } from '../support/temp-dir.js'

type Start = typeof Server.startServer

/** How many threads this process has begun. */
let threads = 0
const watch = createHook({
  init(_id, type) {
    if (type === 'WORKER') threads++
  },
})
let startServer: Start

beforeAll(async () => {
  const index = await built()
  const server = (await import(pathToFileURL(join(dirname(index), 'server.js')).href)) as { startServer: Start }
  startServer = server.startServer
  watch.enable()
}, 60_000)
afterAll(() => watch.disable())

async function store() {
  const root = join(tempDir(), 'mlruns')
  const own = fileTransport({ root })
  const { experiment_id } = await own.call('createExperiment', { name: 'e' })
  const add = async (name: string, loss: number) => {
    const { run } = await own.call('createRun', { experiment_id, run_name: name, start_time: 1 })
    own.logBatchNow({ run_id: run.info.run_id, metrics: [{ key: 'loss', value: loss, timestamp: 1, step: 0 }] })
    return run.info.run_id
  }
  return { root, own, add, experiment_id }
}

const post = (server: Server.RunningServer, path: string, input: object) =>
  fetch(`${server.trackingUri}/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(input),
  })

async function search(server: Server.RunningServer, input: object) {
  const response = await post(server, 'runs/search', input)
  return { status: response.status, answer: (await response.json()) as { runs?: { info: { run_id: string } }[] } }
}

const idsOf = ({ answer }: Awaited<ReturnType<typeof search>>) => answer.runs?.map(({ info }) => info.run_id)

describe('a server that searches in a thread of its own', () => {
  it('shows at once what others write', async () => {
    const { root, own, add, experiment_id } = await store()
    const first = await add('first', 0.5)
    threads = 0
    await using server = await startServer({ trackingUri: root })
    expect(threads).toBe(1)
    const asked = { experiment_ids: [experiment_id], order_by: ['metrics.loss'] }
    expect(idsOf(await search(server, asked))).toEqual([first])
    const second = await add('second', 0.25)
    expect(idsOf(await search(server, asked))).toEqual([second, first])
    own.logBatchNow({ run_id: first, metrics: [{ key: 'loss', value: 0.125, timestamp: 2, step: 1 }] })
    expect(idsOf(await search(server, asked))).toEqual([first, second])
    await own.call('deleteRun', { run_id: second })
    expect(idsOf(await search(server, asked))).toEqual([first])
    expect(idsOf(await search(server, { ...asked, max_results: 50_000 }))).toEqual([first])
  })
  it('says what is wrong with a search as without one', async () => {
    const { root, experiment_id } = await store()
    await using server = await startServer({ trackingUri: root })
    const { status, answer } = await search(server, { experiment_ids: [experiment_id], filter: 'metrics.loss >' })
    expect([status, answer]).toEqual([400, expect.objectContaining({ error_code: 'INVALID_PARAMETER_VALUE' })])
    expect((answer as { message?: string }).message).toMatch(/^ +\^$/m)
  })
  it('tells of what it leaves out, once', async () => {
    const { root, add, experiment_id } = await store()
    const good = await add('good', 1)
    mkdirSync(join(root, experiment_id, 'bad'))
    writeFileSync(join(root, experiment_id, 'bad', 'meta.yaml'), '{')
    const told: unknown[] = []
    const warn = (...args: unknown[]) => void told.push(...args)
    const logger = { debug() {}, info() {}, warn, error() {} } as unknown as Server.ServerOptions['logger']
    mkdirSync(join(root, 'broken'))
    writeFileSync(join(root, 'broken', 'meta.yaml'), '{')
    await using server = await startServer({ trackingUri: root, logger })
    await post(server, 'experiments/search', { max_results: 10 })
    // A page so long is searched for by the main thread.
    for (const max_results of [10, 10, 50_000])
      expect(idsOf(await search(server, { experiment_ids: [experiment_id], max_results }))).toEqual([good])
    for (const dir of ['bad', 'broken'])
      expect(told.filter((one) => String(one).includes(`${dir}/meta.yaml`))).toHaveLength(1)
  })
  it('answers many at a time, and those that it is closed on', async () => {
    const { root, add, experiment_id } = await store()
    const id = await add('one', 1)
    const server = await startServer({ trackingUri: root })
    const asked = Array.from({ length: 50 }, () => search(server, { experiment_ids: [experiment_id] }))
    // Heard from the start: some break off while the closing is waited for.
    const answered = Promise.allSettled(asked)
    await asked[0]
    await server.close()
    for (const answer of await answered) if (answer.status === 'fulfilled') expect(idsOf(answer.value)).toEqual([id])
  })
  it('answers also when the thread ends', async () => {
    const { root, add, experiment_id } = await store()
    const ids = [await add('one', 1)]
    let thread: Worker | undefined
    process.once('worker', (worker) => {
      thread = worker
    })
    await using server = await startServer({ trackingUri: root })
    const asked = { experiment_ids: [experiment_id], order_by: ['metrics.loss'] }
    const many = Array.from({ length: 20 }, () => search(server, asked))
    await many[0]
    await thread?.terminate()
    for (const answer of await Promise.all(many)) expect(idsOf(answer)).toEqual(ids)
    ids.push(await add('two', 2))
    expect(idsOf(await search(server, asked))).toEqual(ids)
  })
  it('has none for a store that is not there yet, and none beside a bundle without its file', async () => {
    threads = 0
    {
      await using server = await startServer({ trackingUri: join(tempDir(), 'new') })
      expect((await search(server, { experiment_ids: ['0'] })).status).toBe(200)
    }
    const { root, add, experiment_id } = await store()
    const id = await add('one', 1)
    const whole = dirname(await built())
    const dir = join(dirname(whole), `without-${process.pid}`)
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    cpSync(whole, dir, { recursive: true, filter: (path) => !path.endsWith('search-worker.js') })
    const alone = (await import(pathToFileURL(join(dir, 'server.js')).href)) as { startServer: Start }
    await using server = await alone.startServer({ trackingUri: root })
    expect(idsOf(await search(server, { experiment_ids: [experiment_id] }))).toEqual([id])
    expect(threads).toBe(0)
  })
})
