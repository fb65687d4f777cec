import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { stand } from '../support/spool-child.js'

const COUNT = 60_000
/** About a third of what is logged while the server is away. */
const MOST = 500_000

type Write = (text: string) => void

/** Does something the first time that a word is said. */
function once(word: string, act: (write: Write) => Promise<void> | void) {
  let isDone = false
  return (all: string, write: Write): Promise<void> | void => {
    if (isDone || !all.includes(word)) return
    isDone = true
    return act(write)
  }
}

it('a spool that holds as much as it may says so once, keeps the rest in memory, and goes on when there is room', async () => {
  const at = await stand()
  let most = 0
  const size = () =>
    readdirSync(at.spoolDir, { recursive: true, encoding: 'utf8' }).reduce(
      (sum, name) =>
        sum + (/log-\d{8}$/.test(name) ? (statSync(join(at.spoolDir, name), { throwIfNoEntry: false })?.size ?? 0) : 0),
      0,
    )
  const started = once('started', (write) => at.stop().then(() => write('away')))
  const logged = once('logged', (write) => {
    most = size()
    return at.start().then(() => write('back'))
  })
  const ended = await at.run(
    `let heard = ''
     process.stdin.on('data', (text) => { heard += text })
     const until = async (word, act = () => {}) => {
       while (!heard.includes(word)) { act(); await new Promise((later) => setTimeout(later, 20)) }
     }
     const run = await startRun(); logMetric('loss', 0, 0); await run.flush(); console.log('started')
     await until('away')
     let i = 1
     for (; i < ${COUNT}; i++) { logMetric('loss', i, i); if (i % 1000 === 0) await new Promise((later) => setTimeout(later, 2)) }
     setTag('while', 'full')
     console.log('logged ' + JSON.stringify(run.stats()))
     await until('back')
     await run.flush({ timeoutMs: 20_000 })
     // All that has arrived, so there is room again, which is seen when it is looked for again.
     await until('room', () => { for (const end = i + 100; i < end; i++) logMetric('loss', i, i) })
     process.stdin.destroy()
     await run.flush({ timeoutMs: 20_000 })
     console.log('all ' + JSON.stringify({ ...run.stats(), logged: i }))
     await endRun()`,
    {
      env: { CAIRN_SPOOL_MAX_BYTES: String(MOST) },
      onStderr: once('The spool takes what is logged again', (write) => write('room')),
      onStdout(all, _, write) {
        return started(all, write) ?? logged(all, write)
      },
    },
  )
  const told = (word: string) =>
    JSON.parse(new RegExp(`^${word} (.*)$`, 'm').exec(ended.stdout)?.[1] ?? '{}') as Record<string, number>
  expect(most).toBeGreaterThan(MOST / 2)
  expect(most).toBeLessThanOrEqual(MOST + 100_000)
  expect(told('logged').queued).toBeGreaterThan(COUNT / 3)
  expect(told('logged').refused).toBe(0)
  const { logged: count = Number.NaN } = told('all')
  expect(told('all')).toMatchObject({ delivered: count + 1, refused: 0, spooled: 0, queued: 0 })
  const seen = await at.outcome(ended)
  expect(seen).toMatchObject({ twice: 0, status: 'FINISHED', code: 0 })
  expect(seen.steps).toHaveLength(count)
  expect(seen.tags.while).toBe('full')
  expect(ended.stderr.match(/may hold .* \(CAIRN_SPOOL_MAX_BYTES\)/g)).toHaveLength(1)
  expect(ended.stderr.match(/spool takes what is logged again/g)).toHaveLength(1)
  expect(at.left()).toEqual([])
  await at.stop()
}, 60_000)

it('a spool that may hold nothing sends all straight to the server', async () => {
  const at = await stand()
  const body = `await startRun(); for (let i = 0; i < 3000; i++) logMetric('loss', i, i); logParam('p', 1); await endRun()`
  const ended = await at.run(body, { env: { CAIRN_SPOOL_MAX_BYTES: '0' } })
  const seen = await at.outcome(ended)
  expect(seen).toMatchObject({ twice: 0, status: 'FINISHED', code: 0, params: { p: '1' } })
  expect(seen.steps).toHaveLength(3000)
  await at.stop()
})

it('a process that exits while its spool is full delivers what waits in memory, as room comes free', async () => {
  const at = await stand()
  const body = `const run = await startRun(); for (let i = 0; i < 20_000; i++) logMetric('loss', i, i); logParam('p', 1); process.exit(0)`
  const ended = await at.run(body, { env: { CAIRN_SPOOL_MAX_BYTES: '200000' } })
  const seen = await at.outcome(ended)
  expect(seen).toMatchObject({ twice: 0, status: 'FINISHED', code: 0, params: { p: '1' } })
  expect(seen.steps).toHaveLength(20_000)
  expect(ended.stderr).not.toMatch(/lost$|kept on disk|may have arrived/m)
  expect(at.left()).toEqual([])
  await at.stop()
})

it('a process that exits tells what was sent and not answered apart from what is lost', async () => {
  const at = await stand()
  const ended = await at.run(
    `const run = await startRun(); await run.flush(); console.log('begun')
     await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
     for (let i = 0; i < 700; i++) run.logMetric('loss', i, i)
     while (run.stats().inFlight === 0) await new Promise((later) => setTimeout(later, 5))
     await new Promise((later) => setTimeout(later, 100))
     const { inFlight } = run.stats()
     for (let i = 0; i < 300; i++) run.logMetric('loss', i, 700 + i)
     console.log('sent ' + inFlight); process.exit(0)`,
    {
      env: { CAIRN_SPOOL_MAX_BYTES: '0' },
      onStdout(all, _, write) {
        if (all !== 'begun\n') return
        at.server!.faults.add({ on: 'logBatch', delayMs: 600_000 })
        write('go')
      },
    },
  )
  const sent = Number(/sent (\d+)/.exec(ended.stdout)?.[1])
  expect(sent).toBeGreaterThan(0)
  expect(ended.stderr).toContain(
    `: ${1000 - sent} could not be written to disk and are lost, ${sent} sent and not answered, which may have arrived`,
  )
  await at.stop()
})

const GONE = `rmSync(process.env.CAIRN_SPOOL_DIR, { recursive: true }); writeFileSync(process.env.CAIRN_SPOOL_DIR, '')`

it.each([
  ['its own thread delivers', 'auth: async () => ({})', '', '0'],
  ['the folder is gone, and a file in its place', '', GONE, '100000000'],
])('a process that exits does not look for room where nothing can make any: %s', async (_, auth, act, most) => {
  const at = await stand()
  const ended = await at.run(
    `import { rmSync, writeFileSync } from 'node:fs'
     const run = await createClient({ ${auth} }).startRun()
     await run.flush()
     ${act}
     let looks = 0
     const { wait } = Atomics
     // Who waits for the other thread shares more than one number with it.
     Atomics.wait = (of, ...more) => { if (of.length === 1) looks++; return wait(of, ...more) }
     process.on('exit', () => console.log('looks ' + looks))
     for (let i = 0; i < 1000; i++) run.logMetric('loss', i, i)
     process.exit(0)`,
    { env: { CAIRN_SPOOL_MAX_BYTES: most } },
  )
  expect(ended.stdout).toContain('looks 0')
  await at.stop()
})
