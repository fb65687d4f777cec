import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { stand } from '../support/spool-child.js'

const COUNT = 60_000
/** Logged when all that has arrived: there is room for it. */
const LATER = 10_000
/** About a third of what is logged while the server is away. */
const MOST = 500_000

it('a spool that holds as much as it may says so once, keeps the rest in memory, and goes on when there is room', async () => {
  const at = await stand()
  let most = 0
  const size = () =>
    readdirSync(at.spoolDir, { recursive: true, encoding: 'utf8' }).reduce(
      (sum, name) =>
        sum + (/log-\d{8}$/.test(name) ? (statSync(join(at.spoolDir, name), { throwIfNoEntry: false })?.size ?? 0) : 0),
      0,
    )
  const ended = await at.run(
    `const run = await startRun(); logMetric('loss', 0, 0); await run.flush(); console.log('started')
     await new Promise((go) => process.stdin.once('data', go))
     for (let i = 1; i < ${COUNT}; i++) { logMetric('loss', i, i); if (i % 1000 === 0) await new Promise((later) => setTimeout(later, 2)) }
     setTag('while', 'full')
     console.log('logged ' + JSON.stringify(run.stats()))
     await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
     await run.flush({ timeoutMs: 20_000 })
     for (let i = ${COUNT}; i < ${COUNT + LATER}; i++) logMetric('loss', i, i)
     await run.flush({ timeoutMs: 20_000 })
     console.log('all ' + JSON.stringify(run.stats()))
     await endRun()`,
    {
      env: { CAIRN_SPOOL_MAX_BYTES: String(MOST) },
      onStdout: (() => {
        let stage = 0
        return (all, _, write) => {
          if (stage === 0 && all.includes('started')) {
            stage = 1
            void at.stop().then(() => write('go\n'))
          } else if (stage === 1 && all.includes('logged')) {
            stage = 2
            most = size()
            void at.start().then(() => write('go\n'))
          }
        }
      })(),
    },
  )
  const told = (word: string) =>
    JSON.parse(new RegExp(`^${word} (.*)$`, 'm').exec(ended.stdout)?.[1] ?? '{}') as Record<string, number>
  expect(most).toBeGreaterThan(MOST / 2)
  expect(most).toBeLessThanOrEqual(MOST + 100_000)
  expect(told('logged').queued).toBeGreaterThan(COUNT / 3)
  expect(told('logged').refused).toBe(0)
  expect(told('all')).toMatchObject({ delivered: COUNT + LATER + 1, refused: 0, spooled: 0, queued: 0 })
  const seen = await at.outcome(ended)
  expect(seen).toMatchObject({ twice: 0, status: 'FINISHED', code: 0 })
  expect(seen.steps).toHaveLength(COUNT + LATER)
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
