import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appendBytes, closeLog } from '../../src/disk/log-file.js'
import { hasStrace } from '../soak/spool-moments.js'
import { canLoseRights, noRights } from '../support/no-rights.js'
import { expectWhole, type Stand, stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

const COUNT = 4000
let at: Stand
const tracers: ChildProcess[] = []
beforeAll(async () => {
  at = await stand()
})
afterAll(async () => {
  for (const tracer of tracers) tracer.kill('SIGKILL')
  await at.stop()
})

/** Lets the system calls on a file that a process has open fail as they are told to; resolves when they will. */
function strike(pid: number, file: string, inject: string): Promise<void> {
  const calls = inject.split(':')[0]!
  const args = ['-f', '-p', String(pid), '-P', file, '-e', `trace=${calls}`, '-e', `inject=${inject}`]
  const tracer = spawn('strace', ['-o', '/dev/null', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  tracers.push(tracer)
  return new Promise((resolve) => {
    tracer.stderr!.on('data', (text: Buffer) => text.includes('attached') && resolve())
  })
}

/** Logs, waits for the fault, and logs on until all has arrived. */
const BODY = `import { readdirSync } from 'node:fs'
  const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
  const spool = process.env.CAIRN_SPOOL_DIR
  const log = readdirSync(spool, { recursive: true }).find((name) => /log-0{8}$/.test(name))
  console.log('ready ' + process.pid + ' ' + spool + '/' + log)
  await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
  for (let i = 1; i < ${COUNT}; i++) {
    logMetric('loss', i, i)
    if (i % 100 === 0) await new Promise((later) => setTimeout(later, 5))
  }
  await run.flush()
  console.log(JSON.stringify(run.stats()))
  await endRun()`

describe.skipIf(!hasStrace())('a disk whose writes fail (needs strace)', () => {
  it.each([
    ['with EIO', 'write:error=EIO:when=1..4'],
    ['with EDQUOT', 'write:error=EDQUOT:when=2..5'],
    ['with EFBIG, every second one', 'write:error=EFBIG:when=1+2'],
    ['and take a part of which nothing is there', 'write:retval=3:when=1..3'],
    ['and take nothing', 'write:retval=0:when=1..3'],
  ])('%s: all arrives once, and both the fault and its end are told', async (_, inject) => {
    let isStruck = false
    const ended = await at.run(BODY, {
      onStdout(all, __, write) {
        const [, pid, file] = /^ready (\d+) (\S+)$/m.exec(all) ?? []
        if (isStruck || !file) return
        isStruck = true
        return strike(Number(pid), file, inject).then(() => write('go\n'))
      },
    })
    expectWhole(await at.outcome(ended), COUNT)
    expect(JSON.parse(ended.stdout.trim().split('\n').at(-1)!)).toMatchObject({
      delivered: COUNT,
      queued: 0,
      spooled: 0,
      refused: 0,
    })
    const fails = ended.stderr.match(/does not take what is logged/g)?.length ?? 0
    const works = ended.stderr.match(/takes what is logged again/g)?.length ?? 0
    expect([fails, works]).toEqual([1, 1])
    expect(at.left()).toEqual([])
  })

  it('in the middle of a record: what stood before stays whole, also when the disk said that it took a part', async () => {
    const file = join(tempDir(), 'log')
    appendBytes(file, Buffer.from('whole\n'))
    await strike(process.pid, file, 'write:retval=3:when=1')
    expect(() => appendBytes(file, Buffer.from('not there\n'))).toThrow(/lacks what was written/)
    appendBytes(file, Buffer.from('there\n'))
    closeLog(file)
    expect(readFileSync(file, 'utf8')).toBe('whole\nthere\n')
  })
})

const under = (dir: string) => ({ CAIRN_SPOOL_DIR: join(dir, 'spool') })
const LOG = `const run = await startRun()
  for (let i = 0; i < ${COUNT}; i++) logMetric('loss', i, i)
  await run.flush(); console.log(JSON.stringify(run.stats()))
  await endRun()`

/** Begins a run, of which one point arrives; from then on a link stands where its folder was. */
function barred(): string {
  const away = join(at.cwd, 'away')
  mkdirSync(away, { recursive: true })
  return `import { readdirSync, rmSync, symlinkSync } from 'node:fs'
    const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
    const spool = process.env.CAIRN_SPOOL_DIR
    const log = readdirSync(spool, { recursive: true }).find((name) => /log-0{8}$/.test(name))
    const dir = spool + '/' + log.slice(0, -'/log-00000000'.length)
    rmSync(dir, { recursive: true })
    symlinkSync(${JSON.stringify(away)}, dir)`
}

describe('a folder that takes nothing', () => {
  const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0
  it.skipIf(!canLoseRights)(
    'because we may not write there: one warning, and all arrives (needs setpriv)',
    async () => {
      const dir = join(at.cwd, 'closed')
      mkdirSync(dir, { mode: 0o500 })
      const ended = await at.run(LOG, { env: under(dir), ...noRights })
      expectWhole(await at.outcome(ended), COUNT)
      expect(ended.stderr.match(/There is no spool/g)).toHaveLength(1)
    },
  )

  it.skipIf(!canLoseRights)(
    'any more, nor lets anything be removed: it is said once, and all arrives (needs setpriv)',
    async () => {
      const ended = await at.run(
        `import { chmodSync, readdirSync } from 'node:fs'
         const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
         const spool = process.env.CAIRN_SPOOL_DIR
         const log = readdirSync(spool, { recursive: true }).find((name) => /log-0{8}$/.test(name))
         const dir = spool + '/' + log.slice(0, -'/log-00000000'.length)
         chmodSync(dir, 0o500)
         for (let i = 1; i < ${50 * COUNT}; i++) {
           logMetric('loss', i, i)
           if (i % 1000 === 0) await new Promise((later) => setTimeout(later, 2))
         }
         await run.flush()
         chmodSync(dir, 0o700)
         await endRun()`,
        noRights,
      )
      expectWhole(await at.outcome(ended), 50 * COUNT)
      expect(ended.stderr.match(/does not take what is logged/g)).toHaveLength(1)
      rmSync(at.spoolDir, { recursive: true, force: true })
    },
  )

  it('because its disk is read only: one warning, and all arrives (needs the right to mount)', async ({ skip }) => {
    const dir = join(at.cwd, 'read-only')
    mkdirSync(dir)
    if (!works('mount', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', dir))
      return skip('a read-only tmpfs cannot be mounted here')
    const ended = await at.run(LOG, { env: under(dir) })
    spawnSync('umount', [dir])
    expectWhole(await at.outcome(ended), COUNT)
    expect(ended.stderr.match(/There is no spool/g)).toHaveLength(1)
  })

  it('any more, since a link stands where the run’s folder was: nothing goes where it leads, and all arrives', async () => {
    const ended = await at.run(`${barred()}
      for (let i = 1; i < ${COUNT}; i++) logMetric('loss', i, i)
      await run.flush()
      await endRun()`)
    expectWhole(await at.outcome(ended), COUNT)
    expect(readdirSync(join(at.cwd, 'away'))).toEqual([])
    rmSync(at.spoolDir, { recursive: true, force: true })
  })

  it('and a server that is silent: the process goes at once into its end, and says what was sent', async () => {
    const body = `process.on('beforeExit', () => console.log('at its end ' + activeRun()?.stats().delivered))
      ${barred()}
      console.log('barred'); await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
      logMetric('loss', 1, 1)`
    const { stdout, stderr } = await at.run(body, {
      env: { CAIRN_END_TIMEOUT: '1' },
      onStdout(all, _, write) {
        if (all !== 'barred\n') return
        at.server!.faults.add({ on: 'logBatch', delayMs: 3000 })
        write('go')
      },
    })
    at.remark('one is said to be sent and not answered')
    expect(stdout).toMatch(/^at its end 1$/m)
    expect(stderr).toMatch(/^cairn: run \S+: 1 sent and not answered, which may have arrived/m)
    rmSync(at.spoolDir, { recursive: true, force: true })
  })

  it('and a server that is slow: an end that is waited for holds the process', async () => {
    at.server!.faults.add({ on: 'updateRun', delayMs: 500 })
    const ended = await at.run(`${barred()}; await endRun()`)
    expectWhole(await at.outcome(ended), 1)
    rmSync(at.spoolDir, { recursive: true, force: true })
  })
})

describe.skipIf(process.platform === 'win32')('a process that may write only short files', () => {
  const short = { under: ['bash', '-c', 'ulimit -f 8; exec "$@"', '-'] }

  it('sends nothing twice that goes straight to the server and is not answered', async () => {
    at.server!.faults.add({ on: 'logBatch', break: 'swallow', times: 5 })
    const ended = await at.run(LOG, short)
    expectWhole(await at.outcome(ended), COUNT)
    rmSync(at.spoolDir, { recursive: true, force: true })
  })

  it('goes straight to the server behind that, and all arrives', async () => {
    const ended = await at.run(
      `const run = await startRun()
       for (let i = 0; i < ${COUNT}; i++) logMetric('loss', i, i)
       logParam('p', 1)
       await run.flush(); console.log(JSON.stringify(run.stats()))
       await endRun()`,
      short,
    )
    const seen = await at.outcome(ended)
    expectWhole(seen, COUNT)
    expect(seen.params).toEqual({ p: '1' })
    expect(ended.stderr).toMatch(/does not take what is logged/)
    expect(JSON.parse(ended.stdout)).toMatchObject({ delivered: COUNT + 1, refused: 0, spooled: 0, queued: 0 })
    rmSync(at.spoolDir, { recursive: true, force: true })
  })
})
