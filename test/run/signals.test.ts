import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { linearModule } from '../support/linear-models.js'
import { tempDir } from '../support/temp-dir.js'

it('one signal for many calls at once is no leak, with a server or without', async () => {
  const said: string[] = []
  const hear = ({ message }: Error) => void said.push(message)
  process.on('warning', hear)
  const server = await startTestServer()
  for (const trackingUri of [server.url, join(tempDir(), 'mlruns')]) {
    const { signal } = new AbortController()
    const client = createClient({ trackingUri, cacheDir: tempDir() })
    const run = await client.startRun()
    const { modelUri } = await run.logModel(linearModule(), { name: 'net', flavor: 'node' })
    const each = (act: (index: number) => Promise<unknown>) => Promise.all(Array.from({ length: 12 }, (_, i) => act(i)))
    await each(() => client.getRun(run.runId, { signal }))
    await each((i) => run.logText('x', `${i}.txt`, { signal }))
    await each((i) => client.downloadArtifacts(`runs:/${run.runId}/${i}.txt`, { dstPath: tempDir(), signal }))
    await each(() => client.loadModel(modelUri, { signal, allowCode: true }))
    await run.end()
    await client.close()
  }
  await server.close()
  process.off('warning', hear)
  expect(said).toEqual([])
})
