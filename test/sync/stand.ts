import { join } from 'node:path'
import { type Client, createClient } from '../../src/client.js'
import type { Metric } from '../../src/core/entities.js'
import type { SyncResult } from '../../src/sync/sync.js'
import type { TestRequest } from '../../src/testing/index.js'
import { plain } from '../support/plain-flavor.js'

/** What a client of the tests speaks to, and nothing that waits for long. */
export const clientOf = (trackingUri: string, dir: string): Client =>
  createClient({ trackingUri, cacheDir: join(dir, 'cache'), flavors: [plain], retry: { budgetMs: 3_000 } })

/** A store with all that a store can hold; answers the ids. */
export async function fill(client: Client): Promise<{ parent: string; child: string; failed: string; model: string }> {
  await client.setExperiment('churn')
  const experiment = await client.getExperimentByName('churn')
  await client.setExperimentTag(experiment?.experimentId ?? '', 'team', 'growth')
  const parent = await client.startRun({ runName: 'sweep', params: { lr: 0.1 }, tags: { kind: 'parent' } })
  const child = await client.startRun({ runName: 'trial', parentRunId: parent.runId, params: { depth: '3' } })
  const odd = [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-308, 0.1, Number.NaN]
  odd.forEach((value, index) => {
    child.logMetric('loss', value, { step: index * 10, timestamp: 1_700_000_000_000 + index })
  })
  child.logMetric('auc', 0.5, { step: 2n ** 60n, timestamp: 1_600_000_000_000_000_001n })
  const dataset = {
    name: 'train',
    digest: 'd1',
    sourceType: 'local',
    source: '{"uri":"x"}',
    schema: '{}',
    profile: '{}',
  }
  child.logInput(dataset, { context: 'training' })
  await child.logText('hello', 'notes/a.txt')
  await child.logJson({ a: [1, 2] }, 'b.json')
  const model = await child.logModel(
    { weights: { age: 2 } },
    {
      name: 'model',
      registeredModelName: 'churn',
      params: { own: 1 },
      tags: { of: 'model' },
      inputExample: [{ age: 1 }],
    },
  )
  child.logMetric('f1', 0.75, { step: 1, modelId: model.modelId })
  await child.end()
  await parent.end()
  const failed = await client.startRun({ runName: 'broken' })
  await failed.end('FAILED')
  // A version of a path in a run, as MLflow 2 made them.
  await failedModel(client, failed.runId)
  await client.transitionStage('churn', 1, 'Production', { by: 'ada', comment: 'first' })
  await client.setRegisteredModelAlias('churn', 'champion', 1)
  await client.setModelVersionTag('churn', 1, 'note', 'good')
  await client.setRegisteredModelTag('churn', 'owner', 'growth')
  await client.updateRegisteredModel('churn', { description: 'Who leaves' })
  return { parent: parent.runId, child: child.runId, failed: failed.runId, model: model.modelId ?? '' }
}

async function failedModel(client: Client, runId: string): Promise<void> {
  const run = await client.startRun({ runId })
  await run.logText(`flavors: {}\nrun_id: ${runId}\n`, 'old/MLmodel')
  await run.logText('bytes', 'old/model.bin')
  await run.end('FAILED')
  await client.registerModel(`runs:/${runId}/old`, 'churn')
}

/** Points of one history in the order of their steps: a store keeps them in that of their coming. */
export const bySteps = (a: Metric, b: Metric): number => Number(a.step) - Number(b.step)

/** Requests that change something. */
export const writes = (requests: readonly TestRequest[]): string[] =>
  requests
    .filter(({ method, url }) => method !== 'GET' && !/\/(?:search|get-latest-versions)(?:$|\?)/.test(url))
    .map(({ method, url }) => `${method} ${url}`)

type Ids = Pick<SyncResult, 'runIds' | 'modelIds'>

/** All that a store holds apart from its own ids, places and marks; with `ids`, as it is to be in a copy. */
export async function allOf(client: Client, ids: Ids = { runIds: {}, modelIds: {} }): Promise<unknown> {
  const known = { ...ids.runIds, ...ids.modelIds }
  const named = (text: string) => Object.entries(known).reduce((now, [from, to]) => now.replaceAll(from, to), text)
  const tags = (all: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(all)
        .filter(([key]) => !/^cairn\.(?:sync\.|op_id)|^mlflow\.modelVersions$/.test(key))
        .map(([key, value]) => [key, named(value)]),
    )
  const experiments = await client.searchExperiments({ orderBy: ['name ASC'] })
  const runs = []
  for (const { info, data, inputs, outputs } of await client.searchRuns({
    experimentIds: experiments.map(({ experimentId }) => experimentId),
    orderBy: ['attributes.start_time ASC'],
  })) {
    const histories = []
    for (const key of Object.keys(data.metrics).sort())
      histories.push((await client.getMetricHistory(info.runId, key)).sort(bySteps))
    const { runName, status, startTime, endTime, userId } = info
    const files = await filesOf(client, info.runId, '')
    const made = outputs?.modelOutputs.map(({ modelId, step }) => [named(modelId), step])
    const datasets = inputs?.datasetInputs
    const facts = { runName, status, startTime, endTime, userId, params: data.params, metrics: data.metrics }
    runs.push({ ...facts, tags: tags(data.tags), histories, datasets, made, files })
  }
  const registered = []
  for (const { name, description, tags: own } of await client.searchRegisteredModels()) {
    const { aliases } = await client.getRegisteredModel(name)
    const versions = await client.searchModelVersions({ filter: `name = '${name}'`, orderBy: ['version_number ASC'] })
    const shown = versions.map((one) => [one.version, one.currentStage, one.description, tags(one.tags)])
    registered.push({ name, description, tags: tags(own), aliases, shown })
  }
  return { experiments: experiments.map((one) => [one.name, tags(one.tags)]), runs, registered }
}

async function filesOf(client: Client, runId: string, path: string): Promise<unknown[]> {
  const found = []
  // A model's description names its place, which is another in each store.
  for (const { path: at, isDir, fileSize } of await client.listArtifacts(runId, path))
    found.push(...(isDir ? await filesOf(client, runId, at) : [[at, at.endsWith('MLmodel') ? 'described' : fileSize]]))
  return found
}
