import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createClient } from '../../../src/index.js'
import { linearOnnx } from '../../support/linear-models.js'
import { tempDir } from '../../support/temp-dir.js'

const apart = () =>
  createClient({
    trackingUri: join(tempDir(), 'mlruns'),
    registryUri: join(tempDir(), 'registry'),
    cacheDir: tempDir(),
  })

it('a registry apart from the runs takes the models they logged, and remembers whose they are', async () => {
  const client = apart()
  const run = await client.startRun()
  const { modelId = '' } = await run.logModel(linearOnnx(), {
    name: 'linear',
    flavor: 'onnx',
    registeredModelName: 'linear',
  })
  await client.registerModel(`runs:/${run.runId}/linear`, 'linear')
  await client.registerModel(`models:/${modelId}`, 'other')
  await run.end()
  for (const [name, version] of [
    ['linear', '1'],
    ['linear', '2'],
    ['other', '1'],
  ] as const) {
    expect(await client.getModelVersion(name, version)).toMatchObject({ runId: run.runId, modelId })
    await using model = await client.loadModel(`models:/${name}/${version}`)
    expect(await model.predict([{ features: [1, 2] }])).toEqual([{ sum: 5 }])
  }
  const { tags } = await client.getLoggedModel(modelId)
  expect(JSON.parse(tags['mlflow.modelVersions'] ?? '')).toEqual([
    { name: 'linear', version: 1 },
    { name: 'linear', version: 2 },
    { name: 'other', version: 1 },
  ])
  await expect(client.registerModel(`models:/m-${'0'.repeat(32)}`, 'none')).rejects.toThrow(/m-000/)
  await client.close()
})

it('a registry apart takes files of a run, and none that lie elsewhere on this machine', async () => {
  const client = apart()
  const run = await client.startRun()
  const dir = join(fileURLToPath(run.artifactUri), 'model')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'MLmodel'), 'flavors: {}\n')
  await run.end()
  await client.createRegisteredModel('files')
  const source = `${run.artifactUri}/model`
  expect(await client.createModelVersion('files', source, { runId: run.runId })).toMatchObject({ source })
  await expect(client.createModelVersion('files', tempDir(), { runId: run.runId })).rejects.toThrow(/on this machine/)
  await client.close()
})
