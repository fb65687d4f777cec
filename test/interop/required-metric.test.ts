import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApprovalRequiredError, type Client, createClient } from '../../src/index.js'
import { plain } from '../support/plain-flavor.js'
import { tempDir } from '../support/temp-dir.js'
import { available, type Running, startMlflow } from './servers.js'

// A database of MLflow does not keep which logged model a version is: its source alone says so.
describe.skipIf(!available('latest'))('a metric that a version must reach', () => {
  let server: Running
  let client: Client
  beforeAll(async () => {
    server = await startMlflow('latest', { store: 'sqlite' })
    client = createClient({ trackingUri: server.url, cacheDir: tempDir(), flavors: [plain] })
  })
  afterAll(async () => {
    await client?.close()
    await server?.stop()
  })

  it('is that of its own model, not of another one of its run; of a copy, that of the original', async () => {
    const run = await client.startRun({})
    const log = (name: string) => run.logModel({ weights: { age: 1 } }, { name, registeredModelName: 'churn' })
    const [bad, good] = [await log('bad'), await log('good')]
    run.logMetric('acc', 0.1, { step: 0, modelId: bad.modelId })
    run.logMetric('acc', 0.95, { step: 1, modelId: good.modelId })
    await log('silent')
    await run.end()
    await client.registerModel('models:/churn/1', 'copy')
    await client.registerModel('models:/copy/1', 'copy')
    const move = (name: string, version: number) =>
      client.transitionStage(name, version, 'Production', { requireMetric: { key: 'acc', min: 0.9 } })
    await expect(move('churn', 1)).rejects.toThrow(/acc = 0.1; at least 0.9/)
    await expect(move('copy', 2)).rejects.toThrow(/acc = 0.1; at least 0.9/)
    await expect(move('churn', 3)).rejects.toBeInstanceOf(ApprovalRequiredError)
    expect(await move('churn', 2)).toMatchObject({ currentStage: 'Production', modelId: good.modelId })
  })
})
