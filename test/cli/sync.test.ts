import { rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.js'
import type { Terminal } from '../../src/cli/terminal.js'
import { createClient } from '../../src/client.js'
import { startTestServer } from '../../src/testing/index.js'
import { linearModule } from '../support/linear-models.js'
import { stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

const store = join(tempDir(), 'mlruns')
let runId = ''

/** The words as they are said, and what they print. */
async function cairn(...words: string[]) {
  const [out, err, bar]: [string[], string[], string[]] = [[], [], []]
  const terminal: Terminal = {
    width: undefined,
    bold: (text) => text,
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    progress: (text) => void bar.push(text),
  }
  const code = await run(words, terminal)
  return { code, out: out.join('\n'), err: err.join('\n'), bar }
}

beforeAll(async () => {
  await using client = createClient({ trackingUri: store })
  const made = await client.startRun({ runName: 'first' })
  made.logMetric('loss', 0.5)
  await made.logText('x', 'a.txt')
  await made.end()
  runId = made.runId
})

describe('cairn-ml sync', () => {
  it('says what would be copied, copies it, and then nothing more', async () => {
    await using server = await startTestServer()
    const dry = await cairn('sync', store, '--to', server.url, '--dry-run')
    expect([dry.code, dry.err]).toEqual([0, ''])
    expect(dry.out.split('\n')[0]).toBe(`Would copy from ${store} to ${server.url}`)
    expect(dry.out).toMatch(/^.*\n {2}experiments +0 added, 0 changed, 1 complete already\n {2}runs +1 added/)
    const first = await cairn('sync', store, '--to', server.url)
    expect(first.code).toBe(0)
    expect(first.out.split('\n')[0]).toBe(`Copied from ${store} to ${server.url}`)
    expect(first.out).toMatch(/points +1\n {2}files +1 \(1 B\)$/)
    expect(first.bar.at(-2)).toMatch(/^\[=+\] 1 of 1, 1 points, 1 B {2}first$/)
    expect(first.bar.at(-1)).toBe('')
    const again = await cairn('sync', store, '--to', server.url, '--json')
    expect(JSON.parse(again.out)).toMatchObject({ from: store, to: server.url })
    expect(JSON.parse(again.out)).toMatchObject({ runs: { added: 0, changed: 0, same: 1 }, points: 0, failed: [] })
  })

  it('copies only the runs that are named', async () => {
    const to = join(tempDir(), 'copy')
    const { code, out } = await cairn('sync', store, '--to', to, '-r', runId, '--json')
    expect(code).toBe(0)
    expect(Object.keys(JSON.parse(out).runIds)).toEqual([runId])
  })

  it('ends with 1 when something was not copied, and says what', async () => {
    await using server = await startTestServer()
    server.faults.add({ on: 'createRun', status: 400, body: '{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}' })
    const { code, out } = await cairn('sync', store, '--to', server.url)
    expect(code).toBe(1)
    expect(out).toMatch(new RegExp(`NOT COPIED {2}run ${runId}: no\n.*run it again to go on\\.$`))
    expect((await cairn('sync', store, '--to', server.url)).code).toBe(0)
  })

  it('does not say to run it again for a file that no server takes', async () => {
    const path = join(tempDir(), 'mlruns')
    await using client = createClient({ trackingUri: path })
    const made = await client.startRun({})
    await made.logText('x', 'acc 100%ab.txt')
    await made.end()
    await using server = await startTestServer()
    const rehearsed = await cairn('sync', path, '--to', server.url, '--dry-run')
    const { code, out } = await cairn('sync', path, '--to', server.url)
    expect([rehearsed.code, code]).toEqual([1, 1])
    const told = 'NOT COPIED {2}file [0-9a-f]{32}/acc 100%ab\\.txt: .*; rename it'
    expect(rehearsed.out).toMatch(new RegExp(`\n${told}\nAll else would be copied\\.$`))
    expect(out).toMatch(new RegExp(`\n${told}\nAll else was copied\\.$`))
  })

  it('ends with 1 when there is nothing to copy from', async () => {
    const { code, err } = await cairn('sync', join(tempDir(), 'no'), '--to', store)
    expect(code).toBe(1)
    expect(err).toMatch(/^error: There is no local store /)
  })

  it('without a path delivers what waits, and says that nothing does', async () => {
    process.env.CAIRN_SPOOL_DIR = tempDir()
    try {
      expect(await cairn('sync')).toMatchObject({ code: 0, out: 'Nothing waits to be delivered.' })
      expect(JSON.parse((await cairn('sync', '--json')).out)).toEqual({ spool: [] })
    } finally {
      delete process.env.CAIRN_SPOOL_DIR
    }
  })

  it.each([['-r', 'f'.repeat(32)], ['-e', 'churn'], ['--deleted'], ['--to', store, '-e', 'churn']])(
    'delivers nothing when it is told what to copy and not from where: %s',
    async (...chosen) => {
      process.env.CAIRN_SPOOL_DIR = tempDir()
      try {
        const { code, out, err } = await cairn('sync', ...chosen)
        expect([code, out]).toEqual([2, ''])
        expect(err).toMatch(
          /^error: (?:-r, --run|-e, --experiment|--deleted) chooses .*: give the path or address of a store/,
        )
      } finally {
        delete process.env.CAIRN_SPOOL_DIR
      }
    },
  )

  it.each([
    ['an empty --to', ['--to', '']],
    ['no --to, when the store is where the tracking URI leads', ['--tracking-uri', store]],
  ])('asks for --to: %s', async (_, words) => {
    const { code, out, err } = await cairn('sync', store, ...words)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^error: .*--to <uri>/)
    expect(err).toMatch(/say where to with|a folder or an address, like/)
  })

  it('is shown by help as by --help', async () => {
    const { code, out } = await cairn('sync', '--help')
    expect(out).toContain('Usage: cairn-ml sync')
    expect(await cairn('help', 'sync')).toMatchObject({ code, out, err: '' })
    expect((await cairn('help')).out).toBe((await cairn('--help')).out)
  })

  it('says what waits, models too, delivers it and says what came of it, and then that nothing waits', async () => {
    const here = await stand()
    await here.stop()
    const made = await here.run(`
      await startRun({ runName: 'far' })
      for (let i = 0; i < 500; i++) logMetric('loss', i, i)
      await logText('x', 'a.txt')
      await activeRun().logModel(${JSON.stringify(linearModule())}, {
        name: 'net', flavor: 'node', registeredModelName: 'churn', alias: 'champion',
      })
      console.log(activeRun().runId)
      process.exit()`)
    const ours = made.stdout.trim()
    process.env.CAIRN_SPOOL_DIR = here.spoolDir
    const cwd = process.cwd()
    process.chdir(tempDir())
    try {
      const waits = `waits        run ${ours} at ${here.url}, to be made: 504 entries, 1 file, the model net (to be churn)`
      expect(await cairn('sync', '--dry-run')).toMatchObject({ code: 0, out: waits })
      const dry = await cairn('sync', '--to', here.url, '--dry-run', '--json')
      expect(JSON.parse(dry.out).spool).toMatchObject([{ runId: ours, complete: false, busy: false, delivered: 0 }])
      await here.start()
      const first = await cairn('sync', '--to', here.url)
      expect(first).toMatchObject({ code: 0, err: '' })
      expect(first.out).toMatch(
        /^delivered {4}run [0-9a-f]{32} at http:.*: 504 entries\n\nThere is no \.\/mlruns here to copy\.$/,
      )
      expect(first.bar.filter((text) => text).at(-1)).toBe(`[${'='.repeat(20)}] 504 of 504 entries of run ${ours}`)
      expect(first.bar.at(-1)).toBe('')
      expect(await cairn('sync')).toMatchObject({ code: 0, out: 'Nothing waits to be delivered.' })
      // By the id that the script knew, too.
      const show = await cairn('runs', 'show', ours, '--tracking-uri', here.url)
      expect(show.out).toMatch(/Name +far\n/)
      expect(show.out).toMatch(/ net\/$/)
      const models = await cairn('models', 'show', 'churn', '--tracking-uri', here.url)
      expect(models).toMatchObject({ code: 0, err: '' })
      expect(models.out).toContain('champion')
      expect(here.left()).toEqual([])
    } finally {
      process.chdir(cwd)
      delete process.env.CAIRN_SPOOL_DIR
      await here.stop()
    }
  })

  it('counts what it has delivered itself, and not what was told before', async () => {
    const here = await stand()
    const body = '{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}'
    here.server?.faults.add({ on: 'logBatch', status: 400, body })
    await here.run(
      `const run = await startRun()
      setTag('bad', 'x')
      await run.flush().catch(() => console.log('refused'))
      logMetric('loss', 1)
      await run.flush()
      console.log('ready')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      setTag('late', 'yes')
      process.kill(process.pid, 'SIGKILL')`,
      {
        onStdout: (all, _, write) => {
          if (all.includes('refused') && all.includes('ready') && here.server)
            return here.stop().then(() => write('go\n'))
        },
      },
    )
    process.env.CAIRN_SPOOL_DIR = here.spoolDir
    try {
      await here.start()
      const { code, out, bar } = await cairn('sync', '--tracking-uri', here.url)
      expect(out).toMatch(/^delivered {4}run [0-9a-f]{32} at \S+: 1 entry$/)
      expect(code).toBe(0)
      expect(bar.filter((text) => text).at(-1)).toContain(' 1 of 1 entries of run ')
    } finally {
      delete process.env.CAIRN_SPOOL_DIR
      await here.stop()
    }
  })

  it('says of a run of which only the end waits that it does, and of an empty one its start too', async () => {
    const here = await stand()
    process.env.CAIRN_SPOOL_DIR = here.spoolDir
    try {
      await here.run(
        `const run = await startRun()
        logMetric('loss', 1)
        await run.flush()
        console.log('ready')
        await new Promise((resolve) => process.stdin.once('data', resolve))
        process.exit()`,
        {
          onStdout: (all, _, write) =>
            all.includes('ready') && here.server ? here.stop().then(() => write('go\n')) : undefined,
        },
      )
      expect((await cairn('sync', '--dry-run')).out).toMatch(/^waits {8}run [0-9a-f]{32} at \S+: only its end$/)
      await here.run('await startRun()\nprocess.exit()')
      expect((await cairn('sync', '--dry-run')).out).toMatch(/, to be made: only its start and its end$/m)
    } finally {
      delete process.env.CAIRN_SPOOL_DIR
      await here.stop()
    }
  })

  it('says that nothing is left of a run that was killed when all had arrived', async () => {
    const here = await stand()
    await here.run(`
      await startRun()
      logMetric('loss', 1)
      await activeRun().flush()
      process.kill(process.pid, 'SIGKILL')`)
    process.env.CAIRN_SPOOL_DIR = here.spoolDir
    try {
      const waits = await cairn('sync', '--dry-run', '--tracking-uri', here.url)
      expect(waits.out).toMatch(/^waits {8}run [0-9a-f]{32} at \S+: nothing is left to deliver$/)
      const { code, out } = await cairn('sync', '--tracking-uri', here.url)
      expect(out).toMatch(/^delivered {4}run [0-9a-f]{32} at \S+: nothing is left to deliver$/)
      expect(code).toBe(0)
    } finally {
      delete process.env.CAIRN_SPOOL_DIR
      await here.stop()
    }
  })

  it('says where what was not delivered lies, and that removing it gives it up', async () => {
    const here = await stand()
    await here.stop()
    await here.run(`
      await startRun()
      logMetric('loss', 1)
      process.exit()`)
    process.env.CAIRN_SPOOL_DIR = here.spoolDir
    try {
      await here.start()
      here.server?.faults.add({ on: 'all', status: 401, times: 1000 })
      const { code, out } = await cairn('sync', '--tracking-uri', here.url)
      expect(code).toBe(1)
      const [, dir = ''] =
        /^NOT FINISHED run \S+ at \S+: 0 entries;.*; to give up what is left, remove (.*)$/.exec(out) ?? []
      expect(here.left()).toEqual([basename(dir)])
      rmSync(dir, { recursive: true })
      expect(await cairn('sync', '--tracking-uri', here.url)).toMatchObject({
        ...{ code: 0, out: 'Nothing waits to be delivered.' },
      })
    } finally {
      delete process.env.CAIRN_SPOOL_DIR
      await here.stop()
    }
  })
})
