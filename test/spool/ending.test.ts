import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { built } from '../support/built.js'
import { killWhen, stand } from '../support/spool-child.js'

const LOG =
  "await startRun({ runName: 'r' }); for (let i = 0; i < 2500; i++) logMetric('loss', i, i); logParam('p', 1); setTag('t', 'x');"
const WAIT = 'setInterval(() => {}, 1000)'
const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const whole = { steps: range(2500), twice: 0, params: { p: '1' }, runs: 1 }

/** Version 3 as far as a listener of signals can tell: one for each load, counted, that acts when there are no others. */
const SIGNAL_EXIT_3 = `
  const emitter = process.__signal_exit_emitter__ = { count: 1 }
  const theirs = (signal) => {
    if (process.listeners(signal).length !== emitter.count) return
    process.off(signal, theirs)
    console.log('cleaned up')
    process.kill(process.pid, signal)
  }
  process.on('SIGTERM', theirs)`
const SIGNAL_EXIT_4 = `
  const { onExit } = await import(${JSON.stringify(import.meta.resolve('signal-exit'))})
  onExit(() => console.log('cleaned up'))`

describe('a process that logs to a server and ends with its run open', () => {
  it.each([
    ['at its natural end', LOG, {}, 'FINISHED', 0],
    ['at an await that never settles', `${LOG} await new Promise(() => {})`, {}, 'FAILED', 13],
    ['after endRun', `${LOG} await endRun()`, {}, 'FINISHED', 0],
  ])('%s has delivered all', async (_, body, options, status, code) => {
    const at = await stand()
    const ended = await at.outcome(await at.run(body, options))
    expect(ended).toMatchObject({ ...whole, status, code })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('says why what it logged was refused, and why its end was', async () => {
    const at = await stand()
    const body = `const client = createClient(); const run = await client.startRun(); await client.deleteRun(run.runId)
      run.setTag('t', 'x'); run.logMetric('loss', 1); await run.end()`
    const ended = await at.run(body)
    expect(ended.stderr).toMatch(/: 2 refused, its status refused: .*[0-9a-f]{32}.*deleted/)
    await at.stop()
  })

  it('is held by no timer once its run has ended', async () => {
    const at = await stand()
    const ended = await at.run(`${LOG} await endRun(); console.log(process.getActiveResourcesInfo().join())`)
    expect(ended).toMatchObject({ code: 0, stdout: expect.not.stringContaining('Timeout') })
    await at.stop()
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('by %s has delivered all, and died of it', async (signal) => {
    const at = await stand()
    const ended = await at.outcome(await at.run(`${LOG} console.log('ready'); ${WAIT}`, killWhen('ready', signal)))
    expect(ended).toMatchObject({ ...whole, status: 'KILLED', signal })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it.each([
    ['by process.exit(0)', `${LOG} process.exit(0)`, 'FINISHED', 0],
    ['by process.exit(3)', `${LOG} process.exit(3)`, 'FAILED', 3],
    ['by an uncaught error', `${LOG} throw new Error('boom')`, 'FAILED', 1],
    ['by an unhandled rejection', `${LOG} void Promise.reject(new Error('boom'))`, 'FAILED', 1],
  ])('%s has delivered all, at the latest with the next process', async (_, body, status, code) => {
    const at = await stand()
    const ended = await at.run(body)
    expect(ended.code).toBe(code)
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it.each([
    ['at its natural end', LOG, {}, 'FINISHED'],
    ['by process.exit(0)', `${LOG} process.exit(0)`, {}, 'FINISHED'],
    ['by SIGTERM', `${LOG} console.log('ready'); ${WAIT}`, killWhen('ready', 'SIGTERM'), 'KILLED'],
  ])('%s while the server is away keeps all on disk and says so', async (_, body, options, status) => {
    const at = await stand()
    const script = `await startRun({ runName: 'r' }); console.log('started');
      await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy();`
    const ended = await at.run(body.replace("await startRun({ runName: 'r' });", script), {
      ...options,
      onStdout: (all, kill, write) => {
        options.onStdout?.(all, kill, write)
        if (all.includes('started') && at.server) return at.stop().then(() => write('go\n'))
      },
    })
    expect(ended.stderr).toMatch(/2502 not delivered/)
    expect(ended.stderr).toMatch(/npx cairn-ml sync/)
    expect(at.left()).toHaveLength(1)
    await at.start()
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('by process.exit(0) with several runs waits for none once one has found its server away', async () => {
    const at = await stand()
    const ended = await at.run(
      `const client = createClient()
      const runs = [await client.startRun(), await client.startRun(), await client.startRun()]
      console.log('started'); await new Promise((go) => process.stdin.once('data', go))
      for (const run of runs) run.logMetric('loss', 1)
      process.exit(0)`,
      {
        env: { CAIRN_END_TIMEOUT: '600' },
        onStdout: (all, _, write) => {
          if (all.includes('started') && at.server) return at.stop().then(() => write('go\n'))
        },
      },
    )
    expect(ended.code).toBe(0)
    expect(ended.stderr.match(/1 not delivered/g)).toHaveLength(3)
    expect(at.left()).toHaveLength(3)
  })

  it.each([
    ['its end', 'await run.end()'],
    ['its natural end', ''],
  ])('after %s is not held by a kept file that is on its way', async (_, end) => {
    const at = await stand()
    at.server?.faults.add({ on: 'createRun', status: 503, times: Infinity })
    const ended = await at.run(
      `const client = createClient(); const run = await client.startRun(); await run.logText('x', 'x.txt')
      console.log('kept'); await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
      ${end}`,
      {
        env: { CAIRN_END_TIMEOUT: '3' },
        onStdout(all, _kill, write) {
          if (!all.includes('kept')) return
          at.server?.faults.clear()
          at.server?.faults.add({ on: 'artifacts', delayMs: 600_000, times: Infinity })
          write('go\n')
        },
      },
    )
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/not delivered: kept on disk/)
    at.server?.faults.clear()
    await at.replay()
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('by a second SIGINT does not wait, and has all on disk', async () => {
    const at = await stand()
    const script = `await startRun({ runName: 'r' }); console.log('started')
      await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy();`
    let sent = 0
    const ended = await at.run(
      `${LOG.replace("await startRun({ runName: 'r' });", script)} console.log('ready'); ${WAIT}`,
      {
        onStdout(all, kill, write) {
          if (all.includes('ready') && sent++ === 0) {
            kill('SIGINT')
            setTimeout(() => kill('SIGINT'), 500)
          } else if (all.includes('started') && at.server) return at.stop().then(() => write('go\n'))
        },
      },
    )
    expect(ended).toMatchObject({ signal: 'SIGINT' })
    // The line that says what is left comes when the wait is over.
    expect(ended.stderr).not.toContain('not delivered')
    await at.start()
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'KILLED' })
    await at.stop()
  })

  it('by a second SIGTERM while a file is on its way is KILLED at the latest with the next process', async () => {
    const at = await stand()
    at.server?.faults.add({ on: 'artifacts', delayMs: 60_000 })
    const body = `${LOG} logText('x', 'x.txt').catch(() => {}); console.log('ready'); ${WAIT}`
    let sent = 0
    const ended = await at.run(body, {
      onStdout(all, kill) {
        if (!all.includes('ready') || sent++ > 0) return
        kill('SIGTERM')
        setTimeout(() => kill('SIGTERM'), 500)
      },
    })
    expect(ended.signal).toBe('SIGTERM')
    at.server?.faults.clear()
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'KILLED' })
    await at.stop()
  })

  it('by a signal after one that someone handled waits as for a first one', async () => {
    const at = await stand()
    const body = `process.on('SIGHUP', () => console.log('handled')); ${LOG} console.log('ready'); ${WAIT}`
    let sent = 0
    const ended = await at.run(body, {
      onStdout(all, kill) {
        if (sent === 0 && all.includes('ready')) {
          sent = 1
          kill('SIGHUP')
        }
        if (sent === 1 && all.includes('handled')) {
          sent = 2
          kill('SIGTERM')
        }
      },
    })
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'KILLED', signal: 'SIGTERM' })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('by an exit handler from before its run that calls process.exit has its end on disk', async () => {
    const at = await stand()
    const ended = await at.run(`process.on('exit', () => process.exit(7)); ${LOG} process.exit(3)`)
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'FAILED', code: 7 })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('by exit handlers that call process.exit, away from its server, says once what is left', async () => {
    const at = await stand()
    await at.stop()
    const cut = "process.on('exit', () => process.exit(7))"
    const { code, stderr } = await at.run(`${cut}; ${LOG} ${cut}; process.exit(3)`)
    expect(code).toBe(7)
    expect(stderr.match(/^cairn: run .* kept on disk/gm)).toHaveLength(1)
  })

  it('by end() waits for an upload that was begun while its thread wrote points', async () => {
    const at = await stand()
    at.server?.faults.add({ on: 'artifacts', delayMs: 1000 })
    const side = 1500
    const { stdout } = await at.run(`const run = await startRun()
      for (let i = 0; i < 200_000; i++) run.logMetric('loss', i, i)
      void run.logImage({ data: new Uint8Array(${3 * side * side}).map((_, i) => i * 7), width: ${side}, height: ${side} }, 'a.png')
      await run.end()
      console.log((await createClient().listArtifacts(run.runId)).map(({ path }) => path).join())`)
    expect(stdout).toContain('a.png')
    await at.stop()
  })

  it('by an exit handler that calls process.exit without a code keeps the one that it has', async () => {
    const at = await stand()
    const { code } = await at.run(`process.on('exit', () => process.exit()); ${LOG} process.exit(3)`)
    expect(code).toBe(3)
    await at.stop()
  })

  it('by process.exit counts no call as open that is on disk', async () => {
    const at = await stand()
    await at.stop()
    const ended = await at.run(
      `await startRun(); activeRun().logInput({ name: 'iris', source: 'x' }); logText('x', 'x.txt'); process.exit(3)`,
    )
    expect(ended.stderr).toMatch(/: 1 call not through \(logText\), 1 not delivered: kept on disk/)
  })

  it('at its natural end has delivered what an exit handler of it logs', async () => {
    const at = await stand()
    const ended = await at.outcome(await at.run(`${LOG} process.on('exit', () => logMetric('loss', -1, 2500))`))
    expect(ended).toMatchObject({ status: 'FINISHED', code: 0, stderr: '' })
    expect(ended.steps).toHaveLength(2501)
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it.each([
    ['whose server takes its time', 150, 100],
    ['and often', 0, 1],
  ])('at its natural end is not held for ever by a timer that logs and holds nothing, %s', async (_, delayMs, ms) => {
    const at = await stand()
    at.server?.faults.add({ on: 'logBatch', delayMs, times: Infinity })
    const body = `${LOG} let step = 2500; setInterval(() => logMetric('loss', 0, step++), ${ms}).unref()`
    const ended = await at.run(body, { env: { CAIRN_END_TIMEOUT: '120' }, under: ['timeout', '60'] })
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    const { steps, status } = await at.outcome(ended)
    expect(steps).toEqual(range(Math.max(2500, steps.length)))
    expect(status).toBe('FINISHED')
    await at.stop()
  })

  it.each([
    ['its server is away', 503, "logMetric('loss', 1, 1)", [0, 1, 2]],
    ['something was refused', 400, "setTag('t', 'x')", [0, 2]],
  ])('at its natural end keeps what an exit handler logs though %s', async (_, status, log, steps) => {
    const at = await stand()
    const ended = await at.run(
      `process.on('exit', () => logMetric('loss', 2, 2))
      const run = await startRun(); logMetric('loss', 0, 0); await run.flush(); console.log('started')
      await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy(); ${log}`,
      {
        env: { CAIRN_END_TIMEOUT: '2' },
        onStdout(all, _kill, write) {
          if (!all.includes('started')) return
          at.server?.faults.add({ on: 'logBatch', status, times: status === 400 ? 1 : Infinity })
          write('go\n')
        },
      },
    )
    expect(ended.stderr).not.toMatch(/lost/)
    at.server?.faults.clear()
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ steps, status: 'FINISHED' })
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('has what an exit handler from before its run logs', async () => {
    const at = await stand()
    const late = "logMetric('loss', -1, 2500); setTag('late', 'yes')"
    const ended = await at.run(`process.on('exit', () => { ${late} }); ${LOG} process.exit(0)`)
    await at.replay()
    const { steps, ...more } = await at.outcome(ended)
    expect(steps).toHaveLength(2501)
    expect(more).toMatchObject({ status: 'FINISHED', code: 0, tags: { t: 'x', late: 'yes' } })
    expect(at.left()).toEqual([])
    await at.stop()
  })
})

/** Says that it is ready when it has logged for a while, and goes on. */
const busy = (log: string, start = 'const run = await startRun()') => `${start}
  let step = 0
  const log = () => { ${log}; if (++step === 100) console.log('ready') }
`
const BY_TIMER = 'setInterval(log, 1)'
const BY_AWAIT = 'for (;;) { log(); await new Promise((go) => setTimeout(go, 1)) }'
const OF_RUN = "run.logMetric('loss', step, step)"

describe('a process that logs on while a signal ends it', () => {
  it.each([
    ['to its run, by a timer', busy(OF_RUN) + BY_TIMER, 'SIGTERM'],
    ['to its run, in a loop', busy(OF_RUN) + BY_AWAIT, 'SIGTERM'],
    ['to the active run', busy("logMetric('loss', step, step)") + BY_AWAIT, 'SIGINT'],
    ['points by the record', busy('run.logMetrics({ loss: step, other: 1 }, step)') + BY_TIMER, 'SIGHUP'],
    [
      'in a scope',
      `await startRun({}, async () => {${busy("logMetric('loss', step, step)", '') + BY_AWAIT}})`,
      'SIGTERM',
    ],
    ['beside signal-exit', `${SIGNAL_EXIT_4}\n${busy(`${OF_RUN}; setTag('t', step)`)}${BY_AWAIT}`, 'SIGTERM'],
  ] as const)('%s dies of the signal and of nothing else, and loses nothing', async (_, body, signal) => {
    const at = await stand()
    at.server?.faults.add({ on: 'logBatch', delayMs: 300, times: 20 })
    const ended = await at.run(body, killWhen('ready', signal))
    expect(ended.stderr).not.toMatch(/Error|at .*:\d+:\d+/)
    await at.replay()
    const { steps, ...more } = await at.outcome(ended)
    expect(more).toMatchObject({ status: 'KILLED', signal, twice: 0 })
    expect(steps.length).toBeGreaterThanOrEqual(100)
    expect(steps).toEqual(range(steps.length))
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('leaves no run RUNNING that it starts meanwhile, and lets those that end do so', async () => {
    const at = await stand()
    at.server?.faults.add({ on: 'artifacts', delayMs: 5000 })
    const body = `const run = await startRun({ runName: 'first' }); logMetric('loss', 1)
      const slow = createClient()
      const kept = await slow.startRun({ runName: 'open' })
      void kept.logText('x', 'x.txt')
      run.logMetric('loss', 2)
      console.log('ready')
      await endRun()
      for (let fold = 0; ; fold++) {
        await startRun({ runName: 'fold' }, async () => { logMetric('loss', fold); await new Promise((go) => setTimeout(go, 20)) })
      }`
    const ended = await at.run(body, killWhen('ready', 'SIGTERM'))
    expect(ended).toMatchObject({ signal: 'SIGTERM', stderr: expect.not.stringMatching(/Error/) })
    await at.replay()
    const client = createClient({ trackingUri: at.url })
    const runs = await client.searchRuns({ experimentNames: ['Default'] })
    const of = (name: string) => runs.filter(({ info }) => info.runName === name).map(({ info }) => info.status)
    expect([...of('first'), ...of('open')]).toEqual(['FINISHED', 'KILLED'])
    expect(of('fold').length).toBeGreaterThan(0)
    expect(of('fold').filter((status) => status === 'KILLED').length).toBeLessThanOrEqual(1)
    expect(runs.filter(({ info }) => info.status === 'RUNNING')).toEqual([])
    await client.close()
    await at.stop()
  })

  it.each([
    ['beside one that is open', "await startRun({ runName: 'open' })"],
    ['alone', ''],
  ])('nor one whose making is on its way, %s', async (_, open) => {
    const at = await stand()
    at.server?.faults.add({ on: 'createRun', delayMs: 1500, skip: open ? 1 : 0 })
    const body = `${open}
      void createClient().startRun({ runName: 'late' })
      await new Promise((go) => setTimeout(go, 500))
      console.log('ready')
      setInterval(() => {}, 1000)`
    const ended = await at.run(body, killWhen('ready', 'SIGTERM'))
    expect(ended.signal).toBe('SIGTERM')
    await at.replay()
    const client = createClient({ trackingUri: at.url })
    const runs = await client.searchRuns({ experimentNames: ['Default'] })
    expect(runs.map(({ info }) => [info.runName, info.status]).sort()).toEqual([
      ['late', 'KILLED'],
      ...(open ? [['open', 'KILLED']] : []),
    ])
    await client.close()
    await at.stop()
  })

  it('nor where there is no spool, and what was logged meanwhile has arrived', async () => {
    const at = await stand()
    at.server?.faults.add({ on: 'artifacts', delayMs: 5000 })
    const notAFolder = join(at.cwd, 'file')
    writeFileSync(notAFolder, '')
    const body = `const client = createClient()
      const start = (runName) => client.startRun({ runName })
      const [first, open] = [await start('first'), await start('open')]
      void open.logText('x', 'x.txt')
      console.log('ready')
      await new Promise((go) => setTimeout(go, 1000))
      const late = await start('late')
      late.logMetric('loss', 1)
      await first.end()
      setInterval(() => {}, 1000)`
    const ended = await at.run(body, { ...killWhen('ready', 'SIGTERM'), env: { CAIRN_SPOOL_DIR: notAFolder } })
    expect(ended.signal).toBe('SIGTERM')
    const client = createClient({ trackingUri: at.url })
    const runs = await client.searchRuns({ experimentNames: ['Default'] })
    const found = runs.map(({ info, data }) => [info.runName, info.status, data.metrics.loss])
    expect(found.sort()).toEqual([
      ['first', 'FINISHED', undefined],
      ['late', 'KILLED', 1],
      ['open', 'KILLED', undefined],
    ])
    await client.close()
    await at.stop()
  })
})

describe('the end of a run whose server takes its time', () => {
  async function waits(end: string): Promise<void> {
    const short = await stand()
    short.server?.faults.add({ on: 'logBatch', delayMs: 6000, times: 10 })
    const long = await stand()
    long.server?.faults.add({ on: 'logBatch', delayMs: 13_000 })
    const [cut, waited] = await Promise.all([
      short.run(`${LOG} ${end}`, { env: { CAIRN_END_TIMEOUT: '1' } }),
      long.run(`${LOG} ${end}`, { env: { CAIRN_END_TIMEOUT: '50' } }),
    ])
    expect(cut.stderr).toMatch(/not delivered.*kept on disk/)
    expect(waited.stderr).not.toContain('not delivered')
    expect(await long.outcome(waited)).toMatchObject({ ...whole, status: 'FINISHED' })
    short.server?.faults.clear()
    await short.replay()
    expect(await short.outcome(cut)).toMatchObject({ ...whole, status: 'FINISHED' })
    await Promise.all([short.stop(), long.stop()])
  }

  it('by endRun or by process.exit waits for it as long as CAIRN_END_TIMEOUT says, and no longer', () =>
    Promise.all([waits('await endRun()'), waits('process.exit()')]))
})

describe('a process with listeners that leave each signal to others', () => {
  it.each([
    ['signal-exit 3', SIGNAL_EXIT_3],
    ['signal-exit 4', SIGNAL_EXIT_4],
  ])('%s: delivers all, lets them clean up, and dies of its signal', async (_, before) => {
    const at = await stand()
    const ended = await at.run(`${before}\n${LOG} console.log('ready'); ${WAIT}`, killWhen('ready', 'SIGTERM'))
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'KILLED', signal: 'SIGTERM' })
    expect(ended.stdout).toContain('cleaned up')
    expect(at.left()).toEqual([])
    await at.stop()
  })

  it('leaves the signal to a handler beside them', async () => {
    const at = await stand()
    const body = `${SIGNAL_EXIT_4}\nprocess.on('SIGTERM', () => process.exit(7)); ${LOG} console.log('ready'); ${WAIT}`
    const ended = await at.run(body, killWhen('ready', 'SIGTERM'))
    await at.replay()
    expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'KILLED', code: 7 })
    await at.stop()
  })
})

it('a process with two copies of Cairn dies of its signal once both have delivered all', async () => {
  const home = dirname(await built())
  const copy = mkdtempSync(join(dirname(home), 'cairn-copy-'))
  cpSync(home, copy, { recursive: true })
  const [at, slow] = [await stand(), await stand()]
  slow.server?.faults.add({ on: 'logBatch', delayMs: 500 })
  const ended = await at.run(
    `const other = await import(${JSON.stringify(join(copy, 'index.js'))})
      const run = await other.createClient({ trackingUri: '${slow.url}' }).startRun()
      for (let i = 0; i < 10; i++) run.logMetric('loss', i, i)
      ${LOG} setTimeout(() => process.exit(9), 20_000); console.log('ready')`,
    killWhen('ready', 'SIGTERM'),
  )
  rmSync(copy, { recursive: true })
  expect(ended).toMatchObject({ signal: 'SIGTERM', stderr: '' })
  expect(await at.outcome(ended)).toMatchObject({ ...whole, status: 'KILLED' })
  expect(await slow.outcome(ended)).toMatchObject({ steps: range(10), status: 'KILLED' })
  expect(at.left()).toEqual([])
  await Promise.all([at.stop(), slow.stop()])
})
