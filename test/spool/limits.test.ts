import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { learntLimits } from '../../src/spool/limits.js'
import { serverPlace } from '../../src/spool/place.js'
import { serverState } from '../../src/spool/server.js'
import { startTestServer } from '../../src/testing/index.js'
import { between, carriesBatch } from '../support/between.js'
import { built } from '../support/built.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const held = () => {
  let text: string | undefined
  return {
    read: () => text,
    write(given: string) {
      text = given
    },
  }
}

/** Sends to a server that takes so many at once until so many requests went through; answers the lengths that went out. */
function talk(limits: ReturnType<typeof learntLimits>, most: number, requests: number): number[] {
  const lengths: number[] = []
  for (let taken = 0; taken < requests; ) {
    const count = limits.batch.metrics
    lengths.push(count)
    if (count > most) limits.tooMany(count)
    else {
      limits.taken(count)
      taken++
    }
  }
  return lengths
}

it('finds the most that a server takes, from below, and is rarely refused for it', () => {
  const limits = learntLimits()
  const lengths = talk(limits, 200, 3000)
  expect(limits.batch.metrics).toBeGreaterThan(180)
  expect(limits.batch.metrics).toBeLessThanOrEqual(200)
  expect(limits.batch.params).toBe(100)
  expect(lengths.filter((count) => count > 200).length).toBeLessThan(8)
})

it('grows back to the whole when the server takes more again, and stays there', () => {
  const limits = learntLimits()
  talk(limits, 200, 1000)
  talk(limits, 1000, 30_000)
  expect(limits.batch.metrics).toBe(1000)
  const first = learntLimits()
  first.tooMany(1000)
  first.taken(10)
  expect(first.batch.metrics).toBe(500)
})

it('begins where the last one stood, and asks for fewer at once where that was too fast', () => {
  const memory = held()
  const first = learntLimits(undefined, memory)
  talk(first, 200, 500)
  first.tooFast()
  const next = learntLimits(undefined, memory)
  expect(next.batch).toEqual(first.batch)
  expect(next.atOnce).toBe(2)
  for (let i = 0; i < 40; i++) next.taken(1)
  expect(learntLimits(undefined, memory).atOnce).toBe(4)
})

it.each(['', 'null', '[]', '{"most":1e9}', '{"most":-1,"good":0,"bad":0,"atOnce":4}', '{"most":0.5}', '\u0000'])(
  'a memory of %j is none',
  (text) => {
    const limits = learntLimits(undefined, { read: () => text, write: () => {} })
    expect(limits.batch.metrics).toBe(1000)
    expect(limits.atOnce).toBe(4)
  },
)

it('a memory that cannot be read or written is no reason to fail', () => {
  const dir = tempDir()
  mkdirSync(join(dir, 'limits.json'))
  const { limits } = serverState({ dir })
  limits.tooMany(1000)
  expect(limits.batch.metrics).toBe(500)
})

it('the next client of the spool begins with the limits of the last', async () => {
  const server = await startTestServer()
  const lengths: number[] = []
  const front = await between(server.url, (seen, response) => {
    if (!carriesBatch(seen)) return false
    const { metrics = [] } = JSON.parse(seen.body) as { metrics?: unknown[] }
    lengths.push(metrics.length)
    if (metrics.length <= 200) return false
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error_code: 'INVALID_PARAMETER_VALUE', message: 'at most 200 metrics' }))
    return true
  })
  closers.push(() => server.close(), front.close)
  const spoolDir = join(tempDir(), 'spool')
  const log = async () => {
    lengths.splice(0)
    const client = createClient({ trackingUri: front.url, spoolDir })
    const run = await client.startRun()
    for (let i = 0; i < 3000; i++) run.logMetric('loss', i, i)
    await run.flush()
    expect(await client.getMetricHistory(run.runId, 'loss')).toHaveLength(3000)
    expect(run.stats().refused).toBe(0)
    await client.close()
    return lengths.filter((count) => count > 200).length
  }
  expect(await log()).toBeGreaterThan(0)
  expect(await log()).toBe(0)
  const file = join(serverPlace(spoolDir, front.url).dir, 'limits.json')
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ most: 125, atOnce: 4 })
  // Of another day: the server may have been replaced since.
  writeFileSync(file, JSON.stringify({ most: 125, good: 125, bad: 250, atOnce: 1, patience: 1600, time: 0 }))
  expect(await log()).toBe(0)
})

it('what is refused for another reason than its number makes the batches of points no shorter', async () => {
  const server = await startTestServer()
  const lengths: number[] = []
  const refusedOnce = ['"few"', '"tag"']
  const front = await between(server.url, (seen, response) => {
    if (!carriesBatch(seen)) return false
    const { metrics = [] } = JSON.parse(seen.body) as { metrics?: unknown[] }
    lengths.push(metrics.length)
    const at = refusedOnce.findIndex((word) => seen.body.includes(word))
    if (at >= 0) refusedOnce.splice(at, 1)
    const isTooLong = seen.body.includes('"long') && seen.body.length > 100_000
    if (at < 0 && !isTooLong) return false
    response.writeHead(isTooLong ? 413 : 400, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error_code: 'BAD_REQUEST', message: 'no' }))
    return true
  })
  const client = createClient({ trackingUri: front.url, spoolDir: join(tempDir(), 'spool') })
  closers.push(
    () => server.close(),
    front.close,
    () => client.close(),
  )
  const run = await client.startRun()
  run.logMetrics({ few: 1, fewer: 2 }, 1)
  run.setTags({ tag: 1, other: 2 })
  run.logParams(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`long${i}`, 'x'.repeat(5000)])))
  await run.flush()
  for (let i = 0; i < 3000; i++) run.logMetric('loss', i, i)
  await run.flush()
  expect(refusedOnce).toEqual([])
  expect(run.stats()).toMatchObject({ delivered: 3104, refused: 0 })
  expect(Math.max(...lengths)).toBe(1000)
})

it.each([
  ['this thread', () => import('../../src/index.js')],
  ['another one', async () => import(await built()) as Promise<typeof import('../../src/index.js')>],
])('no request that %s sends carries more than a client wants', async (_, library) => {
  const server = await startTestServer()
  const front = await between(server.url)
  const limits = { metrics: 10, params: 5, tags: 5, total: 10, bytes: 100_000 }
  const spoolDir = join(tempDir(), 'spool')
  const client = (await library()).createClient({ trackingUri: front.url, spoolDir, buffer: { limits } })
  closers.push(
    () => server.close(),
    front.close,
    () => client.close(),
  )
  const run = await client.startRun()
  run.logParams(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, i])))
  for (let i = 0; i < 1000; i++) run.logMetric('loss', i, i)
  await run.end()
  const bodies = front.seen.filter(carriesBatch).map(({ body }) => JSON.parse(body) as Record<string, unknown[]>)
  const lengths = (of: string) => bodies.map((body) => body[of]?.length ?? 0)
  expect(Math.max(...lengths('metrics'))).toBe(10)
  expect(Math.max(...lengths('params'))).toBe(5)
  expect(lengths('metrics').reduce((sum, one) => sum + one)).toBe(1000)
})

it('what one client wants is not what the next one learns of the server', () => {
  const memory = held()
  const few = learntLimits({ metrics: 10, params: 10, tags: 10, total: 10, bytes: 1000 }, memory)
  few.tooFast()
  expect(few.batch.metrics).toBe(10)
  expect(learntLimits(undefined, memory).batch.metrics).toBe(1000)
})
