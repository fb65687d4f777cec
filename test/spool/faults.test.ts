import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Client, createClient, ParamConflictError, type Run } from '../../src/index.js'
import { type Fault, startTestServer, type TestServer } from '../../src/testing/index.js'
import { leftIn } from '../support/left.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Stage {
  readonly server: TestServer
  readonly client: Client
  readonly run: Run
  readonly spoolDir: string
  readonly lines: string[]
  /** Steps of `loss` that the server has. */
  readonly steps: () => Promise<number[]>
}

async function stage(): Promise<Stage> {
  const server = await startTestServer()
  const spoolDir = join(tempDir(), 'spool')
  const lines: string[] = []
  const line = (text: string) => void lines.push(text)
  const logger = { debug: () => {}, info: () => {}, warn: line, error: line }
  const client = createClient({ trackingUri: server.url, spoolDir, logger })
  closers.push(
    () => server.close(),
    () => client.close(),
  )
  const run = await client.startRun()
  const steps = async () =>
    (await client.getMetricHistory(run.runId, 'loss')).map(({ step }) => Number(step)).sort((a, b) => a - b)
  return { server, client, run, spoolDir, lines, steps }
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const logTo = (run: Run, count: number) => {
  for (const i of range(count)) run.logMetric('loss', i % 7 === 3 ? Number.NaN : i / 3, i)
}

describe('a batch that meets a fault', () => {
  it.each<[string, Fault[]]>([
    ['a connection that breaks before', [{ on: 'logBatch', break: 'refuse', times: 3 }]],
    ['an answer that never comes', [{ on: 'logBatch', break: 'swallow', times: 2 }]],
    ['an answer that is cut', [{ on: 'logBatch', break: 'cut', times: 2 }]],
    ['a 500 after it was carried out', [{ on: 'logBatch', status: 500, carriedOut: true }]],
    ['a 503 with Retry-After', [{ on: 'logBatch', status: 503, headers: { 'retry-after': '0' } }]],
    ['a 429', [{ on: 'logBatch', status: 429, headers: { 'retry-after': '1' } }]],
    ['a 401 for a while', [{ on: 'logBatch', status: 401, times: 2 }]],
    ['a 403 for a while', [{ on: 'logBatch', status: 403, times: 1 }]],
    ['a 204, which says nothing of what was stored', [{ on: 'logBatch', status: 204 }]],
    ['a login page', [{ on: 'logBatch', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Log in' }]],
    [
      'a proxy that knows no such page',
      [{ on: 'logBatch', status: 404, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ],
  ])('%s arrives whole, once', async (_, faults) => {
    const { server, run, steps } = await stage()
    for (const fault of faults) server.faults.add(fault)
    logTo(run, 2500)
    run.logParams({ a: 1, b: 2 })
    run.setTag('t', 'x')
    await run.flush().catch(async () => run.flush())
    expect(await steps()).toEqual(range(2500))
    expect(run.stats()).toMatchObject({ queued: 0, spooled: 0, inFlight: 0, delivered: 2503, refused: 0 })
    expect(run.stats().retried).toBeGreaterThan(0)
  })

  it('and so do the removal of a tag and the end of a run that meet such a page', async () => {
    const { server, client, run } = await stage()
    run.setTag('t', 'x')
    await run.flush()
    const page = { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>' }
    for (const on of ['deleteTag', 'updateRun'] as const) server.faults.add({ on, ...page })
    run.deleteTag('t')
    await run.flush().catch(async () => run.flush())
    await run.end()
    const { info, data } = await client.getRun(run.runId)
    expect([info.status, data.tags.t]).toEqual(['FINISHED', undefined])
    expect(run.stats()).toMatchObject({ queued: 0, spooled: 0, refused: 0 })
  })

  it('is cut down to what the server takes, and the next ones begin so', async () => {
    const { server, run, steps } = await stage()
    server.faults.add({ on: 'logBatch', status: 413, times: 3, body: 'too large' })
    logTo(run, 1000)
    await run.flush()
    const before = server.requests.length
    for (const i of range(1000)) run.logMetric('loss', 1, 1000 + i)
    await run.flush()
    expect(await steps()).toEqual(range(2000))
    expect(server.requests.length - before).toBeGreaterThan(2)
    expect(run.stats().refused).toBe(0)
  })
})

describe('what a server refuses', () => {
  it('takes nothing with it, is set aside with its reason, and is thrown by flush alone', async () => {
    const { client, run, spoolDir, steps } = await stage()
    const refused: number[] = []
    client.on('refused', ({ count }) => refused.push(count))
    await client.logBatch(run.runId, { params: { p: 'theirs' } })
    run.logParams({ before: 1, p: 'ours', after: 2 })
    logTo(run, 100)
    await expect(run.flush()).rejects.toThrow(ParamConflictError)
    await run.flush()
    expect(await steps()).toEqual(range(100))
    expect((await client.getRun(run.runId)).data.params).toEqual({ before: '1', p: 'theirs', after: '2' })
    expect(run.stats()).toMatchObject({ delivered: 102, refused: 1, spooled: 0 })
    expect(refused).toEqual([1])
    await run.end()
    expect(leftIn(spoolDir)).toEqual([])
    const [server = ''] = readdirSync(join(spoolDir, 'v1'))
    const aside = readFileSync(join(spoolDir, 'v1', server, 'refused', `${run.runId}.jsonl`), 'utf8')
    expect(JSON.parse(aside)).toMatchObject({ runId: run.runId, entry: { param: { key: 'p', value: 'ours' } } })
  })

  it('is only what is wrong, however many of it stand in a row', async () => {
    const { client, run, steps } = await stage()
    const entries = (value: string) => Object.fromEntries(range(20).map((i) => [`p${i}`, value]))
    await client.logBatch(run.runId, { params: entries('theirs') })
    run.logParams({ ...entries('ours'), ...Object.fromEntries(range(20).map((i) => [`new${i}`, i])) })
    for (const i of range(20))
      run.logMetric('loss', i, { step: i, ...(i < 12 ? { modelId: `m-${'0'.repeat(32)}` } : {}) })
    await expect(run.flush()).rejects.toThrow()
    expect(Object.keys((await client.getRun(run.runId)).data.params)).toHaveLength(40)
    expect(await steps()).toEqual(range(20).slice(12))
    expect(run.stats()).toMatchObject({ refused: 32, delivered: 28, spooled: 0 })
  })

  it('is all that names a logged model which a database misses, at once: of the run it has the points', async () => {
    const { server, run } = await stage()
    const body = '{"error_code":"BAD_REQUEST","message":"FOREIGN KEY constraint failed"}'
    server.faults.add({ on: 'logBatch', times: 1000, status: 400, body })
    const before = server.requests.length
    for (const step of range(100)) run.logMetric('loss', step, { step, modelId: `m-${'0'.repeat(32)}` })
    await expect(run.flush()).rejects.toThrow('There is no logged model m-0')
    expect(run.stats()).toMatchObject({ refused: 100, spooled: 0 })
    expect(server.requests.length - before).toBeLessThan(20)
  })

  it('is all of a run that is gone, without a request for each entry', async () => {
    const { server, client, run } = await stage()
    await client.deleteRun(run.runId)
    const before = server.requests.length
    logTo(run, 1000)
    await expect(run.flush()).rejects.toThrow()
    expect(run.stats()).toMatchObject({ refused: 1000, spooled: 0 })
    expect(server.requests.length - before).toBeLessThan(100)
  })

  it('is the end alone of a run that was deleted before it: what had arrived still counts, and nothing logged is lost', async () => {
    const { client, run } = await stage()
    logTo(run, 100)
    await run.flush()
    const { delivered } = run.stats()
    await client.deleteRun(run.runId)
    await run.end()
    expect(run.stats()).toMatchObject({ delivered, refused: 0, spooled: 0, queued: 0 })
  })
})

describe('an outage', () => {
  it('is told once, and so is its end', async () => {
    const { server, client, run, lines, steps } = await stage()
    const events: string[] = []
    for (const event of ['retry', 'spooled', 'recovered', 'refused'] as const)
      client.on(event, () => events.push(event))
    server.faults.add({ on: 'logBatch', status: 503, times: 4 })
    logTo(run, 1500)
    await run.flush()
    expect(await steps()).toEqual(range(1500))
    expect(events.filter((event) => event === 'spooled')).toHaveLength(1)
    expect(events.filter((event) => event === 'recovered')).toHaveLength(1)
    expect(events.filter((event) => event === 'retry').length).toBeGreaterThan(1)
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/kept on disk/)
    expect(lines[1]).toMatch(/takes what is logged again/)
  })

  it.each<[string, Fault, (run: Run) => Promise<void>]>([
    ['a file', { on: 'artifacts', status: 503, times: 4 }, (run) => run.logText('x', 'a.txt')],
    ['a file, refused later', { on: 'artifacts', status: 503, times: 3 }, (run) => run.logText('x', 'a.txt')],
    ['a data set', { on: 'logInputs', status: 503, times: 3 }, (run) => run.logInput({ name: 'd', source: 's' })],
  ])('of %s alone is told once, and so is its end', async (name, fault, log) => {
    const { server, client, run } = await stage()
    const events: string[] = []
    for (const event of ['spooled', 'recovered'] as const)
      client.on(event, ({ runId }) => events.push(`${event} ${runId === run.runId}`))
    const rounds = name === 'a data set' ? 1 : 2
    for (const _ of range(rounds)) {
      server.faults.add(fault)
      if (name.endsWith('later')) server.faults.add({ on: 'artifacts', status: 400 })
      await log(run)
      await run.flush().catch(() => {})
    }
    await run.end()
    expect(server.faults.left).toBe(0)
    expect(events).toEqual(range(rounds).flatMap(() => ['spooled true', 'recovered true']))
  })

  it('is gone through though listeners fail, each of which is warned of once', async () => {
    const { server, client, run, lines, steps } = await stage()
    const off = client.on('retry', () => {
      throw new TypeError('no dashboard')
    })
    client.on('retry', (async () => Promise.reject(new Error('no mail'))) as () => void)
    let heard = 0
    client.on('retry', () => void heard++)
    server.faults.add({ on: 'logBatch', status: 503, times: 3 })
    logTo(run, 10)
    await run.flush()
    expect(await steps()).toEqual(range(10))
    const failed = lines.filter((text) => /listener/.test(text))
    expect(failed).toEqual([
      expect.stringContaining('"retry" failed (no dashboard)'),
      expect.stringContaining('"retry" failed (no mail)'),
    ])
    expect(heard).toBeGreaterThan(1)
    off()
  })

  it('keeps the order of tags, whatever fails in between', async () => {
    const { server, client, run } = await stage()
    server.faults.add({ on: 'logBatch', break: 'swallow', times: 1 })
    server.faults.add({ on: 'deleteTag', break: 'cut', times: 1 })
    for (const i of range(5)) run.setTag('t', i)
    run.deleteTag('t')
    run.setTag('t', 'last')
    run.setTag('gone', 1)
    run.deleteTag('gone')
    await run.flush()
    const { tags } = (await client.getRun(run.runId)).data
    expect(tags.t).toBe('last')
    expect(tags.gone).toBeUndefined()
  })
})
