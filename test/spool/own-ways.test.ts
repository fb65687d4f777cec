import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { built } from '../support/built.js'
import { stand } from '../support/spool-child.js'

const COUNT = 30_000
const made: string[] = []
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})

/** The library with another file in the place of the thread's. */
async function withThread(text: string): Promise<string> {
  const whole = dirname(await built())
  const dir = mkdtempSync(join(dirname(whole), 'cairn-ill-'))
  made.push(dir)
  cpSync(whole, dir, { recursive: true })
  writeFileSync(join(dir, 'spool-worker.js'), text)
  return join(dir, 'index.js')
}

it.each([
  ['auth function', "createClient({ auth: () => ({ authorization: 'Bearer x' }) })"],
  [
    'transport',
    `createClient({
      trackingUri: 'mine://server',
      transports: { mine: async (uri, context) => context.openTransport(process.env.MLFLOW_TRACKING_URI) },
    })`,
  ],
])(
  'with an own %s the last point of a burst is kept after which the loop stands still',
  async (_, client) => {
    const at = await stand()
    const log = `const client = ${client}`
    const ended = await at.run(`${log}
    const run = await client.startRun()
    run.logMetric('loss', 0, 0)
    await run.flush()
    for (let step = 1; step <= ${COUNT}; step++) run.logMetric('loss', step, step)
    const until = Date.now() + 500
    while (Date.now() < until) {}
    process.kill(process.pid, 'SIGKILL')`)
    expect(ended.signal).toBe('SIGKILL')
    const next = await at.run(`${log}; const all = await client.deliverSpool(); await client.close()
    console.log(all.map(({ complete }) => complete).join())`)
    expect(next.stdout).toBe('true\n')
    const { steps, twice } = await at.outcome(ended)
    expect([steps.length, steps.at(-1), twice]).toEqual([COUNT + 1, COUNT, 0])
    await at.stop()
  },
  60_000,
)

it('with an own auth function what another thread wrote down is sent when the loop turns again, run by run', async () => {
  const at = await stand()
  const ended = await at.run(`const client = createClient({ auth: () => ({ authorization: 'Bearer x' }) })
    for (let n = 0; n < 3; n++) {
      const run = await client.startRun()
      for (let step = 0; step < ${COUNT}; step++) run.logMetric('k' + (step % 7), step, step)
      const until = Date.now() + 100
      while (Date.now() < until) {}
      while (run.stats().delivered < ${COUNT}) await new Promise((later) => setTimeout(later, 10))
      await run.end()
      console.log(run.stats().delivered)
    }`)
  expect(ended).toMatchObject({ code: 0, stdout: `${COUNT}\n`.repeat(3), stderr: '' })
  expect(at.left()).toEqual([])
  await at.stop()
}, 60_000)

it('with an own auth function all is there when the other thread has ended, which is told once', async () => {
  const at = await stand()
  const ended = await at.run(
    `const client = createClient({ auth: () => ({ authorization: 'Bearer x' }) })
    const runs = [await client.startRun(), await client.startRun()]
    for (let step = 0; step < ${COUNT}; step++) for (const run of runs) run.logMetric('loss', step, step)
    await new Promise((later) => setTimeout(later, 300))
    for (let step = ${COUNT}; step < ${2 * COUNT}; step++) for (const run of runs) run.logMetric('loss', step, step)
    for (const run of runs) { await run.end(); console.log(run.stats().delivered) }`,
    { built: await withThread("throw new Error('ill')") },
  )
  expect(ended).toMatchObject({ code: 0, stdout: `${2 * COUNT}\n`.repeat(2) })
  expect(ended.stderr.match(/\(ill\)/g)).toHaveLength(1)
  expect(at.left()).toEqual([])
  await at.stop()
}, 60_000)

it('with an own auth function a process that goes at once leaves all on disk', async () => {
  const at = await stand()
  const ended = await at.run(`const client = createClient({ auth: () => ({ authorization: 'Bearer x' }) })
    const run = await client.startRun()
    for (let step = 0; step < ${COUNT}; step++) run.logMetric('loss', step, step)
    process.exit(0)`)
  expect(ended.code).toBe(0)
  await at.replay()
  const { steps, twice, status } = await at.outcome(ended)
  expect([steps.length, twice, status]).toEqual([COUNT, 0, 'FINISHED'])
  await at.stop()
}, 60_000)

it('what another process had left is delivered also by one whose thread has ended', async () => {
  const at = await stand()
  await at.stop()
  const killed = await at.run(`await startRun(); logMetric('loss', 0, 0); process.kill(process.pid, 'SIGKILL')`)
  expect(killed.signal).toBe('SIGKILL')
  const [old] = at.left()
  await at.start()
  const ended = await at.run(
    `import { readdirSync } from 'node:fs'
    await startRun()
    const isLeft = () => readdirSync('spool', { recursive: true }).some((name) => name.endsWith(${JSON.stringify(old)}))
    const until = Date.now() + 20_000
    while (isLeft() && Date.now() < until) await new Promise((later) => setTimeout(later, 10))
    console.log(isLeft())
    await endRun()`,
    { built: await withThread("throw new Error('ill')"), env: { CAIRN_SPOOL_DIR: at.spoolDir } },
  )
  expect(ended).toMatchObject({ code: 0, stdout: 'false\n' })
  expect(at.left()).toEqual([])
  await at.stop()
}, 60_000)
