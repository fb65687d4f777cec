import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { identity } from '../../src/disk/process.js'
import { createClient } from '../../src/index.js'
import { claim, claimOf, signFirst } from '../../src/spool/owner.js'
import type { ChildOptions } from '../support/child.js'
import { stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'
import { isPermitted, unshare } from '../support/unshare.js'

const ago = (file: string, minutes: number): void => {
  const then = new Date(Date.now() - minutes * 60_000)
  utimesSync(file, then, then)
}

/** A folder whose owner says so of itself, and was last heard of so many minutes ago. */
function folder(owner: string, minutes = 0): string {
  const dir = tempDir()
  writeFileSync(join(dir, 'owner.0'), owner)
  ago(join(dir, 'owner.0'), minutes)
  return dir
}
const me = { ...identity(), thread: 0 }
const who = (more: Partial<typeof me>) => JSON.stringify({ ...me, ...more })
const [boot = '', space = ''] = me.space.split(' ')
/** Beyond the highest that Linux gives out. */
const NO_PID = 2 ** 22 + 1

describe('the owner of a folder', () => {
  it.runIf(process.platform === 'linux').each([
    ['this process', who({}), 60, false],
    ['a process of this machine that is gone', who({ pid: NO_PID }), 0, true],
    ['another thread of this process, heard of', who({ thread: 3 }), 4, false],
    ['another thread of this process, silent', who({ thread: 3 }), 6, true],
    ['another thread of a process that is gone', who({ thread: 3, pid: NO_PID }), 0, true],
    ['one whose pid is another process now', who({ started: '1' }), 0, true],
    ['one of before the machine started anew, silent', who({ space: `0000 ${space}` }), 6, true],
    [
      'one of before the machine started anew, or another by that name, heard of',
      who({ space: `0000 ${space}`, machine: '' }),
      4,
      false,
    ],
    ['another container of this machine, heard of', who({ pid: 1, space: `${boot} pid:[1]` }), 4, false],
    ['another container of this machine, silent', who({ pid: 1, space: `${boot} pid:[1]` }), 6, true],
    ['a container with the pid and start of this one, heard of', who({ host: 'box' }), 4, false],
    ['another machine, silent', who({ host: 'box', pid: NO_PID }), 6, true],
    ['nobody that can be told, just now', '{"pid":', 0, false],
    ['nobody that can be told, long ago', '', 6, true],
    ['an hour ahead by its clock', who({ host: 'box' }), -60, false],
  ])('%s', (_, owner, minutes, isFree) => {
    const dir = folder(owner, minutes)
    expect(claim(dir) !== undefined).toBe(isFree)
    expect(readdirSync(dir).sort()).toEqual(isFree ? ['owner.0', 'owner.1'] : ['owner.0'])
  })

  const MACHINE = 'a'.repeat(32)
  const before = { space: `0000 ${space}`, machine: MACHINE }
  it.runIf(process.platform === 'linux').each([
    ['this machine, heard of before it started anew', before, 2, true],
    ['this machine, heard of since it started', before, 0.5, false],
    ['another machine by the same name', { ...before, machine: 'b'.repeat(32) }, 2, false],
    ['a copy of this machine by another name', { ...before, host: 'box' }, 2, false],
    ['a container, by the name of this one', { ...before, machine: '' }, 2, false],
    ['a version that wrote down no machine', { ...before, machine: undefined as never }, 2, false],
    ['another container of this machine', { space: `${boot} pid:[1]`, machine: MACHINE }, 2, false],
    ['this machine, if that has no start to tell by', { ...before, space: '' }, 2, false],
  ])('%s, a minute after its start', (_, owner, minutes, isFree) => {
    const from = { me: { ...me, machine: MACHINE }, upMs: () => 60_000 }
    expect(claim(folder(who(owner), minutes), from) !== undefined).toBe(isFree)
    // One that cannot tell its own machine judges nobody so.
    expect(claim(folder(who(owner), minutes), { ...from, me: { ...me, machine: '' } })).toBeUndefined()
  })

  it('whose pid is in use, but not for sure by it, lives if it was heard of since the machine started', () => {
    const nameless = { started: '' }
    const claimed = (minutes: number) =>
      claim(folder(who(nameless), minutes), { me, upMs: () => 8 * 60_000 }) !== undefined
    expect([claimed(7), claimed(9)]).toEqual([false, true])
  })

  it('tells its machine by a mark that is not the machine’s own id, and none in a container', () => {
    expect(me.machine).toMatch(/^([0-9a-f]{32})?$/)
    const id = existsSync('/etc/machine-id') ? readFileSync('/etc/machine-id', 'utf8').trim() : 'none'
    expect(me.machine).not.toBe(id)
    if (existsSync('/.dockerenv')) expect(me.machine).toBe('')
  })

  it('shows that it lives, by the clock of the disk and not its own', () => {
    const dir = folder(who({ host: 'box' }), 6)
    const now = Date.now
    Date.now = () => now() - 3_600_000
    try {
      claimOf(dir, 0).beat()
    } finally {
      Date.now = now
    }
    expect(claim(dir)).toBeUndefined()
    ago(join(dir, 'owner.0'), 6)
    Date.now = () => now() - 3_600_000
    try {
      expect(claim(dir)?.held()).toBe(true)
    } finally {
      Date.now = now
    }
  })

  it('that gave it up, or was replaced, is followed by one', () => {
    const dir = tempDir()
    signFirst(dir)
    const first = claimOf(dir, 0)
    expect(claim(dir)).toBeUndefined()
    first.release()
    const second = claim(dir)
    expect(second?.held()).toBe(true)
    expect(claim(dir)).toBeUndefined()
    const silent = folder(who({ host: 'box' }), 6)
    const old = claimOf(silent, 0)
    expect(claim(silent)?.held()).toBe(true)
    expect(old.held()).toBe(false)
  })

  it('is nobody’s to be where it is gone: another one has delivered it, and it is not made anew', () => {
    const gone = join(tempDir(), 'gone')
    expect(claim(gone)).toBeUndefined()
    expect(existsSync(gone)).toBe(false)
  })
})

it.each([
  {
    how: 'goes on writes nothing where another one owns',
    act: `copyFileSync(dir + '/owner.0', dir + '/owner.1')`,
    said: /another process has taken it over/g,
  },
  {
    how: 'finds all delivered and removed goes on in a folder of its own',
    act: 'rmSync(dir, { recursive: true })',
    said: /its run goes on in a new one there, and nothing is lost/g,
  },
])('a process that was taken for dead and $how, and loses nothing', async ({ act, said }) => {
  const at = await stand()
  const ended = await at.run(`import { copyFileSync, readdirSync, rmSync } from 'node:fs'
    const run = await startRun(); for (let i = 0; i < 1000; i++) logMetric('loss', i, i); logParam('before', 1); await run.flush()
    const runs = process.env.CAIRN_SPOOL_DIR + '/v1/' + readdirSync(process.env.CAIRN_SPOOL_DIR + '/v1')[0] + '/runs'
    const dir = runs + '/' + readdirSync(runs)[0]
    // It was frozen meanwhile.
    ${act}
    const now = performance.now; performance.now = () => now.call(performance) + 3_600_000
    for (let i = 1000; i < 2000; i++) logMetric('loss', i, i)
    logParam('after', 1)
    await new Promise((later) => setTimeout(later, 1500))
    await endRun()`)
  const seen = await at.outcome(ended)
  expect({ ...seen, steps: seen.steps.length }).toMatchObject({ steps: 2000, twice: 0, status: 'FINISHED', code: 0 })
  expect(seen.params).toEqual({ before: '1', after: '1' })
  expect(ended.stderr.match(said)).toHaveLength(1)
  await at.stop()
})

const UNSHARE = unshare('--uts')
const canUnshare = isPermitted([...UNSHARE, 'hostname', 'box'])

describe.skipIf(!canUnshare)('containers that share a volume (needs unshare, and the right to)', () => {
  const box = (name: string, more: Partial<ChildOptions> = {}): Partial<ChildOptions> => ({
    ...more,
    under: [...UNSHARE, 'sh', '-c', 'hostname "$0"; exec "$@"', name],
  })
  const REPLAY = `import { hostname } from 'node:os'
    const client = createClient()
    const all = await client.deliverSpool()
    console.log(JSON.stringify({ host: hostname(), pid: process.pid, all: all.map(({ runId, busy, complete, delivered }) => ({ runId, busy, complete, delivered })) }))
    await client.close()`
  interface Told {
    readonly host: string
    readonly pid: number
    readonly all: readonly { runId: string; busy: boolean; complete: boolean; delivered: number }[]
  }

  it('leave the runs of those that live alone, and deliver those of the dead once', { timeout: 90_000 }, async () => {
    const at = await stand()
    at.server?.faults.add({ on: 'logBatch', status: 503, times: 1_000_000 })
    const log = `import { hostname } from 'node:os'
      const run = await startRun(); for (let i = 0; i < 500; i++) logMetric('loss', i, i)
      await new Promise((later) => setTimeout(later, 50))
      console.log('logged ' + run.runId + ' ' + process.pid + ' ' + hostname());`
    const told = (text: string) => /logged (\S+) (\S+) (\S+)/.exec(text)?.slice(1) ?? []
    const dead = await at.run(
      `${log} setInterval(() => {}, 1000)`,
      box('dead', { onStdout: (all, kill) => void (all.includes('logged') && kill('SIGKILL')) }),
    )
    at.server?.faults.clear()
    let goOn: (text: string) => void = () => {}
    let begun: (text: string) => void = () => {}
    const hasBegun = new Promise<string>((resolve) => {
      begun = resolve
    })
    const living = at.run(
      `${log} await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
       for (let i = 500; i < 1000; i++) logMetric('loss', i, i)
       await endRun()`,
      box('living', {
        onStdout(all, _, write) {
          goOn = write
          if (told(all).length === 3) begun(all)
        },
      }),
    )
    const [deadId, deadPid, deadHost] = told(dead.stdout)
    const [livingId, livingPid, livingHost] = told(await hasBegun)
    expect([deadPid, livingPid, deadHost, livingHost]).toEqual(['1', '1', 'dead', 'living'])

    const [place = ''] = readdirSync(join(at.spoolDir, 'v1'))
    const runs = join(at.spoolDir, 'v1', place, 'runs')
    const dirOf = (id = '') => join(runs, readdirSync(runs).find((name) => name.includes(id)) ?? 'none')
    const replay = async (name: string): Promise<Told> => JSON.parse((await at.run(REPLAY, box(name))).stdout) as Told
    const early = await replay('third')
    expect(early).toMatchObject({ host: 'third', pid: 1 })
    expect(early.all.map(({ runId, busy }) => [runId, busy])).toEqual([
      [deadId, true],
      [livingId, true],
    ])

    ago(join(dirOf(deadId), 'owner.0'), 6)
    const both = await Promise.all([replay('fourth'), replay('fifth')])
    const ofDead = both.flatMap(({ all }) => all).filter(({ runId }) => runId === deadId)
    expect(ofDead.filter(({ complete }) => complete)).toMatchObject([{ delivered: 500 }])
    // One that says nothing for long is not one that is dead: it shows itself again in time.
    const sign = join(dirOf(livingId), 'owner.0')
    ago(sign, 4)
    for (const until = Date.now() + 60_000; Date.now() - statSync(sign).mtimeMs > 60_000; await wait(200))
      expect(Date.now()).toBeLessThan(until)
    expect(readdirSync(dirOf(livingId)).filter((name) => name.startsWith('owner'))).toEqual(['owner.0'])
    goOn('go\n')
    expect(await living).toMatchObject({ code: 0 })

    const client = createClient({ trackingUri: join(at.cwd, 'server', 'mlruns') })
    for (const [id, count] of [
      [deadId, 500],
      [livingId, 1000],
    ] as const) {
      const steps = (await client.getMetricHistory(id ?? '', 'loss')).map(({ step }) => Number(step))
      expect(steps).toHaveLength(count)
      expect(new Set(steps).size).toBe(count)
    }
    await client.close()
    expect(at.left()).toEqual([])
    await at.stop()
  })
})
