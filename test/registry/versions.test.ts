import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { CairnError, InvalidParameterError, NotFoundError, TimeoutError } from '../../src/errors.js'
import { ready } from '../../src/registry/ready.js'
import { churn, LAKE, stand } from './stand.js'

async function run(verbs: ReturnType<typeof stand>): Promise<{ runId: string; artifactUri: string }> {
  const { run } = await verbs.transport.call('createRun', { experiment_id: '0', start_time: Date.now() })
  return { runId: run.info.run_id, artifactUri: run.info.artifact_uri ?? '' }
}

async function loggedModel(verbs: ReturnType<typeof stand>, runId: string, name: string): Promise<string> {
  const { model } = await verbs.transport.call('createLoggedModel', { experiment_id: '0', name, source_run_id: runId })
  const { model_id } = model.info
  await verbs.transport.call('logOutputs', { run_id: runId, models: [{ model_id, step: 0 }] })
  return model_id
}

describe('model versions', () => {
  it('are made, described, tagged, found and deleted', async () => {
    const verbs = stand()
    await churn(verbs, 0)
    const given = { tags: { auc: '0.9' }, description: 'first', runLink: 'https://ci.example.org/1' }
    const made = await verbs.createModelVersion('churn', LAKE, given)
    expect(made).toMatchObject({ ...given, name: 'churn', version: '1', source: LAKE, currentStage: 'None' })
    expect(made).toMatchObject({ status: 'READY', runId: undefined, modelId: undefined })
    await verbs.updateModelVersion('churn', '1', { description: 'second' })
    await verbs.setModelVersionTag('churn', 1, 'note', 'x')
    await verbs.deleteModelVersionTag('churn', 1, 'auc')
    await verbs.deleteModelVersionTag('churn', 1, 'never')
    expect(await verbs.getModelVersion('churn', 1)).toMatchObject({ description: 'second', tags: { note: 'x' } })
    await verbs.createModelVersion('churn', LAKE)
    await verbs.createModelVersion('churn', LAKE)
    await verbs.deleteModelVersion('churn', '1')
    const search = { filter: "name = 'churn'", orderBy: ['version_number DESC'] }
    expect((await verbs.searchModelVersions(search)).map(({ version }) => version)).toEqual(['3', '2'])
    const paged: string[] = []
    for await (const { version } of verbs.iterateModelVersions({ ...search, maxResults: 1 })) paged.push(version)
    expect(paged).toEqual(['3', '2'])
    await expect(verbs.getModelVersion('churn', '1')).rejects.toBeInstanceOf(NotFoundError)
  })

  it('refuse what is no version, no source, no tag', async () => {
    const verbs = stand()
    await churn(verbs, 0)
    await expect(verbs.getModelVersion('churn', 'one')).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(verbs.createModelVersion('churn', ' ')).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(verbs.createModelVersion('churn', LAKE, { tags: { '../x': '1' } })).rejects.toThrow(/plain path/)
    await expect(verbs.createModelVersion('nobody', LAKE)).rejects.toBeInstanceOf(NotFoundError)
  })
})

describe('registerModel', () => {
  it('makes the registered model when it is absent, and adds a version when it is there', async () => {
    const verbs = stand()
    const first = await verbs.registerModel(LAKE, 'churn', { tags: { a: '1' } })
    expect(first).toMatchObject({ name: 'churn', version: '1', source: LAKE, tags: { a: '1' } })
    expect((await verbs.registerModel(LAKE, 'churn')).version).toBe('2')
  })

  it('gives side by side calls one registered model and a number each', async () => {
    const verbs = stand()
    const made = await Promise.all(Array.from({ length: 5 }, () => verbs.registerModel(LAKE, 'churn')))
    expect(made.map(({ version }) => Number(version)).sort()).toEqual([1, 2, 3, 4, 5])
  })

  it('takes a logged model by its id, and knows its run', async () => {
    const verbs = stand()
    const { runId } = await run(verbs)
    const modelId = await loggedModel(verbs, runId, 'model')
    const made = await verbs.registerModel(`models:/${modelId}`, 'churn')
    expect(made).toMatchObject({ source: `models:/${modelId}`, modelId, runId })
  })

  it('takes the model that a run logged by a name, the newest of several', async () => {
    const verbs = stand()
    const { runId } = await run(verbs)
    const modelId = await loggedModel(verbs, runId, 'model')
    await loggedModel(verbs, runId, 'other')
    const made = await verbs.registerModel(`runs:/${runId}/model`, 'churn')
    expect(made).toMatchObject({ source: `models:/${modelId}`, modelId, runId })
  })

  it("takes a folder of a run's artifacts", async () => {
    const verbs = stand()
    const { runId, artifactUri } = await run(verbs)
    const dir = artifactUri.startsWith('file:') ? fileURLToPath(artifactUri) : artifactUri
    mkdirSync(`${dir}/net`, { recursive: true })
    writeFileSync(`${dir}/net/MLmodel`, 'flavors: {}\n')
    const made = await verbs.registerModel(`runs:/${runId}/net`, 'churn')
    expect(made).toMatchObject({ source: `${artifactUri}/net`, runId, modelId: undefined })
  })

  it('copies from another registered model, by version, stage, latest and alias', async () => {
    const verbs = stand()
    await churn(verbs, 3)
    await verbs.transitionStage('churn', 2, 'Production')
    await verbs.setRegisteredModelAlias('churn', 'old', 1)
    for (const [uri, source] of [
      ['models:/churn/1', 'models:/churn/1'],
      ['models:/churn/production', 'models:/churn/2'],
      ['models:/churn/latest', 'models:/churn/3'],
      ['models:/churn@old', 'models:/churn/1'],
    ] as const)
      expect((await verbs.registerModel(uri, 'copy')).source, uri).toBe(source)
    await expect(verbs.registerModel('models:/churn/Staging', 'copy')).rejects.toThrow(/no version in Staging/)
  })

  it('makes nothing when the run has no such model, and names those it has', async () => {
    const verbs = stand()
    const { runId } = await run(verbs)
    await loggedModel(verbs, runId, 'model')
    const missing = verbs.registerModel(`runs:/${runId}/net`, 'churn')
    await expect(missing).rejects.toThrow(/its logged models: "model"/)
    await expect(missing).rejects.toBeInstanceOf(NotFoundError)
    await expect(verbs.registerModel(`models:/m-${'0'.repeat(32)}`, 'churn')).rejects.toBeInstanceOf(NotFoundError)
    expect(await verbs.searchRegisteredModels()).toEqual([])
  })
})

describe('the wait until a version is ready', () => {
  const pending = { name: 'churn', version: '1', status: 'PENDING_REGISTRATION' }
  const version = async (over: object = {}) => {
    const verbs = stand()
    await churn(verbs, 1)
    return { ...(await verbs.getModelVersion('churn', 1)), ...over }
  }

  it('asks again until it is', async () => {
    const made = await version(pending)
    const answers = [made, { ...made, status: 'READY' }]
    let asked = 0
    const done = await ready(made, async () => answers[asked++] ?? made, { awaitMs: 60_000, now: Date.now })
    expect([done.status, asked]).toEqual(['READY', 2])
  })

  it('says what the registry says when it failed', async () => {
    const made = await version({ status: 'FAILED_REGISTRATION', statusMessage: 'disk full' })
    const failed = ready(made, async () => made, { awaitMs: 1, now: Date.now })
    await expect(failed).rejects.toThrow(/disk full/)
    await expect(failed).rejects.toBeInstanceOf(CairnError)
  })

  it('gives up when its time is over, and ends with the signal', async () => {
    const made = await version(pending)
    await expect(ready(made, async () => made, { awaitMs: 50, now: Date.now })).rejects.toBeInstanceOf(TimeoutError)
    const reason = new Error('enough')
    const waiting = ready(made, async () => made, { awaitMs: 60_000, now: Date.now, signal: AbortSignal.abort(reason) })
    await expect(waiting).rejects.toBe(reason)
  })
})
