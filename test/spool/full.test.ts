import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { whatWaits } from '../../src/spool/contents.js'
import { serverPlace } from '../../src/spool/place.js'
import type { ChildOptions } from '../support/child.js'
import { mayMount, mount, unmount } from '../support/small-disk.js'
import { type Stand, stand } from '../support/spool-child.js'

const COUNT = 20_000
let at: Stand

beforeEach(async () => {
  at = await stand()
  // Two thirds of what is logged fit there.
  mkdirSync(at.spoolDir)
  mount(at.spoolDir)
})
afterEach(async () => {
  await at.stop()
  unmount(at.spoolDir)
})

/** Logs more than the disk holds while the server is away, and ends. */
const LOG = `const run = await startRun()
  for (let i = 0; i < ${COUNT}; i++) logMetric('loss', i, i)
  process.exit()`

/** As many runs as that do not go side by side: the server made them before it went away. */
const RUNS = 24
const LOG_MANY = `const client = createClient()
  const runs = []
  for (let n = 0; n < ${RUNS}; n++) runs.push(await client.startRun({ runName: 'r' + n }))
  console.log('started')
  await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
  for (let i = 0; i < ${COUNT}; i++) runs[i % ${RUNS}].logMetric('loss', i, i)
  process.exit()`

/** Stops the server when the child has started its runs. */
function stopAtStart(): Partial<ChildOptions> {
  let isStopped = false
  return {
    onStdout(all, _, write) {
      if (isStopped || !all.includes('started')) return
      isStopped = true
      return at.stop().then(() => write('away'))
    },
  }
}

/** Logs until not even the end of the run finds room. */
const LOG_TO_THE_END = `import { appendFileSync, readdirSync, rmSync } from 'node:fs'
  const spool = process.env.CAIRN_SPOOL_DIR
  const run = await createClient().startRun()
  for (const server of readdirSync(spool + '/v1')) rmSync(spool + '/v1/' + server + '/reserve')
  for (const size of [1 << 16, 4096])
    try { for (;;) appendFileSync(spool + '/filler', Buffer.alloc(size)) } catch {}
  for (let i = 0; i < 200; i++) run.setTag('tag' + i, 1)
  await run.end()`

const NEXT = `import { readdirSync } from 'node:fs'
  const runs = process.env.CAIRN_SPOOL_DIR + '/v1/' + readdirSync(process.env.CAIRN_SPOOL_DIR + '/v1')[0] + '/runs'
  const waits = readdirSync(runs)
  const run = await startRun({ runName: 'next' })
  for (let n = 0; n < 500 && readdirSync(runs).some((name) => waits.includes(name)); n++)
    await new Promise((later) => setTimeout(later, 20))
  await endRun()`

/** Leaves so many blocks of the disk free, and nothing set aside. */
function fill(spoolDir: string, blocks: number): void {
  const filler = join(spoolDir, 'filler')
  for (const server of readdirSync(join(spoolDir, 'v1')))
    rmSync(join(spoolDir, 'v1', server, 'reserve'), { force: true })
  for (const size of [1 << 16, 4096])
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(size))
    } catch {
      // As was meant.
    }
  truncateSync(filler, Math.floor(statSync(filler).size / 4096 - blocks) * 4096)
}

/** What the server has of all runs but the next one. */
async function arrived() {
  const client = createClient({ trackingUri: join(at.cwd, 'server', 'mlruns') })
  const runs = (await client.searchRuns({ viewType: 'ALL' })).filter(({ info }) => info.runName !== 'next')
  const points = await Promise.all(runs.map(({ info }) => client.getMetricHistory(info.runId, 'loss').catch(() => [])))
  await client.close()
  const steps = points.flat().map(({ step }) => Number(step))
  return { statuses: runs.map(({ info }) => info.status), steps, twice: steps.length - new Set(steps).size }
}

const isMountable = mayMount()
if (!isMountable) process.stdout.write('A tmpfs cannot be mounted here: the tests of a full disk are left out\n')

describe.skipIf(!isMountable)('a disk that was filled while the server was away (needs the right to mount)', () => {
  const offline = async () => {
    await at.stop()
    return at.run(LOG)
  }
  it.each([
    ['sync delivers', 1, offline, () => at.replay()],
    ['the next process delivers', 1, offline, () => at.run(NEXT)],
    ['sync delivers, of many runs,', RUNS, () => at.run(LOG_MANY, stopAtStart()), () => at.replay()],
  ])('%s all that was kept, once, and each run gets its status', async (_, runs, log, deliver) => {
    const { stderr } = await log()
    const waits = whatWaits(serverPlace(at.spoolDir, at.url))
    const kept = waits.reduce((sum, { waiting }) => sum + waiting.entries, 0)
    // Their making, where they were begun without a server, and their end.
    const chores = waits.reduce((sum, { serverRunId }) => sum + (serverRunId === undefined ? 2 : 1), 0)
    if (runs === 1) {
      const [on, lost] = [kept - chores, COUNT - kept + chores]
      expect(stderr).toMatch(
        `: ${on} kept on disk for the next process of Cairn here, or for npx cairn-ml sync, ${lost} could`,
      )
      expect(stderr).not.toMatch('takes what is logged again')
    }
    await at.start()
    await deliver()
    const { statuses, steps, twice } = await arrived()
    expect(statuses).toEqual(Array(runs).fill('FINISHED'))
    expect({ points: steps.length, twice }).toEqual({ points: kept - chores, twice: 0 })
    expect(steps.length).toBeLessThan(COUNT)
    at.remark('what found no room is said to be lost')
    expect(at.left()).toEqual([])
  })

  it('an end that is waited for counts and tells what found no room as refused', async () => {
    await at.stop()
    const ended = await at.run(
      `const client = createClient()
       const counts = []
       client.on('refused', ({ error, count }) => { counts.push(count); console.log(error.code, error.message) })
       const run = await client.startRun()
       for (let i = 0; i < ${COUNT}; i++) run.logMetric('loss', i, i)
       await run.end()
       const { queued, inFlight, spooled, refused } = run.stats()
       console.log('stats ' + JSON.stringify({ counts, queued, inFlight, spooled, refused }))`,
      { env: { CAIRN_END_TIMEOUT: '1' } },
    )
    const [, kept, lost] = /: (\d+) kept on disk .*, (\d+) could not be written to disk and are lost/
      .exec(ended.stderr)!
      .map(Number)
    expect(kept! + lost!).toBe(COUNT)
    const told = { counts: [lost], queued: 0, inFlight: 0, spooled: kept, refused: lost }
    expect(JSON.parse(/^stats (.*)$/m.exec(ended.stdout)![1]!)).toEqual(told)
    expect(ended.stdout).toMatch(`DATA_LOSS ${lost} entries had not arrived when the run ended, and are lost: `)
  })

  it('sync takes over as many runs at a time as there is room for, and says of others that there is none', async () => {
    await at.run(LOG_MANY, stopAtStart())
    fill(at.spoolDir, 0)
    await at.start()
    const none = await at.replay()
    expect(JSON.parse(none.stdout)).toHaveLength(RUNS)
    for (const one of JSON.parse(none.stdout))
      expect(one).toMatchObject({ complete: false, delivered: 0, reason: expect.stringMatching('ENOSPC') })
    fill(at.spoolDir, 2)
    const all = await at.replay()
    expect(JSON.parse(all.stdout)).toHaveLength(RUNS)
    for (const one of JSON.parse(all.stdout)) expect(one).toMatchObject({ complete: true, refused: 0 })
    const { statuses, twice } = await arrived()
    expect({ statuses, twice }).toEqual({ statuses: Array(RUNS).fill('FINISHED'), twice: 0 })
    expect(at.left()).toEqual([])
  })

  it('a run whose end finds no room says why', async () => {
    await at.stop()
    const { stderr } = await at.run(LOG_TO_THE_END)
    expect(stderr).toMatch(
      /could not be set to FINISHED: What was logged before is still on its way, and it cannot be kept on disk meanwhile: .*ENOSPC/,
    )
  })
})
