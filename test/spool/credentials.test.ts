import { expect, it } from 'vitest'
import { startTestServer } from '../../src/testing/index.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { tempDir } from '../support/temp-dir.js'

it('goes on with new credentials from the environment when the old ones are taken no more', async () => {
  const first = await startTestServer({ credentials: { token: 'old' }, dir: tempDir() })
  const port = Number(new URL(first.url).port)
  const dir = tempDir()
  await first.close()
  let server = await startTestServer({ credentials: { token: 'old' }, port, dir })
  const script = `import { startRun, logMetric, endRun } from 'CAIRN'
    const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
    console.log('started')
    await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
    for (let i = 1; i < 100; i++) logMetric('loss', i, i)
    await new Promise((later) => setTimeout(later, 700))
    console.log(run.stats().delivered)
    process.env.MLFLOW_TRACKING_TOKEN = 'new'
    await run.flush()
    console.log(run.stats().delivered, run.stats().refused)
    await endRun()`
  let isMoved = false
  const ended = await child(script, {
    cwd: tempDir(),
    built: await built(),
    env: { MLFLOW_TRACKING_URI: server.url, MLFLOW_TRACKING_TOKEN: 'old' },
    onStdout: (all, _, write) => {
      if (isMoved || !all.includes('started')) return
      isMoved = true
      void server.close().then(async () => {
        server = await startTestServer({ credentials: { token: 'new' }, port, dir })
        write('go\n')
      })
    },
  })
  expect(ended).toMatchObject({ code: 0, stdout: 'started\n1\n100 0\n' })
  await server.close()
})
