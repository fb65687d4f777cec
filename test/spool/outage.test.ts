import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { distantOutage, outageOf } from '../../src/spool/outage.js'
import { startTestServer } from '../../src/testing/index.js'
import { rejection } from '../support/answering.js'
import { type Stand, stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

const stands: Stand[] = []
afterEach(async () => {
  for (const at of stands.splice(0)) await at.stop()
})

/** What a child can say: that the server goes or comes, which is done when it goes on; that a delivery has failed. */
const WORDS = `
  const server = async (does) => {
    const done = new Promise((resolve) => process.stdin.once('data', resolve))
    console.log(does)
    await done
  }
  const failed = (client) => new Promise((resolve) => { const off = client.on('retry', () => { off(); resolve() }) })
  const logger = () => {
    const lines = []
    const line = (level) => (message) => void lines.push({ level, message })
    return { lines, debug() {}, info: line('info'), warn: line('warn'), error: line('error') }
  }
`

/** Runs a child whose server goes and comes as it says; answers the lines of the default logger, of each level. */
async function told(body: string) {
  const at = await stand()
  stands.push(at)
  let heard = 0
  const ended = await at.run(`${WORDS}${body}\nprocess.exit(0)`, {
    env: { CAIRN_LOG_LEVEL: 'info' },
    onStdout(all, _, write) {
      const words = all.split('\n').slice(0, -1)
      // It waits for what it asked for before it says more.
      const asked = words.slice(heard).find((word) => word === 'stop' || word === 'start')
      heard = words.length
      if (asked) return at[asked]().then(() => write('done'))
    },
  })
  expect(ended.code).toBe(0)
  const lines = ended.stderr.split('\n').filter((line) => line.startsWith('{'))
  const all = lines.map((line) => JSON.parse(line) as { level: number; msg: string })
  const at40 = all.filter(({ level }) => level >= 40).map(({ msg }) => msg)
  const at30 = all.filter(({ level }) => level === 30).map(({ msg }) => msg)
  return { warnings: at40, infos: at30, stdout: ended.stdout }
}

it('calls that are tried again for long say so with one warning, and one line when the server answers', async () => {
  await using server = await startTestServer()
  const warnings: string[] = []
  const logger = { debug() {}, info() {}, warn: (text: string) => void warnings.push(text), error() {} }
  const client = createClient({ trackingUri: server.url, spoolDir: join(tempDir(), 'spool'), logger })
  for (const nth of [1, 2]) {
    server.faults.add({ status: 502, headers: { 'retry-after': '6' }, times: Infinity })
    const given = new AbortController()
    const { signal } = given
    const calls = [client.createRegisteredModel('model', { signal }), client.getExperiment('0', { signal })]
    await expect.poll(() => server.requests.length % 3).toBe(2)
    await expect.poll(() => warnings.length).toBe(2 * nth - 1)
    given.abort()
    for (const call of calls) await rejection(call)
    server.faults.clear()
    await client.getExperiment('0')
  }
  const held =
    /does not take \w+, which is tried again up to 7 times \(MLFLOW_HTTP_REQUEST_MAX_RETRIES\).*502 by script/
  const told = [expect.stringMatching(held), `${server.url} answers again`]
  expect(warnings).toEqual([...told, ...told])
  await client.close()
})

it('what calls and runs meet alike is one outage, and no answer to a call ends it for runs', () => {
  const warnings: string[] = []
  const outage = outageOf('http://server', { info() {}, warn: (text) => void warnings.push(text) })
  const over = outage.heldUp('call')
  outage.down('run')
  over()
  outage.answered()
  outage.heldUp('call')()
  outage.up()
  expect(warnings).toEqual([
    'call. What runs log meanwhile is kept on disk and sent later',
    expect.stringMatching(/^http:\/\/server takes what is logged again/),
  ])
})

it('what only calls have met is over when none of them is held up and one is answered, whatever runs hear', () => {
  const warnings: string[] = []
  const outage = outageOf('http://other', { info() {}, warn: (text) => void warnings.push(text) })
  const thread = distantOutage(outage.nth, outage)
  const calls = [outage.heldUp('first'), outage.heldUp('second')]
  for (const over of calls) {
    thread.up()
    outage.up()
    outage.answered()
    expect(warnings).toEqual(['first. What runs log meanwhile is kept on disk and sent later'])
    over()
  }
  thread.up()
  outage.heldUp('third')()
  expect(warnings).toHaveLength(1)
  outage.answered()
  outage.answered()
  expect(warnings.slice(1)).toEqual(['http://other answers again'])
  outage.heldUp('fourth')()
  outage.down('run')
  thread.up()
  const told = [/^fourth/, /^run.*npx cairn-ml sync$/, /takes what is logged again/]
  expect(warnings.slice(2)).toEqual(told.map((text) => expect.stringMatching(text)))
})

describe('an outage is one warning', () => {
  it.each([1, 3])('of %d runs that start in it, each of which is named', async (count) => {
    const { warnings, infos, stdout } = await told(`
      await server('stop')
      const client = createClient()
      const met = failed(client)
      for (let i = 0; i < ${count}; i++) {
        const run = await client.startRun()
        run.logMetric('loss', 1)
        console.log('run ' + run.runId)
      }
      await met`)
    expect(warnings).toEqual([expect.stringMatching(/server is away.*kept on disk.*npx cairn-ml sync$/)])
    const ids = [...stdout.matchAll(/^run (\w+)$/gm)].map(([, id]) => id ?? '')
    expect(ids).toHaveLength(count)
    for (const id of ids) expect([...warnings, ...infos].filter((line) => line.includes(id))).toHaveLength(1)
    expect(infos.filter((line) => line.includes('does not take what is logged'))).toHaveLength(1)
  })

  it('of an experiment, a run, its file and its child', async () => {
    const { warnings } = await told(`
      await server('stop')
      const client = createClient()
      const met = failed(client)
      await client.setExperiment('far')
      const run = await client.startRun()
      await run.logText('x', 'a.txt')
      const child = await client.startRun({ parentRunId: run.runId })
      child.logMetric('loss', 1)
      await met`)
    expect(warnings).toEqual([expect.stringContaining('npx cairn-ml sync')])
  })

  it('of two clients of one server', async () => {
    const { warnings } = await told(`
      await server('stop')
      const clients = [createClient(), createClient()]
      const met = clients.map(failed)
      for (const client of clients) (await client.startRun()).logMetric('loss', 1)
      await Promise.all(met)`)
    expect(warnings).toHaveLength(1)
  })

  it('for each logger of two clients', async () => {
    const { warnings, stdout } = await told(`
      await server('stop')
      const loggers = [logger(), logger()]
      const clients = loggers.map((logger) => createClient({ logger }))
      const met = clients.map(failed)
      for (const client of clients) (await client.startRun()).logMetric('loss', 1)
      await Promise.all(met)
      console.log('counts ' + loggers.map(({ lines }) => lines.filter(({ level }) => level === 'warn').length))`)
    expect(stdout).toContain('counts 1,1')
    expect(warnings).toEqual([])
  })

  it('of a run with a file, and one line when it is over; the next one warns again', async () => {
    const { warnings } = await told(`
      const client = createClient()
      const run = await client.startRun()
      await run.flush()
      for (const path of ['a.txt', 'b.txt']) {
        await server('stop')
        const met = failed(client)
        run.logMetric('loss', 1)
        await run.logText('x', path)
        await met
        await server('start')
        await run.flush()
      }
      await run.end()`)
    const back = expect.stringContaining('takes what is logged again')
    const gone = expect.stringContaining('npx cairn-ml sync')
    expect(warnings).toEqual([gone, back, gone, back])
  })

  it('that is over though only the start of a run had met it', async () => {
    const { warnings } = await told(`
      const client = createClient()
      for (const _ of [1, 2]) {
        await server('stop')
        const run = await client.startRun()
        await server('start')
        await run.end()
      }`)
    expect(warnings.map((line) => /npx cairn-ml sync/.test(line))).toEqual([true, false, true, false])
  })

  it('that another client finds to be over', async () => {
    const { warnings } = await told(`
      await server('stop')
      const first = createClient()
      await first.startRun()
      const closing = first.close().catch(() => {})
      await server('start')
      await closing
      const second = createClient()
      const run = await second.startRun()
      run.logMetric('loss', 1)
      await run.end()
      await server('stop')
      await second.startRun()`)
    expect(warnings.map((line) => /npx cairn-ml sync/.test(line))).toEqual([true, false, true])
  })
})

it('a server that asked to come later is none: what is logged after that goes straight there', async () => {
  const at = await stand()
  stands.push(at)
  at.server?.faults.add({ on: 'logBatch', status: 429, headers: { 'retry-after': '0' }, times: 1 })
  const ended = await at.run(`
    const client = createClient()
    const run = await client.startRun()
    const told = []
    for (const event of ['spooled', 'recovered', 'retry']) client.on(event, () => told.push(event))
    run.logMetric('loss', 1)
    await run.flush()
    await run.logText('x', 'a.txt')
    await run.end()
    console.log('told ' + told)`)
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout).toContain('told retry\n')
})
