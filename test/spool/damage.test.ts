import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { run as cli } from '../../src/cli/run.js'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { leftIn } from '../support/left.js'
import { linearModule } from '../support/linear-models.js'
import { killWhen, stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

/** What waits of one run that its server has to make, and of one that it has made. */
const spools = { local: tempDir(), made: tempDir() }
const servers = { local: tempDir(), made: tempDir() }
type Kind = keyof typeof spools
let port = 0

beforeAll(async () => {
  for (const kind of ['local', 'made'] as const) {
    await using server = await startTestServer({ port, dir: servers[kind] })
    port = Number(new URL(server.url).port)
    const client = createClient({ trackingUri: server.url, spoolDir: spools[kind], retry: { maxRetries: 0 } })
    const away = () => server.faults.add({ on: 'all', status: 503, times: Number.POSITIVE_INFINITY })
    if (kind === 'local') away()
    const run = await client.startRun({ runName: 'far' })
    if (kind === 'made') away()
    for (let i = 0; i < 30; i++) run.logMetric('loss', i, i)
    run.logParam('rate', 0.5)
    await run.logText('hello world', 'a.txt')
    await run.logText('another', 'b.txt')
    // Sent straight it would be tried for seconds.
    if (kind === 'local') await run.logModel(linearModule(), { name: 'net', flavor: 'node' })
    await client.close()
  }
}, 60_000)

const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))

type Damage = (bytes: Buffer) => Uint8Array
const empty: Damage = () => new Uint8Array(0)
const nuls: Damage = (bytes) => new Uint8Array(bytes.length)
const flipAt =
  (at: number): Damage =>
  (bytes) => {
    bytes[at]! ^= 1
    return bytes
  }
const cut: Damage = (bytes) => bytes.subarray(0, 3)

/** A spool, damaged; what `cairn-ml sync` says of it, and what of it the server has then. */
async function synced(kind: Kind, damages: readonly [RegExp, Damage][], { uri = true } = {}) {
  const spoolDir = tempDir()
  const dir = tempDir()
  cpSync(spools[kind], spoolDir, { recursive: true })
  cpSync(servers[kind], dir, { recursive: true })
  for (const [name, damage] of damages) {
    const hit = filesIn(spoolDir).filter((file) => name.test(file))
    expect(hit.length).toBeGreaterThan(0)
    for (const file of hit) writeFileSync(file, damage(readFileSync(file)))
  }
  return sync(spoolDir, dir, uri)
}

async function sync(spoolDir: string, dir: string, uri: boolean) {
  await using server = await startTestServer({ port, dir })
  const said: string[] = []
  const out = (text: string) => void said.push(text)
  process.env.CAIRN_SPOOL_DIR = spoolDir
  const words = uri ? ['--tracking-uri', server.url] : ['--tracking-uri', join(dir, 'elsewhere')]
  const terminal = { width: undefined, bold: (text: string) => text, out, err: out, progress() {} }
  const code = await cli(['sync', ...words], terminal).finally(() => delete process.env.CAIRN_SPOOL_DIR)
  await using client = createClient({ trackingUri: server.url, spoolDir: tempDir() })
  const runs = await client.searchRuns({ viewType: 'ALL' })
  const [run] = runs
  const has = run && {
    runs: runs.length,
    loss: run.data.metrics.loss === undefined ? 0 : (await client.getMetricHistory(run.info.runId, 'loss')).length,
    rate: run.data.params.rate,
    files: (await client.listArtifacts(run.info.runId)).map(({ path }) => path).sort(),
  }
  const aside = filesIn(spoolDir).filter((file) => /-files\//.test(file))
  return { code, out: said.join('\n'), run, has, spoolDir, dir, left: leftIn(spoolDir), aside }
}

const ALL = { runs: 1, loss: 30, rate: '0.5', files: ['a.txt', 'b.txt', 'net'] }
const allOf = { local: ALL, made: { ...ALL, files: ['a.txt', 'b.txt'] } }
const LOG = /log-0+$/

describe('what waits on disk', () => {
  it.each(['local', 'made'] as const)('arrives whole, as it was written: a run that is %s', async (kind) => {
    const { code, has, left } = await synced(kind, [])
    expect([code, has, left]).toEqual([0, allOf[kind], []])
  })

  it.each([
    ['local', 'empty', empty],
    ['made', 'all NUL', nuls],
    // Another id, that no server has.
    ['local', 'one bit off', flipAt(12)],
    ['made', 'one bit off', flipAt(12)],
  ] as const)('arrives though run.json is damaged: %s, %s', async (kind, _, damage) => {
    const { code, has, left } = await synced(kind, [[/run\.json$/, damage]])
    expect([code, has, left]).toEqual([0, allOf[kind], []])
  })

  it('stays where run.json and the start of the log are damaged', async () => {
    const { code, out, left } = await synced('local', [
      [/run\.json$/, empty],
      [LOG, flipAt(20)],
    ])
    expect(code).toBe(1)
    expect(out).toMatch(
      /^NOT FINISHED run \S+ at \S+: 0 entries; run\.json and the start of the log are damaged: .*; to give up/,
    )
    expect(left).toHaveLength(1)
  })

  it('arrives in a run made anew where its making is damaged, and that is said', async () => {
    const { code, out, run, has, left } = await synced('local', [[LOG, flipAt(20)]])
    expect([code, has, left]).toEqual([1, ALL, []])
    expect(run?.info.runName).not.toBe('far')
    expect(run?.data.tags['mlflow.note.content']).toMatch(/^The start of this run was damaged on disk/)
    expect(out).toMatch(
      /^delivered {4}run [0-9a-f]{32} at \S+: \d+ entries; The start of run .* was damaged on disk: its name/,
    )
  })

  it.each(['local', 'made'] as const)(
    'is set aside where an emptied log says no more where it goes: %s',
    async (kind) => {
      const { code, out, has, left, aside } = await synced(kind, [[LOG, empty]])
      expect([code, has?.runs, has?.files, left]).toEqual([1, 1, [], []])
      expect(out).toMatch(/^delivered .*What says where file-0 of run .* goes was damaged on disk; it lies in .*file-0/)
      const names = aside.flatMap((file) => /(?:file-\d|MLmodel)$/.exec(file)?.[0] ?? [])
      expect(names.sort()).toEqual([...(kind === 'local' ? ['MLmodel'] : []), 'file-0', 'file-1'])
    },
  )

  it('says so when the end of its log is damaged', async () => {
    const { code, out } = await synced('made', [[LOG, (bytes) => bytes.fill(0, bytes.length - 40)]])
    expect(code).toBe(1)
    expect(out).toMatch(/ was damaged /)
  })

  it.each([
    ['a file with one bit off', /file-0$/, flipAt(2), ['b.txt', 'net'], /1 refused; .*file-0 is damaged: its checksum/],
    [
      'a file that was cut',
      /file-0$/,
      cut,
      ['b.txt', 'net'],
      /1 refused; .*file-0 is damaged: it has 3 bytes, and 11 were/,
    ],
    [
      'a model with one bit off',
      /model-.*\/data\/[^/]+$/,
      flipAt(2),
      ['a.txt', 'b.txt'],
      /1 refused; .*model-.* is damaged: its checksum/,
    ],
  ] as const)('goes without what is damaged, which is kept: %s', async (_, name, damage, files, why) => {
    const { code, out, has, left, aside } = await synced('local', [[name, damage]])
    expect([code, has, left]).toEqual([1, { ...ALL, files }, []])
    expect(out).toMatch(why)
    expect(aside.some((file) => name.test(file))).toBe(true)
  })

  it('has its MLmodel from the log', async () => {
    const { code, has } = await synced('local', [[/MLmodel$/, empty]])
    expect([code, has]).toEqual([0, ALL])
  })
})

describe('the log of a killed process', () => {
  const middle = (bytes: Buffer): number => Math.floor(bytes.length / 2)
  it.each([
    // As a write that the kill has cut: it had not returned, and nobody counts on it.
    ['whose last record is torn', (bytes: Buffer) => bytes.subarray(0, -5), false],
    ['with one bit off', (bytes: Buffer) => flipAt(middle(bytes))(bytes), true],
    ['with a stretch of NULs', (bytes: Buffer) => bytes.fill(0, middle(bytes), middle(bytes) + 64), true],
  ])('%s loses what stood there, counts what it knows of, and all else arrives once', async (_, damage, isKnown) => {
    const at = await stand()
    await at.stop()
    const ended = await at.run(
      `await startRun()
      for (let i = 0; i < 2000; i++) {
        logMetric('loss', i, i)
        if (i % 100 === 99) await new Promise((later) => setTimeout(later, 20))
      }
      console.log('logged'); setInterval(() => {}, 1000)`,
      killWhen('logged', 'SIGKILL'),
    )
    for (const file of filesIn(at.spoolDir).filter((name) => LOG.test(name)))
      writeFileSync(file, damage(readFileSync(file)))
    await at.start()
    const [told] = JSON.parse((await at.replay()).stdout) as { complete: boolean; refused: number }[]
    const { steps, twice } = await at.outcome(ended)
    const lost = 2000 - steps.length
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThan(1000)
    expect(twice).toBe(0)
    expect(told).toMatchObject({ complete: true, refused: isKnown ? lost : 0 })
    at.remark(isKnown ? `said to be lost: ${lost}` : 'the last write is lost, as one that a kill cuts')
    await at.stop()
  })
})

describe('a place in the spool', () => {
  it('that says no more for which server it is, is told, and found by who names the server', async () => {
    const { code, out, left, spoolDir, dir } = await synced('local', [[/server\.json$/, flipAt(9)]], { uri: false })
    expect(code).toBe(1)
    expect(out).toMatch(/^NOT FINISHED \S+: server\.json in it, .* is damaged: run sync with MLFLOW_TRACKING_URI/)
    expect(left).toHaveLength(1)
    const again = await sync(spoolDir, dir, true)
    expect([again.code, again.has, again.left]).toEqual([0, ALL, []])
  })

  it('that another version has left is told', async () => {
    const spoolDir = tempDir()
    cpSync(spools.local, spoolDir, { recursive: true })
    renameSync(join(spoolDir, 'v1'), join(spoolDir, 'v2'))
    const { code, out } = await sync(spoolDir, tempDir(), true)
    expect(code).toBe(1)
    expect(out).toMatch(/^NOT FINISHED \S+v2: another version of cairn-ml has left it/)
    expect(existsSync(join(spoolDir, 'v2'))).toBe(true)
  })
})
