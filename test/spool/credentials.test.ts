import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient, UnauthenticatedError } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { built } from '../support/built.js'
import { child, type Ended } from '../support/child.js'
import { linearModule } from '../support/linear-models.js'
import { stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Runs a script against a server that, once the script says `started`, takes another token: the script is told to go on then. */
async function movedOn(script: string): Promise<{ readonly ended: Ended; readonly url: string }> {
  const dir = tempDir()
  let server = await startTestServer({ credentials: { token: 'old' }, dir })
  const { url } = server
  closers.push(() => server.close())
  let isMoved = false
  const ended = await child(script, {
    cwd: tempDir(),
    built: await built(),
    env: { MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_TOKEN: 'old' },
    onStdout: (all, _, write) => {
      if (isMoved || !all.includes('started')) return
      isMoved = true
      return server.close().then(async () => {
        server = await startTestServer({ credentials: { token: 'new' }, port: Number(new URL(url).port), dir })
        write('go\n')
      })
    },
  })
  return { ended, url }
}

it('goes on with new credentials from the environment when the old ones are taken no more', async () => {
  const script = `import { startRun, logMetric, endRun } from 'CAIRN'
    const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
    console.log('started')
    await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
    for (let i = 1; i < 100; i++) logMetric('loss', i, i)
    await new Promise((later) => setTimeout(later, 700))
    console.log(run.stats().delivered)
    process.env.MLFLOW_TRACKING_TOKEN = 'new'
    await run.flush()
    console.log(run.stats().delivered, run.stats().refused)
    await endRun()`
  const { ended } = await movedOn(script)
  expect(ended).toMatchObject({ code: 0, stdout: 'started\n1\n100 0\n' })
})

it('keeps files, inputs and models while its credentials are taken no more, and sends them with new ones', async () => {
  const script = `import { startRun, logText, logTable, logInput, logModel, endRun } from 'CAIRN'
    const run = await startRun()
    await logTable({ a: [1] }, 't.json')
    console.log('started')
    await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
    await logText('hello', 'a.txt')
    await logInput({ name: 'rows', source: 'here' })
    await logTable({ a: [2] }, 't.json')
    await logModel(${JSON.stringify(linearModule())}, { name: 'net', flavor: 'node' })
    console.log('kept')
    process.env.MLFLOW_TRACKING_TOKEN = 'new'
    await run.flush()
    console.log(run.stats().refused)
    await endRun()`
  const { ended, url } = await movedOn(script)
  expect(ended).toMatchObject({ code: 0, stdout: 'started\nkept\n0\n' })
  expect(ended.stderr.match(/MLFLOW_TRACKING_TOKEN.*What is kept is sent when that has changed/g)).toHaveLength(1)
  const client = createClient({ trackingUri: url, auth: { token: 'new' } })
  const [run] = await client.searchRuns()
  const { runId } = run!.info
  const text = async (path: string) =>
    readFile(await client.downloadArtifacts(`runs:/${runId}/${path}`, { dstPath: tempDir() }), 'utf8')
  expect(await text('a.txt')).toBe('hello')
  expect(JSON.parse(await text('t.json'))).toEqual({ columns: ['a'], data: [[1], [2]] })
  expect(run).toMatchObject({
    info: { status: 'FINISHED' },
    inputs: { datasetInputs: [{ dataset: { name: 'rows' } }] },
  })
  expect(await client.searchLoggedModels({ experimentIds: ['0'] })).toMatchObject([{ name: 'net', status: 'READY' }])
  await client.close()
})

it('throws at the call when another server, the registry, takes its credentials no more: no run waits for those', async () => {
  await using server = await startTestServer()
  await using registry = await startTestServer()
  registry.faults.add({ on: 'createRegisteredModel', status: 401, times: Infinity })
  const uris = { trackingUri: server.url, registryUri: registry.url }
  const client = createClient({ ...uris, spoolDir: join(tempDir(), 'spool') })
  const run = await client.startRun()
  const logged = run.logModel(linearModule(), { name: 'net', flavor: 'node', registeredModelName: 'far' })
  await expect(logged).rejects.toThrow(UnauthenticatedError)
  await run.end()
  const models = await client.searchLoggedModels({ experimentIds: ['0'] })
  expect(models).toMatchObject([{ name: 'net', status: 'READY' }])
  expect((await client.getRun(run.runId)).info.status).toBe('FINISHED')
  await client.close()
})

describe('what lies on the way to the server, and is no judgement on what was logged', () => {
  const BODY = `import { createClient } from 'CAIRN'
    const client = createClient({ auth: (request) => { if (request.url.includes('log-batch')) globalThis.asked = (globalThis.asked ?? 0) + 1; return ANSWER } })
    const run = await client.startRun(); for (let i = 0; i < 100; i++) run.logMetric('loss', i, i); run.logParam('p', 1)
    await run.flush({ timeoutMs: 10_000 })
    console.log(run.stats().delivered, run.stats().refused); await run.end(); await client.close()`

  it.each([
    ['a header that cannot be sent', "globalThis.asked % 4 ? { authorization: 'a\\nb' } : {}"],
    ['no headers at all', "globalThis.asked % 4 ? 'x' : {}"],
    ['an error', "globalThis.asked % 4 ? (() => { throw new TypeError('x') })() : {}"],
  ])('a function of the user’s that gives %s for a while', async (_, answer) => {
    const server = await startTestServer()
    const ended = await child(BODY.replace('ANSWER', answer), {
      cwd: tempDir(),
      built: await built(),
      env: { MLFLOW_TRACKING_URI: server.url },
    })
    expect(ended).toMatchObject({ code: 0, stdout: '101 0\n' })
    await server.close()
  })

  it.each([
    ['a certificate that is not there', { MLFLOW_TRACKING_SERVER_CERT_PATH: '/nowhere/ca.pem' }],
    ['a proxy of another kind', { http_proxy: 'gopher://127.0.0.1:1', NO_PROXY: '', no_proxy: '' }],
    ['a token that no header can carry', { MLFLOW_TRACKING_TOKEN: 'tök€n' }],
  ])('%s, when what was left is delivered', async (_, env) => {
    const at = await stand()
    const ended = await at.run(
      `await startRun(); for (let i = 0; i < 500; i++) logMetric('loss', i, i)
       await new Promise((later) => setTimeout(later, 20)); process.kill(process.pid, 'SIGKILL')`,
    )
    await at.run(
      `const client = createClient(); console.log(JSON.stringify(await client.deliverSpool({ patienceMs: 1500 }))); await client.close()`,
      { env },
    )
    expect(at.left()).toHaveLength(1)
    await at.replay()
    expect((await at.outcome(ended)).steps).toHaveLength(500)
    expect(at.left()).toEqual([])
    await at.stop()
  })
})
