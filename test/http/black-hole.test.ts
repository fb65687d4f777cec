import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { sender } from '../../src/http/send.js'
import { createClient, TimeoutError } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import { rejection } from '../support/answering.js'
import { blackHole, hasBlackHoles } from '../support/black-hole.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function hole() {
  const made = await blackHole()
  closers.push(made.close)
  return made
}

describe.skipIf(!hasBlackHoles)('an address that drops what comes (needs Linux: a full accept queue)', () => {
  it('is given up with the limit on connecting: nothing was sent, and the error says what to check', async () => {
    const { url } = await hole()
    const send = sender({ url, connectTimeoutMs: 200 })
    const error = await rejection(send.text({ method: 'POST', path: '/x', body: '{}' }))
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ notSent: true, retryable: true })
    expect(error.message).toMatch(/No connection to .* is the server up, is a firewall between/)
    await send.close()
  })

  it('is no ambiguous failure when the limit on the whole call is as short', async () => {
    const { url } = await hole()
    expect(await rejection(sender({ url, timeoutMs: 800 }).text({ method: 'GET', path: '/x' }))).toMatchObject({
      name: 'TimeoutError',
      notSent: true,
    })
  })

  it('piles up no sockets, however often it is tried', async () => {
    const { url, connecting } = await hole()
    const send = sender({ url, connectTimeoutMs: 150 })
    const rules = { attempts: 8, factorMs: 1, jitterMs: 1 }
    const transport = withRetry(httpTransport({ send }), { rules })
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, connecting())
    }, 5)
    const errors = await Promise.all(
      Array.from({ length: 10 }, () => rejection(transport.call('searchExperiments', {}))),
    )
    clearInterval(watch)
    expect(new Set(errors.map(({ name }) => name))).toEqual(new Set(['TimeoutError']))
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(10)
    await transport.close()
    await vi.waitFor(() => expect(connecting()).toBe(0), { timeout: 10_000 })
  })

  it('stops no script: a run starts away from it and ends, and what it logged waits on disk', {
    timeout: 60_000,
  }, async () => {
    const { url } = await hole()
    const client = createClient({ trackingUri: url, spoolDir: join(tempDir(), 'spool') })
    closers.push(() => client.close())
    const run = await client.startRun({ experimentName: 'far' })
    for (let i = 0; i < 1000; i++) run.logMetric('loss', i, i)
    await expect(run.flush({ timeoutMs: 100 })).rejects.toThrow()
    const { spooled, inFlight, delivered, refused } = run.stats()
    expect([spooled + inFlight, delivered, refused]).toEqual([1000, 0, 0])
  })

  it('takes the place of a server in the middle of a run, and of the run nothing is missing when that is back', {
    timeout: 90_000,
  }, async () => {
    const dir = tempDir()
    let server = await startTestServer({ dir })
    closers.push(() => server.close())
    const port = Number(new URL(server.url).port)
    const client = createClient({ trackingUri: server.url, spoolDir: join(tempDir(), 'spool') })
    closers.push(() => client.close())
    const run = await client.startRun()
    run.logMetric('loss', 0, 0)
    await run.flush()
    await server.close()
    const { close, connecting } = await blackHole(port)
    for (let i = 1; i < 500; i++) run.logMetric('loss', i, i)
    await vi.waitFor(() => expect(connecting()).toBeGreaterThan(0), { timeout: 20_000 })
    await close()
    server = await startTestServer({ dir, port })
    await run.end()
    const history = await client.getMetricHistory(run.runId, 'loss')
    expect(history.map(({ step }) => step)).toEqual(Array.from({ length: 500 }, (_, step) => step))
  })

  it('holds no process: one that starts, logs and ends goes by itself, and the next delivers what it left', {
    timeout: 90_000,
  }, async () => {
    const cwd = tempDir()
    const { url, close } = await blackHole()
    const port = Number(new URL(url).port)
    const script = `import { startRun, logMetric } from 'CAIRN'
      await startRun({ runName: 'away' })
      for (let i = 0; i < 100; i++) logMetric('loss', i, i)
      console.log('logged')`
    const ended = await child(script, { cwd, built: await built(), env: { MLFLOW_TRACKING_URI: url } })
    expect(ended).toMatchObject({ code: 0, stdout: 'logged\n' })
    expect(ended.stderr).toContain('No connection to')
    await close()
    await using server = await startTestServer({ port })
    const client = createClient({ trackingUri: server.url, spoolDir: join(cwd, 'spool') })
    closers.push(() => client.close())
    const [delivered] = await client.deliverSpool()
    expect(delivered).toMatchObject({ complete: true, refused: 0 })
    const runs = await client.searchRuns()
    expect(runs.map(({ info }) => [info.runName, info.status])).toEqual([['away', 'FINISHED']])
  })
})
