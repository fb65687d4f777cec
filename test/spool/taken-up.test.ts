import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { type Stand, stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

/** What takes a while to be delivered: tags of one key alone would go as one. */
const OLD = `
for (let n = 0; n < 100; n++) {
  run.setTag('epoch', 'old' + n)
  run.deleteTag('gone')
}
await run.logText('old', 'f.txt')
`
const NEW = `
run.setTag('epoch', 'new')
await run.logText('new', 'f.txt')
`
const KILL = `process.kill(process.pid, 'SIGKILL')`
const idIn = (stdout: string): string => /id=(\w+)/.exec(stdout)?.[1] ?? ''
const again = (id: string) => `const run = await createClient().startRun({ runId: '${id}' })\n`
const begun = `const run = await createClient().startRun()\nconsole.log('id=' + run.runId + ';')\n`
const told = `await new Promise((resolve) => process.stdin.once('data', resolve))\n`

/** When the child says that it is ready, something is done, and it is told so. */
const whenReady = (act: () => Promise<void>) => {
  let isDone = false
  return {
    onStdout: (all: string, _: unknown, write: (text: string) => void) => {
      if (isDone || !all.includes('ready')) return
      isDone = true
      return act().then(() => write('go\n'))
    },
  }
}

/** What the server has of the one run. */
async function there(at: Stand) {
  await at.start()
  const client = createClient({ trackingUri: at.url, spoolDir: tempDir() })
  const [found, ...more] = await client.searchRuns()
  const file = await client.downloadArtifacts({ runId: found?.info.runId ?? '', path: 'f.txt' })
  await client.close()
  return [found?.info.status, found?.data.tags.epoch, readFileSync(file, 'utf8'), more.length]
}

describe('a run that is taken up again goes on behind what was left of it', () => {
  it.each([
    ['that failed while its server was away', 'process.exit(1)', `await run.end()`],
    ['that was killed while its server was away', KILL, `await run.end('FINISHED')`],
  ])(
    'when its server is back: one %s',
    async (_, leave, end) => {
      const at = await stand()
      const first = await at.run(
        `${begun}await run.flush()\nconsole.log('ready')\n${told}${OLD}${leave}`,
        whenReady(at.stop),
      )
      expect(at.left()).not.toEqual([])
      await at.start()
      const second = await at.run(
        `${again(idIn(first.stdout))}console.log('made in ' + run.experimentId)\n${NEW}${end}`,
      )
      // It goes on as any other run of a server that is there.
      expect(second.stdout).toContain('made in 0')
      expect(await there(at)).toEqual(['FINISHED', 'new', 'new', 0])
      expect(at.left()).toEqual([])
      await at.stop()
    },
    60_000,
  )

  it.each([
    ['before its server is back', ''],
    ['where the clock went back an hour meanwhile', 'const now = Date.now; Date.now = () => now() - 3_600_000\n'],
  ])(
    '%s',
    async (_, clock) => {
      const at = await stand()
      await at.stop()
      const first = await at.run(`${begun}${OLD}${KILL}`)
      await at.run(
        `${clock}${again(idIn(first.stdout))}${NEW}console.log('ready')\n${told}await run.end()\nprocess.exit()`,
        whenReady(at.start),
      )
      expect(await there(at)).toEqual(['FINISHED', 'new', 'new', 0])
      expect(at.left()).toEqual([])
      await at.stop()
    },
    60_000,
  )

  it('in the process that has just ended it, before its server is back', async () => {
    const at = await stand()
    await at.stop()
    await at.run(
      `const client = createClient()
      const one = await client.startRun()
      { const run = one; ${OLD} }
      one.end()
      const run = await client.startRun({ runId: one.runId })
      ${NEW}
      console.log('ready')
      ${told}await run.end('FAILED')
      process.exit()`,
      whenReady(at.start),
    )
    expect(await there(at)).toEqual(['FAILED', 'new', 'new', 0])
    expect(at.left()).toEqual([])
    await at.stop()
  }, 60_000)

  it.each([
    ['is killed', KILL],
    ['ends with entries left', `await run.end('FINISHED')`],
  ])(
    'and keeps the end that its creator gave it meanwhile, where the process that took it up %s',
    async (_, leave) => {
      const at = await stand()
      const creator = createClient({ trackingUri: at.url, spoolDir: tempDir() })
      const run = await creator.startRun()
      run.logMetric('own', 1)
      await run.flush()
      await at.stop()
      await at.run(`${again(run.runId)}for (let n = 0; n < 50; n++) run.logMetric('loss', n, n)\n${NEW}${leave}`, {
        env: { CAIRN_END_TIMEOUT: '1' },
      })
      expect(at.left()).not.toEqual([])
      await at.start()
      await run.end('FAILED')
      const { endTime } = (await creator.getRun(run.runId)).info
      await creator.close()
      const ended = await at.replay()
      expect((await at.outcome(ended)).steps).toEqual(Array.from({ length: 50 }, (_, n) => n))
      expect(await there(at)).toEqual(['FAILED', 'new', 'new', 0])
      const reader = createClient({ trackingUri: at.url, spoolDir: tempDir() })
      const { info, data } = await reader.getRun(run.runId)
      expect(info.endTime).toBe(endTime)
      expect(data.metrics).toEqual({ own: 1, loss: 49 })
      expect(data.tags).not.toHaveProperty(['cairn.taken_up_by'])
      await reader.close()
      expect(at.left()).toEqual([])
      await at.stop()
    },
    60_000,
  )

  it.each([
    ['with the status that is given', `await run.end('KILLED')`, 'KILLED'],
    ['with one that is given and not waited for', `void run.end('KILLED')\nprocess.exit()`, 'KILLED'],
    ['with none, which leaves it to its creator', `await run.end()`, 'RUNNING'],
    ['with the process alone, which leaves it to its creator', `process.exit(1)`, 'RUNNING'],
  ])(
    'and is ended while its creator has it open, as it is where its server is there: %s',
    async (_, leave, status) => {
      const at = await stand()
      const creator = createClient({ trackingUri: at.url, spoolDir: tempDir() })
      const run = await creator.startRun()
      await at.stop()
      await at.run(`${again(run.runId)}${NEW}${leave}`, { env: { CAIRN_END_TIMEOUT: '1' } })
      expect(at.left()).not.toEqual([])
      await at.start()
      await at.replay()
      expect(at.left()).toEqual([])
      expect(await there(at)).toEqual([status, 'new', 'new', 0])
      await creator.close()
      await at.stop()
    },
    60_000,
  )

  it.each([
    ['the earlier', [0, 1]],
    ['the later', [1, 0]],
  ] as const)(
    'and has the later of two ends that were given to it, where %s is delivered first',
    async (_, order) => {
      const at = await stand()
      const client = createClient({ trackingUri: at.url, spoolDir: tempDir() })
      const { runId, end } = await client.startRun()
      await end()
      await client.close()
      await at.stop()
      const spools = [tempDir(), tempDir()] as const
      const taken = await at.run(
        `const takeUp = (spoolDir) => createClient({ spoolDir }).startRun({ runId: '${runId}' })
        const [one, other] = [await takeUp('${spools[0]}'), await takeUp('${spools[1]}')]
        for (const run of [one, other]) { ${NEW} }
        await one.end('FINISHED')
        await other.end('FAILED')`,
        { env: { CAIRN_END_TIMEOUT: '1' } },
      )
      expect(taken.code).toBe(0)
      await at.start()
      for (const index of order) {
        const next = createClient({ trackingUri: at.url, spoolDir: spools[index] })
        expect(await next.deliverSpool()).toMatchObject([{ complete: true }])
        await next.close()
      }
      expect(await there(at)).toEqual(['FAILED', 'new', 'new', 0])
      await at.stop()
    },
    60_000,
  )

  it('where three deliver it at the same time', async () => {
    const at = await stand()
    await at.stop()
    const first = await at.run(`${begun}${OLD}${KILL}`)
    await at.run(`${again(idIn(first.stdout))}${NEW}${KILL}`)
    await at.start()
    await Promise.all([at.replay(), at.replay(), at.replay()])
    await at.replay()
    expect(await there(at)).toEqual(['RUNNING', 'new', 'new', 0])
    expect(at.left()).toEqual([])
    await at.stop()
  }, 60_000)
})
