import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { type ChildOptions, child } from '../support/child.js'
import { tempDir } from '../support/temp-dir.js'

/** Runs a script that logs, and reads what its run came to. */
async function outcome(body: string, options: Partial<ChildOptions> = {}) {
  const cwd = options.cwd ?? tempDir()
  const ended = await child(
    `import { startRun, endRun, logMetric, logParam, setTag, activeRun } from 'CAIRN'\n${body}`,
    {
      ...options,
      cwd,
    },
  )
  const client = createClient({ trackingUri: join(cwd, 'mlruns') })
  const runs = await client.searchRuns({ orderBy: ['start_time ASC'] })
  const run = runs[0]
  const points = run ? await client.getMetricHistory(run.info.runId, 'loss').catch(() => []) : []
  return { ...ended, status: run?.info.status, endTime: run?.info.endTime, runs, run, points: points.length, cwd }
}

const LOG =
  "await startRun({ runName: 'r' }); for (let i = 0; i < 2500; i++) logMetric('loss', i, i); logParam('p', 1);"
const WAIT = 'setInterval(() => {}, 1000)'
const killWith = (signal: NodeJS.Signals) => ({
  onStdout: (all: string, kill: (signal: NodeJS.Signals) => void) => {
    if (all.includes('ready')) kill(signal)
  },
})

describe('a process that ends with its run open', () => {
  it.each([
    ['at its natural end', LOG, {}, 'FINISHED', 0],
    ['by process.exit(0)', `${LOG} process.exit(0)`, {}, 'FINISHED', 0],
    ['by process.exit(3)', `${LOG} process.exit(3)`, {}, 'FAILED', 3],
    ['with process.exitCode set', `${LOG} process.exitCode = 2`, {}, 'FAILED', 2],
    ['at an await that never settles', `${LOG} await new Promise(() => {})`, {}, 'FAILED', 13],
    ['by an uncaught error', `${LOG} throw new Error('boom')`, {}, 'FAILED', 1],
    ['by an unhandled rejection', `${LOG} void Promise.reject(new Error('boom'))`, {}, 'FAILED', 1],
    ['with an end that was not awaited', `${LOG} void endRun('KILLED'); process.exit(0)`, {}, 'KILLED', 0],
  ])('%s has all its points and its status', async (_, body, options, status, code) => {
    const ended = await outcome(body, options)
    expect(ended).toMatchObject({ status, code, points: 2500 })
    expect(ended.run?.data.params).toEqual({ p: '1' })
    expect(ended.endTime).toBeGreaterThan(0)
    if (/boom/.test(body)) expect(ended.stderr).toContain('boom')
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('by %s is KILLED, and so is the process', async (signal) => {
    const ended = await outcome(`${LOG} console.log('ready'); ${WAIT}`, killWith(signal))
    expect(ended).toMatchObject({ status: 'KILLED', signal, points: 2500 })
  })

  it('leaves a signal that someone else handles to them', async () => {
    const body = `process.on('SIGTERM', () => { logMetric('loss', -1, 9999); console.log('mine'); process.exit(7) })
      ${LOG} console.log('ready'); ${WAIT}`
    const ended = await outcome(body, killWith('SIGTERM'))
    expect(ended).toMatchObject({ status: 'KILLED', code: 7, points: 2501 })
    expect(ended.stdout).toContain('mine')
  })

  it.each([
    ['at once', `process.on('SIGTERM', () => process.exit(0))`, 'KILLED'],
    [
      'after its own clean-up',
      `process.on('SIGTERM', async () => { await new Promise((go) => setTimeout(go, 50)); process.exit(0) })`,
      'KILLED',
    ],
    ['by letting it end', `process.on('SIGTERM', () => clearInterval(waiting))`, 'FINISHED'],
  ])('by a handler that ends it %s', async (_, handler, status) => {
    const body = `${handler}; ${LOG} const waiting = ${WAIT}; console.log('ready')`
    expect(await outcome(body, killWith('SIGTERM'))).toMatchObject({ status, code: 0, points: 2500 })
  })

  it('forgets a handled signal with the last run that was open then', async () => {
    const body = `process.once('SIGHUP', async () => { await endRun(); await startRun(); process.exit(0) })
      ${LOG} console.log('ready'); ${WAIT}`
    const ended = await outcome(body, killWith('SIGHUP'))
    expect(ended.runs.map(({ info }) => info.status)).toEqual(['FINISHED', 'FINISHED'])
  })

  it.each([
    ['process.exit(7)', 7],
    ["throw new Error('mine')", 3],
  ])('by an exit handler from before its run that cuts the exit short: %s', async (act, code) => {
    const body = `process.on('exit', () => { ${act} }); ${LOG} process.exit(3)`
    expect(await outcome(body)).toMatchObject({ status: 'FAILED', code, points: 2500 })
  })

  it('takes what an exit handler from before its run logs, and the end it asks for', async () => {
    const body = `process.on('exit', () => { logMetric('loss', -1, 9999); setTag('t', 'late'); void endRun('FAILED') })
      ${LOG} process.exit(0)`
    const ended = await outcome(body)
    expect(ended).toMatchObject({ status: 'FAILED', code: 0, points: 2501 })
    expect(ended.run?.data.tags).toMatchObject({ t: 'late' })
  })

  it.each([
    ['an exit handler', `process.on('exit', () => logMetric('loss', -1, 9999))`, 2501],
    ['a handler of its natural end', `process.on('beforeExit', () => logMetric('loss', -1, 9999))`, 2501],
    [
      'a handler that has it go on',
      `let n = 0; process.on('beforeExit', () => { if (n++ < 3) setTimeout(() => logMetric('loss', -1, 9999 + n), 20) })`,
      2503,
    ],
  ])('at its natural end takes what %s logs', async (_, handler, points) => {
    const ended = await outcome(`${LOG} ${handler}`)
    expect(ended).toMatchObject({ code: 0, status: 'FINISHED', points })
    expect(ended.stderr).not.toMatch(/lost/)
  })

  it('takes no signal once its run has ended', async () => {
    const body = `${LOG} await endRun(); console.log('listeners', process.listenerCount('SIGTERM'));
      console.log('ready'); ${WAIT}`
    const ended = await outcome(body, killWith('SIGTERM'))
    expect(ended).toMatchObject({ status: 'FINISHED', signal: 'SIGTERM' })
    expect(ended.stdout).toContain('listeners 0')
  })

  it('keeps what was logged in a loop that never yields', async () => {
    const body = `const run = await startRun(); for (let i = 0; i < 300_000; i++) run.logMetric('loss', i, i)
      console.log(run.stats().delivered > 290_000, process.memoryUsage().rss < 400e6); process.exit(0)`
    const ended = await outcome(body)
    expect(ended).toMatchObject({ status: 'FINISHED', points: 300_000 })
    expect(ended.stdout).toContain('true true')
  })
})

describe('a scoped run', () => {
  it('fails when its function throws, and gives the error back untouched', async () => {
    const body = `const error = new TypeError('mine')
      const caught = await startRun({}, () => { logMetric('loss', 1); throw error }).catch((e) => e)
      console.log(caught === error)`
    const ended = await outcome(body)
    expect(ended).toMatchObject({ status: 'FAILED', code: 0, points: 1 })
    expect(ended.stdout).toContain('true')
  })

  it('says at its end where to look, once, and is silent when told so', async () => {
    const body = "await startRun({ runName: 'r' }, () => 1)"
    const spoken = await outcome(body)
    expect(spoken.stderr).toMatch(/^cairn: run r: npx cairn-ml runs show [0-9a-f]{32} --tracking-uri \S+\n$/)
    const silent = await outcome(body, { env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' } })
    expect(silent.stderr).toBe('')
  })

  it('never throws because delivery failed, but says so and counts it', async () => {
    const body = `import { rmSync } from 'node:fs'
      let held
      const value = await startRun({}, (run) => { held = run; run.logMetric('loss', 1); rmSync('mlruns', { recursive: true }); return 5 })
      console.log(value, held.stats().refused)`
    const ended = await outcome(body)
    expect(ended.code).toBe(0)
    expect(ended.stdout).toContain('5 1')
    expect(ended.stderr).toMatch(/cairn: run [0-9a-f]{32}: 1 refused/)
  })
})

describe('a run that several processes share', () => {
  it('is ended only by the one that made it', async () => {
    const cwd = tempDir()
    const body = `const run = await startRun(); console.log(run.runId); await run.flush(); setInterval(() => {}, 1000)`
    const first = outcome(body, {
      cwd,
      onStdout: (all, kill) => {
        const runId = /[0-9a-f]{32}/.exec(all)?.[0]
        if (runId === undefined) return
        const env = { MLFLOW_RUN_ID: runId }
        return child(
          "import { startRun, logMetric } from 'CAIRN'; await startRun(); logMetric('loss', 1); console.log(process.env.MLFLOW_RUN_ID)",
          { cwd, env },
        )
          .then(async (second) => {
            expect(second).toMatchObject({ code: 0, stdout: 'undefined\n' })
            const { info } = await createClient({ trackingUri: join(cwd, 'mlruns') }).getRun(runId)
            expect(info.status).toBe('RUNNING')
          })
          .finally(() => kill('SIGTERM'))
      },
    })
    expect(await first).toMatchObject({ status: 'KILLED', points: 1 })
  })
})
