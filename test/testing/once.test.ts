import { afterEach, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { linearModule } from '../support/linear-models.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function made() {
  const server = await startTestServer()
  const client = createClient({ trackingUri: server.url })
  closers.push(server.close, () => client.close())
  const run = await client.createRun('0')
  return { server, client, runId: run.info.runId }
}

type Operation = NonNullable<Parameters<TestServer['faults']['add']>[0]['on']>

/** What is to be there, or gone, once, though the answer to the call never came; whatever the look needs is made before. */
const CALLS: readonly [Operation, (client: Client, runId: string) => Promise<() => Promise<unknown>>, unknown][] = [
  [
    'deleteRun',
    async (client, runId) => {
      await client.deleteRun(runId)
      return async () => (await client.getRun(runId)).info.lifecycleStage
    },
    'deleted',
  ],
  [
    'createExperiment',
    async (client) => {
      await client.createExperiment('e')
      return async () => (await client.searchExperiments({ filter: "name = 'e'" })).length
    },
    1,
  ],
  [
    'deleteExperiment',
    async (client) => {
      const id = await client.createExperiment('e')
      await client.deleteExperiment(id)
      return async () => (await client.getExperiment(id)).lifecycleStage
    },
    'deleted',
  ],
  [
    'restoreExperiment',
    async (client) => {
      const id = await client.createExperiment('e')
      await client.deleteExperiment(id)
      await client.restoreExperiment(id)
      return async () => (await client.getExperiment(id)).lifecycleStage
    },
    'active',
  ],
  [
    'restoreRun',
    async (client, runId) => {
      await client.deleteRun(runId)
      await client.restoreRun(runId)
      return async () => (await client.getRun(runId)).info.lifecycleStage
    },
    'active',
  ],
  [
    'createRegisteredModel',
    async (client) => {
      await client.createRegisteredModel('m')
      return async () => (await client.searchRegisteredModels()).map(({ name }) => name)
    },
    ['m'],
  ],
  [
    'renameRegisteredModel',
    async (client) => {
      await client.createRegisteredModel('m')
      await client.renameRegisteredModel('m', 'n')
      return async () => (await client.searchRegisteredModels()).map(({ name }) => name)
    },
    ['n'],
  ],
  [
    'deleteRegisteredModel',
    async (client) => {
      await client.createRegisteredModel('m')
      await client.deleteRegisteredModel('m')
      return async () => client.searchRegisteredModels()
    },
    [],
  ],
  [
    'setRegisteredModelAlias',
    async (client) => {
      await client.createRegisteredModel('m')
      await client.createModelVersion('m', 's3://bucket/x')
      await client.setRegisteredModelAlias('m', 'a', '1')
      return async () => (await client.getModelVersionByAlias('m', 'a')).version
    },
    '1',
  ],
  [
    'deleteModelVersion',
    async (client) => {
      await client.createRegisteredModel('m')
      await client.createModelVersion('m', 's3://bucket/x')
      await client.deleteModelVersion('m', '1')
      return async () => client.searchModelVersions()
    },
    [],
  ],
  [
    'createLoggedModel',
    async (client, runId) => {
      const run = await client.startRun({ runId })
      await run.logModel(linearModule(), { name: 'net', flavor: 'node' })
      await run.end()
      return async () => (await client.searchLoggedModels({ experimentIds: ['0'] })).length
    },
    1,
  ],
  [
    'logOutputs',
    async (client, runId) => {
      const run = await client.startRun({ runId })
      await run.logModel(linearModule(), { name: 'net', flavor: 'node' })
      await run.end()
      return async () => (await client.getRun(runId)).outputs?.modelOutputs.length
    },
    1,
  ],
  [
    'logInputs',
    async (client, runId) => {
      const run = await client.startRun({ runId })
      await run.logInput({ name: 'iris', source: 'file:iris.csv' })
      await run.end()
      return async () => (await client.getRun(runId)).inputs?.datasetInputs.length
    },
    1,
  ],
]

describe('a call whose answer is lost', () => {
  it.each(CALLS)('is carried out once: %s', async (on, act, expected) => {
    const { server, client, runId } = await made()
    server.faults.add({ on, break: 'swallow' })
    const look = await act(client, runId)
    expect(server.faults.left).toBe(0)
    expect(await look()).toEqual(expected)
  })
})

it('a model whose answers end too soon, and well in terms of HTTP, is logged and registered once', async () => {
  const { server, client, runId } = await made()
  for (const on of ['createLoggedModel', 'createRegisteredModel', 'createModelVersion'] as const)
    server.faults.add({ on, status: 200, body: '{ "model": { "info": { "model_id": "m-', carriedOut: true })
  const run = await client.startRun({ runId })
  const options = { name: 'net', flavor: 'node', registeredModelName: 'm', stage: 'Staging' } as const
  const { modelId, registeredModelVersion } = await run.logModel(linearModule(), options)
  await run.end()
  expect(server.faults.left).toBe(0)
  expect(await client.searchLoggedModels({ experimentIds: ['0'] })).toMatchObject([{ modelId, status: 'READY' }])
  expect(await client.searchModelVersions()).toMatchObject([
    { version: registeredModelVersion, modelId, currentStage: 'Staging' },
  ])
})

it('a registration that fails does not say that there is no version, which nobody knows', async () => {
  const { server, client, runId } = await made()
  server.faults.add({ on: 'createModelVersion', status: 200, body: 'Logged in', carriedOut: true })
  const run = await client.startRun({ runId })
  const logged = run.logModel(linearModule(), { name: 'net', flavor: 'node', registeredModelName: 'm' })
  await expect(logged).rejects.toThrow(/is logged as models:\/m-.* but its registration as "m" failed: .*Logged in/)
  await run.end()
})
