import { existsSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makePrivateDir } from '../../src/disk/private.js'
import { startTestServer } from '../../src/testing/index.js'
import { type Stand, stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

let at: Stand
let file: string
beforeAll(async () => {
  at = await stand()
  file = join(at.cwd, 'a-file')
  writeFileSync(file, '')
})
afterAll(async () => at.stop())

/** Logs ten parameters, which go to disk in the very call, and takes the spool away before anybody has read them. */
const VANISH = `import { rmSync } from 'node:fs'
  const client = createClient()
  client.on('refused', ({ error, count }) => console.log('refused', error.code, count))
  const run = await client.startRun()
  for (let i = 0; i < 10; i++) run.logParam('p' + i, i)
  rmSync(process.env.CAIRN_SPOOL_DIR, { recursive: true })`

describe('a spool that is removed while something waits in it', () => {
  it('is not waited for: what is lost with it is told and counted once, and what follows arrives', async () => {
    const ended = await at.run(`${VANISH}
      for (let i = 0; i < 50; i++) run.logMetric('loss', i, i)
      await run.flush().catch((error) => console.log('flush', error.code, error.message))
      await run.flush()
      const { queued, inFlight, spooled, refused } = run.stats()
      console.log(JSON.stringify({ queued, inFlight, spooled, refused }))
      await client.close()`)
    expect(ended.stdout.match(/^refused .*$/gm)).toEqual(['refused DATA_LOSS 10'])
    expect(ended.stdout).toMatch(/^flush DATA_LOSS 10 parameters, .*, removed or moved \(.*spool.*\), and are lost$/m)
    expect(ended.stdout).toContain('{"queued":0,"inFlight":0,"spooled":0,"refused":10}')
    expect(
      ended.stderr.match(/was removed or moved: its run goes on in a new one there, and of 10 entries/g),
    ).toHaveLength(1)
    expect(ended.stderr).toMatch(/: 10 refused: .* was removed or moved before all that was in it had arrived/)
    expect(ended.stderr).not.toMatch(/kept on disk/)
    const { steps, params, status } = await at.outcome(ended)
    expect({ steps: steps.length, params, status }).toEqual({ steps: 50, params: {}, status: 'FINISHED' })
  })

  it('nor is it at the exit of the process', async () => {
    const ended = await at.run(`${VANISH}; process.exit(0)`)
    expect(ended.stderr).toMatch(/: 10 refused: .* was removed or moved before all that was in it had arrived/)
    expect(ended.stderr).not.toMatch(/kept on disk/)
    expect(at.left()).toEqual([])
    expect((await at.outcome(ended)).status).toBe('FINISHED')
  })

  it('is no loss to a table that has arrived: its rows are added where it is', async () => {
    const ended = await at.run(`import { readFileSync, rmSync } from 'node:fs'
      const run = await startRun()
      await run.logTable([{ a: 1 }], 't.json')
      await run.flush()
      rmSync(process.env.CAIRN_SPOOL_DIR, { recursive: true })
      for (const a of [2, 3]) await run.logTable([{ a }], 't.json')
      const client = createClient()
      console.log(readFileSync(await client.downloadArtifacts({ runId: run.runId, path: 't.json' }), 'utf8'))
      await endRun()`)
    expect(ended.stdout).toContain('"data":[[1],[2],[3]]')
  })

  it.skipIf(process.platform === 'win32')(
    'that is moved is noticed soon, and what was in it is delivered from there',
    async () => {
      const ended = await at.run(`import { renameSync } from 'node:fs'
      const run = await startRun()
      let i = 0
      for (const end = Date.now() + 8_000; run.stats().refused === 0 && Date.now() < end; i++) {
        logMetric('loss', i, i)
        if (i === 20) renameSync(process.env.CAIRN_SPOOL_DIR, process.env.CAIRN_SPOOL_DIR + '-moved')
        await new Promise((later) => setTimeout(later, 20))
      }
      console.log(JSON.stringify({ logged: i, refused: run.stats().refused }))
      await run.flush().catch(({ message }) => console.log(message))
      await endRun()
      console.log(JSON.stringify(run.stats()))`)
      const { logged, refused } = JSON.parse(ended.stdout.split('\n')[0]!) as Record<string, number>
      expect(refused).toBeGreaterThan(0)
      expect(ended.stderr).toMatch(/removed or moved: .*; if it was moved, CAIRN_SPOOL_DIR=<.*> npx cairn-ml sync/)
      const env = { CAIRN_SPOOL_DIR: `${at.spoolDir}-moved` }
      await at.run(`const client = createClient(); await client.deliverSpool(); await client.close()`, { env })
      const { steps, twice } = await at.outcome(ended)
      expect({ steps: steps.length, twice }).toEqual({ steps: logged, twice: 0 })
    },
  )

  it('before its run was made there: what is logged to that is refused, with the reason', async () => {
    const away = await startTestServer()
    await away.close()
    const env = { MLFLOW_TRACKING_URI: away.url }
    const ended = await at.run(
      `${VANISH}; run.logMetric('loss', 1)
       await client.close(); console.log(JSON.stringify(run.stats()))`,
      { env },
    )
    const { queued, delivered } = JSON.parse(ended.stdout.trim().split('\n').at(-1)!)
    expect(delivered).toBe(0)
    expect(ended.stderr).toMatch(/(refused|not delivered).*: .*(lost|removed)/)
    expect(ended.stderr).not.toMatch(/(refused|delivered).*kept on disk/)
    expect(queued).toBeLessThanOrEqual(1)
  })
})

describe('the folder of a run that is taken away while the server is away', () => {
  it.skipIf(process.platform === 'win32').each([
    { what: 'is removed', take: 'rmSync(dir, { recursive: true })' },
    {
      what: 'is removed with the whole spool, and the run was made away from its server',
      take: 'rmSync(spool, { recursive: true })',
      isOffline: true,
    },
    {
      what: 'is moved with the whole spool, and a link to another one is in its place',
      take: `renameSync(spool, spool + n); mkdirSync(spool + '-other' + n); symlinkSync(spool + '-other' + n, spool)`,
      noticedMs: 1_200,
    },
  ])(
    '$what: it is made anew each time, and a kill loses nothing that is logged after that',
    async ({ take, isOffline = false, noticedMs = 300 }) => {
      const own = await stand()
      if (isOffline) await own.stop()
      const ended = await own.run(
        `import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
         const spool = process.env.CAIRN_SPOOL_DIR
         const pause = (ms) => new Promise((later) => setTimeout(later, ms))
         await startRun()
         const place = spool + '/v1/' + readdirSync(spool + '/v1')[0] + '/runs/'
         const dir = place + readdirSync(place)[0]
         let [i, from] = [0, 0]
         const log = () => { logMetric('loss', i, i); i++ }
         while (i < 10) log()
         console.log('begun')
         await activeRun().flush()
         console.log('ready')
         await new Promise((go) => process.stdin.once('data', go))
         for (const n of [1, 2]) {
           for (const end = i + 10; i < end; ) log()
           await pause(150)
           ${take}
           for (const end = Date.now() + ${noticedMs}; Date.now() < end; await pause(20)) log()
           from = i
           for (const end = i + 1_000; i < end; ) log()
         }
         await pause(100)
         console.log(JSON.stringify({ from, to: i, refused: activeRun().stats().refused }))
         process.kill(process.pid, 'SIGKILL')`,
        {
          onStdout: (all, _, write) =>
            all.includes('ready') ? own.server && own.stop().then(() => write('go\n')) : own.start(),
        },
      )
      expect(ended.signal).toBe('SIGKILL')
      await own.start()
      const [heir] = JSON.parse((await own.replay()).stdout) as {
        complete: boolean
        delivered: number
        refused: number
      }[]
      const { from, to, refused } = JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as Record<string, number>
      const { steps, twice } = await own.outcome(ended)
      await own.stop()
      const wanted = [...Array(to).keys()].filter((step) => step < 10 || step >= from!)
      expect(steps.filter((step) => step < 10 || step >= from!)).toEqual(wanted)
      expect(twice).toBe(0)
      own.remark('what was in the folder is said to be lost')
      // What is lost is told once, by the process or by its heir, and what had arrived before never is.
      expect(heir).toMatchObject({
        complete: true,
        delivered: steps.length - 10,
        refused: to! - steps.length - refused!,
      })
      expect(own.left()).toEqual([])
    },
    30_000,
  )

  it.skipIf(process.platform === 'win32')(
    'is not made anew through a link in its place',
    async () => {
      const ended = await at.run(`import { mkdirSync, readdirSync as names, renameSync, symlinkSync } from 'node:fs'
      const run = await startRun()
      logMetric('loss', 0, 0)
      await run.flush()
      const place = process.env.CAIRN_SPOOL_DIR + '/v1/' + names(process.env.CAIRN_SPOOL_DIR + '/v1')[0] + '/runs/'
      const dir = place + names(place).find((name) => name.includes(run.runId))
      renameSync(dir, dir + '-moved')
      mkdirSync('elsewhere')
      symlinkSync(process.cwd() + '/elsewhere', dir)
      await new Promise((later) => setTimeout(later, 1_100))
      for (let i = 1; i <= 20; i++) logMetric('loss', i, i)
      await endRun()
      console.log(names('elsewhere').length)`)
      expect(ended.stdout).toMatch(/^0$/m)
      const { steps, status } = await at.outcome(ended)
      expect({ steps: steps.length, status }).toEqual({ steps: 21, status: 'FINISHED' })
    },
    30_000,
  )
})

describe('a folder for the spool that cannot be', () => {
  const LOG = `const run = await startRun(); logMetric('loss', 1); await endRun()`

  it('a file, and the server is away: one error names both, and the way out', async () => {
    const away = await startTestServer()
    await away.close()
    const env = { MLFLOW_TRACKING_URI: away.url, CAIRN_SPOOL_DIR: file }
    const ended = await at.run(`await startRun().catch(({ name, message }) => console.log(name, message))`, { env })
    expect(ended.stdout).toMatch(/^UnavailableError The server is away \(.+\), and the run cannot be kept on disk/)
    expect(ended.stdout).toMatch(/a-file is no folder but a link or file; CAIRN_SPOOL_DIR names another folder/)
    expect(ended.stdout).not.toMatch(/ENOTDIR/)
  })

  async function logsAnyway(dir: string, why: RegExp): Promise<void> {
    const ended = await at.run(LOG, { env: { CAIRN_SPOOL_DIR: dir }, under: ['timeout', '60'] })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(why)
    expect(ended.stderr).toMatch(/lost when the process is killed or calls process\.exit\(\): await .*flush\(\) before/)
    expect(ended.stderr).not.toMatch(/ENOTDIR/)
    const { steps, status } = await at.outcome(ended)
    expect({ steps: steps.length, status }).toEqual({ steps: 1, status: 'FINISHED' })
  }

  it('a file, and the server is there: what is lost at an exit is said before, and all arrives', () =>
    logsAnyway(file, /There is no spool.*a-file is no folder but a link or file/))

  it.skipIf(!existsSync('/proc/self'))('a place that takes no folders: the same, and nothing hangs (needs /proc)', () =>
    logsAnyway('/proc/nope', /There is no spool.*No folder can be made in \/proc/),
  )

  it.skipIf(process.platform === 'win32').each([
    ['end()', 'await run.end(); console.log(JSON.stringify(run.stats()))', 0],
    ['its natural end', '', 0],
    ['SIGTERM', `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`, 'SIGTERM'],
  ])('and a server that hangs: %s waits as long as it may, and says what was sent', async (how, end, code) => {
    await at.start()
    const held = createServer((socket) => socket.on('error', () => {}))
    const ended = await at.run(
      `const run = await startRun(); logMetric('loss', 0, 0); await run.flush(); console.log('started')
       await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
       for (let i = 1; i <= 10; i++) logMetric('loss', i, i)
       ${end}`,
      {
        env: { CAIRN_SPOOL_DIR: file, CAIRN_END_TIMEOUT: '1' },
        under: ['timeout', '60'],
        onStdout: (all, _, write) => {
          if (!all.includes('started') || !at.server) return
          return at.stop().then(() => void held.listen(at.port, '127.0.0.1', () => write('go\n')))
        },
      },
    )
    held.unref().close()
    expect(ended.signal ?? ended.code).toBe(code)
    expect(ended.stderr).toMatch(/: 10 sent and not answered, which may have arrived: no answer after \d+ ms$/m)
    expect(ended.stderr).toMatch(/could not be set to \w+: The server did not answer within \d+ ms$/m)
    if (how === 'end()') expect(JSON.parse(ended.stdout.split('\n')[1]!)).toMatchObject({ queued: 0, inFlight: 10 })
  })

  it.skipIf(process.platform === 'win32')('is made private, level by level, and left as it is when it is there', () => {
    const root = join(tempDir(), 'a')
    const dir = join(root, 'b', 'c')
    for (const _ of [1, 2]) makePrivateDir(dir)
    for (const made of [root, join(root, 'b'), dir]) expect(statSync(made).mode & 0o777).toBe(0o700)
    expect(() => makePrivateDir(join(file, 'x', 'y'))).toThrow(/a-file is no folder but a link or file/)
  })
})
