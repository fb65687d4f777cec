import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NetworkError, UnavailableError } from '../../src/errors.js'
import { startTestServer } from '../../src/testing/index.js'
import { child } from '../support/child.js'
import { tempDir } from '../support/temp-dir.js'
import { allOf, bySteps, clientOf, fill } from './stand.js'

const POINTS = 50_000

/** Steps of a metric, in order; each once. */
const steps = (count: number) => Array.from({ length: count }, (_, step) => step)

describe('a copy that is cut', () => {
  it('by a kill, again and again, goes on and ends with everything once', async () => {
    const dir = tempDir()
    const path = join(dir, 'mlruns')
    await using source = clientOf(path, dir)
    await fill(source)
    await using server = await startTestServer()
    const script = `
      import { createClient } from 'CAIRN'
      const client = createClient({ trackingUri: ${JSON.stringify(path)} })
      await client.sync(${JSON.stringify(path)}, { to: ${JSON.stringify(server.url)} })
      await client.close()
      console.log('done')
    `
    // Killed when the server has been asked so many times; when that is not reached, the copy is whole.
    let done = false
    let kills = 0
    for (let most = 14; !done; most += 2) {
      const seen = server.requests.length
      server.faults.add({ on: 'all', skip: most, times: 1, delayMs: 60_000 })
      const ended = await killedWhen(script, dir, () => server.requests.length - seen >= most)
      server.faults.clear()
      done = ended.stdout.includes('done')
      if (!done) kills++
    }
    expect(kills).toBeGreaterThan(2)
    const result = await source.sync(path, { to: server.url })
    expect(result).toMatchObject({
      runs: { same: 3 },
      loggedModels: { same: 1 },
      modelVersions: { same: 2 },
      points: 0,
    })
    await using target = clientOf(server.url, tempDir())
    expect(await allOf(target)).toEqual(await allOf(source, result))
  })

  it.each(['refuse', 'swallow', 'cut'] as const)('by a connection that breaks (%s) goes on by itself', async (how) => {
    const dir = tempDir()
    const path = join(dir, 'mlruns')
    await using source = clientOf(path, dir)
    await fill(source)
    await using server = await startTestServer()
    for (const on of ['createRun', 'logBatch', 'artifacts', 'createLoggedModel', 'createModelVersion'] as const)
      server.faults.add({ on, break: how })
    const result = await source.sync(path, { to: server.url })
    expect(result.failed).toEqual([])
    expect(server.faults.left).toBe(0)
    await using target = clientOf(server.url, tempDir())
    expect(await allOf(target)).toEqual(await allOf(source, result))
  })

  it('in the middle of a long history sends what is missing, in a store that appends blindly', async () => {
    const dir = tempDir()
    const path = join(dir, 'mlruns')
    await using source = clientOf(path, dir)
    const run = await source.startRun({})
    for (let step = 0; step < POINTS; step++)
      run.logMetric('loss', step % 97 === 0 ? Number.NaN : 1 / (step + 1), {
        step,
        timestamp: 1_700_000_000_000 + step,
      })
    await run.end()
    await using server = await startTestServer()
    const stop = new AbortController()
    const stopped = source.sync(path, {
      to: server.url,
      signal: stop.signal,
      onProgress: ({ points }) => points > POINTS / 2 && stop.abort(new NetworkError('gone')),
    })
    await expect(stopped).rejects.toThrow('gone')
    const rest = await source.sync(path, { to: server.url })
    expect(rest.points).toBeGreaterThan(0)
    expect(rest.points).toBeLessThan(POINTS / 2 + 1)
    await using target = clientOf(server.url, tempDir())
    const points = (await target.getMetricHistory(rest.runIds[run.runId] ?? '', 'loss')).sort(bySteps)
    expect(points.map(({ step }) => step)).toEqual(steps(POINTS))
    expect(points).toEqual((await source.getMetricHistory(run.runId, 'loss')).sort(bySteps))
    expect(await target.searchRuns({ experimentIds: ['0'] })).toHaveLength(1)
  })
})

it('a server that takes fewer points at once gets them in halves', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using source = clientOf(path, dir)
  const run = await source.startRun({})
  for (let step = 0; step < 900; step++) run.logMetric('loss', step, { step, timestamp: step })
  await run.end()
  await using server = await startTestServer()
  const body = '{"error_code":"INVALID_PARAMETER_VALUE","message":"at most 200 metrics"}'
  // Tags first; then 900, 450, 225 are too many.
  server.faults.add({ on: 'logBatch', skip: 1, times: 3, status: 400, body })
  const { points, runIds, failed } = await source.sync(path, { to: server.url })
  expect([points, failed]).toEqual([900, []])
  await using target = clientOf(server.url, tempDir())
  const there = await target.getMetricHistory(runIds[run.runId] ?? '', 'loss')
  expect(there.map(({ step }) => step)).toEqual(steps(900))
})

it('two copies to one target at once: one copies, the other is told so, and everything is there once', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using source = clientOf(path, dir)
  await fill(source)
  await using server = await startTestServer()
  const both = await Promise.allSettled([1, 2].map(() => source.sync(path, { to: server.url })))
  const [reason] = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(reason).toBeInstanceOf(UnavailableError)
  expect(await source.sync(path, { to: server.url })).toMatchObject({ runs: { added: 0, same: 3 } })
  await using target = clientOf(server.url, tempDir())
  expect(await target.searchRuns({ experimentNames: ['churn'] })).toHaveLength(3)
})

/** Runs a script in a process of its own that is killed as soon as a condition holds. */
async function killedWhen(script: string, cwd: string, isTime: () => boolean) {
  let stop: ReturnType<typeof setInterval> | undefined
  const announced = `console.log('begin')\n${script}`
  const ended = await child(announced, {
    cwd,
    onStdout(_, kill) {
      stop ??= setInterval(() => isTime() && kill('SIGKILL'), 2)
    },
  })
  clearInterval(stop)
  return ended
}
