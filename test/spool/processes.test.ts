import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { killWhen, type Stand, stand } from '../support/spool-child.js'

const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const stands: Stand[] = []
const mounts: string[] = []
const open = async (): Promise<Stand> => {
  const at = await stand()
  stands.push(at)
  return at
}
afterAll(async () => {
  for (const dir of mounts) execFileSync('umount', [dir])
  for (const at of stands) await at.stop()
})

/** A folder with so little room; undefined where this user may not make one. */
function smallDisk(dir: string, size: string): string | undefined {
  mkdirSync(dir, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir], { stdio: 'pipe' })
    mounts.push(dir)
    return dir
  } catch {
    return undefined
  }
}

describe('a process that never yields', () => {
  it('is followed live by its server, and by its own counts', async () => {
    const at = await open()
    const ended = await at.run(`const run = await startRun()
      const until = Date.now() + 3000
      let i = 0
      while (Date.now() < until) { logMetric('loss', i, i); i++; const next = performance.now() + 1; while (performance.now() < next); }
      console.log(JSON.stringify({ logged: i, ...run.stats() }))
      process.exit(0)`)
    const { logged, delivered } = JSON.parse(ended.stdout) as { logged: number; delivered: number }
    expect(delivered).toBeGreaterThan(0)
    const seen = await at.outcome(ended)
    expect(seen).toMatchObject({ steps: range(logged), twice: 0, status: 'FINISHED', code: 0 })
  })

  it('loses nothing of a burst that was followed by silence', async () => {
    const at = await open()
    const ended = await at.run(
      `await startRun(); for (let i = 0; i < 800; i++) logMetric('loss', i, i)
       const until = Date.now() + 60; while (Date.now() < until);
       console.log('logged'); process.kill(process.pid, 'SIGKILL')`,
    )
    expect(ended.signal).toBe('SIGKILL')
    await at.replay()
    expect((await at.outcome(ended)).steps).toEqual(range(800))
  })
})

describe('a server that hangs', () => {
  it('holds neither a process that is through nor one that ends its run', async () => {
    const at = await open()
    const held = createServer((socket) => socket.on('error', () => {}))
    const body = `const run = await startRun(); console.log('started')
      await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
      for (let i = 0; i < 10; i++) logMetric('loss', i, i)
      await new Promise((later) => setTimeout(later, 600))
      console.log('through')`
    const ended = await at.run(body, {
      onStdout: (all, _, write) => {
        if (!all.includes('started') || !at.server) return
        return at.stop().then(() => void held.listen(at.port, '127.0.0.1', () => write('go\n')))
      },
    })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/10 not delivered/)
    held.unref().close()
  })
})

describe('a spool on a bad disk', () => {
  it('that is full: what is logged goes straight to the server, said once, and to disk again when there is room', async ({
    skip,
  }) => {
    const at = await open()
    const disk = smallDisk(join(at.cwd, 'small'), '1m')
    if (!disk) return skip()
    const ended = await at.run(
      `import { writeFileSync, rmSync } from 'node:fs'
      const run = await startRun(); await run.flush()
      const fill = ${JSON.stringify(join(disk, 'fill'))}
      try { writeFileSync(fill, Buffer.alloc(1 << 20)) } catch {}
      for (let i = 0; i < 3000; i++) logMetric('loss', i, i)
      logParam('p', 1); setTag('t', 'x')
      await run.flush()
      rmSync(fill)
      for (let i = 3000; i < 4000; i++) logMetric('loss', i, i)
      await run.flush()
      console.log(JSON.stringify(run.stats()))
      await endRun()`,
      { env: { CAIRN_SPOOL_DIR: join(disk, 'spool') } },
    )
    const seen = await at.outcome(ended)
    expect(seen).toMatchObject({ steps: range(4000), twice: 0, params: { p: '1' }, status: 'FINISHED', code: 0 })
    expect(JSON.parse(ended.stdout)).toMatchObject({ delivered: 4002, queued: 0, spooled: 0, refused: 0 })
    expect(ended.stderr.match(/does not take what is logged/g)).toHaveLength(1)
    expect(ended.stderr.match(/takes what is logged again/g)).toHaveLength(1)
  })

  it('that cannot be written at all: one warning, and all arrives', async () => {
    const at = await open()
    writeFileSync(join(at.cwd, 'file'), '')
    const body = `await startRun(); for (let i = 0; i < 2500; i++) logMetric('loss', i, i); await endRun()`
    const ended = await at.run(body, { env: { CAIRN_SPOOL_DIR: join(at.cwd, 'file', 'spool') } })
    expect(await at.outcome(ended)).toMatchObject({ steps: range(2500), twice: 0, status: 'FINISHED', code: 0 })
    expect(ended.stderr.match(/There is no spool/g)).toHaveLength(1)
  })

  it('that is removed while the run goes on: nothing crashes, and what is logged afterwards arrives', async () => {
    const at = await open()
    const ended = await at.run(`import { rmSync } from 'node:fs'
      const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
      rmSync(${JSON.stringify(at.spoolDir)}, { recursive: true })
      for (let i = 1; i < 1000; i++) logMetric('loss', i, i)
      await run.flush().catch((error) => console.log(error.message))
      await endRun()`)
    expect(await at.outcome(ended)).toMatchObject({ steps: range(1000), twice: 0, status: 'FINISHED', code: 0 })
  })

  it('that lies behind a link serves as any other', async () => {
    const at = await open()
    mkdirSync(join(at.cwd, 'elsewhere'))
    symlinkSync(join(at.cwd, 'elsewhere'), join(at.cwd, 'spool'))
    const ended = await at.run(`await startRun(); logMetric('loss', 0, 0); await endRun()`)
    expect(await at.outcome(ended)).toMatchObject({ steps: [0], code: 0 })
  })

  it.each([
    ['before anything was sent', ''],
    ['later', "logMetric('loss', -1, 3000); await run.flush()"],
  ])('without file descriptors left %s: all arrives', async (_, before) => {
    const at = await open()
    const ended = await at.run(`import { openSync, closeSync } from 'node:fs'
      const run = await startRun(); ${before}
      const held = []
      try { for (;;) held.push(openSync('/dev/null')) } catch {}
      for (let i = 0; i < 2000; i++) logMetric('loss', i, i)
      await new Promise((later) => setTimeout(later, 300))
      for (const fd of held) closeSync(fd)
      for (let i = 2000; i < 3000; i++) logMetric('loss', i, i)
      await endRun()`)
    const seen = await at.outcome(ended)
    expect({ ...seen, steps: seen.steps.length }).toMatchObject({
      steps: before === '' ? 3000 : 3001,
      twice: 0,
      status: 'FINISHED',
      code: 0,
    })
  })
})

describe('what is kept on disk', () => {
  it('is for its user alone, and holds no credentials', async () => {
    const at = await open()
    const url = at.url.replace('http://', 'http://somebody:s3cret-pass@')
    const ended = await at.run(
      `await startRun(); for (let i = 0; i < 10; i++) logMetric('loss', i, i); console.log('ready'); setInterval(() => {}, 1000)`,
      { ...killWhen('ready', 'SIGKILL'), env: { MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_TOKEN: 't0ken-canary' } },
    )
    expect(ended.signal).toBe('SIGKILL')
    const files = readdirSync(at.spoolDir, { recursive: true, encoding: 'utf8' }).map((name) => join(at.spoolDir, name))
    expect(files.length).toBeGreaterThan(4)
    at.remark('left on disk')
    for (const file of [at.spoolDir, ...files]) {
      const { mode } = statSync(file)
      expect((mode & 0o077).toString(8), file).toBe('0')
    }
    const grep = spawn('grep', ['-rlE', 's3cret-pass|t0ken-canary', at.spoolDir])
    expect(await new Promise((resolve) => grep.on('close', resolve))).toBe(1)
  })

  it('is delivered once by two who try at the same time', async () => {
    const at = await open()
    await at.run(
      `await startRun(); for (let i = 0; i < 5000; i++) logMetric('loss', i, i)
       await new Promise((later) => setTimeout(later, 20)); process.kill(process.pid, 'SIGKILL')`,
    )
    const both = await Promise.all([at.replay(), at.replay(), at.replay()])
    const [ended] = both
    expect(await at.outcome(ended!)).toMatchObject({ steps: range(5000), twice: 0 })
  })
})

describe('many', () => {
  it('runs and keys take few descriptors of the spool', async () => {
    const at = await open()
    const ended = await at.run(`const client = createClient()
      const runs = []
      for (let i = 0; i < 150; i++) runs.push(await client.startRun())
      for (let i = 0; i < 20; i++) for (const run of runs) run.logMetric('key' + i, i, i)
      for (let i = 0; i < 5000; i++) runs[0].logMetric('many/' + i, i)
      const { readdirSync, readlinkSync } = await import('node:fs')
      const target = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }
      console.log(readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith(process.env.CAIRN_SPOOL_DIR)).length)
      await client.close()`)
    expect(ended.code).toBe(0)
    // Sixty-four are kept open in each of two threads, and a few are being read.
    expect(Number(ended.stdout)).toBeGreaterThan(0)
    expect(Number(ended.stdout)).toBeLessThan(150)
    expect(at.left()).toEqual([])
  })
})
