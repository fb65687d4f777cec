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

  it('before its server is back', async () => {
    const at = await stand()
    await at.stop()
    const first = await at.run(`${begun}${OLD}${KILL}`)
    await at.run(
      `${again(idIn(first.stdout))}${NEW}console.log('ready')\n${told}await run.end()\nprocess.exit()`,
      whenReady(at.start),
    )
    expect(await there(at)).toEqual(['FINISHED', 'new', 'new', 0])
    expect(at.left()).toEqual([])
    await at.stop()
  }, 60_000)

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
