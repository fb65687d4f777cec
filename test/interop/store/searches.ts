import { CairnError } from '../../../src/errors.js'
import type { FileTransport } from '../../../src/transport/file/file.js'
import type { Query } from './queries.js'

const T = 1_700_000_000_000
const pairs = (record: Record<string, string | undefined>) =>
  Object.entries(record).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]))

const PARAMS = ['1', '2', '10', 'a1', 'A1', 'ab', '', 'ü', 'Ü', "it''s", "it's", 'C:\\dir\\', '1', undefined]
const TAGS = ['x', 'X', 'y', 'a AND b', undefined, 'x1']
const RES = ['a.c', 'abc', 'a*c', '(x', '[y', 'b\\', '_', '^a', 'aac']
const LINES = ['a\nb', 'ab', 'a\n', undefined, 'A b']
const NUMBERS = [0, 1, 2, 2.5, 3, -1, -1.5, 1e-7, 100, undefined]
const STATUSES = ['FINISHED', 'FAILED', 'RUNNING', 'KILLED'] as const

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T

async function run({ call }: FileTransport, experiment_id: string, index: number): Promise<string> {
  const { run: made } = await call('createRun', {
    experiment_id,
    // Some begin at one time: their ids decide then.
    start_time: T + Math.floor(index / 2),
    run_name: `run ${index % 20}`,
    user_id: at(['ann', 'bob', 'Ann'], index),
    tags: pairs({
      t: at(TAGS, index),
      empty: index % 5 ? undefined : '',
      'mlflow.parentRunId': index % 4 ? undefined : 'r1',
    }),
  })
  const { run_id } = made.info
  const numbers = {
    a: at(NUMBERS, index),
    b: at(NUMBERS, index * 3 + 1),
    'a b': at(NUMBERS, index + 4),
    'x/y': at(NUMBERS, index * 7),
    'd-e': at(NUMBERS, index + 2),
    'a.b': at([undefined, 1], index),
    日本: at([1, -1, undefined], index),
    inf: at([Infinity, -Infinity, 7, undefined], index),
    nan: at([Number.NaN, 1, undefined, -1, Number.NaN], index),
  }
  const metrics = Object.entries(numbers).flatMap(([key, value]) =>
    value === undefined
      ? []
      : [
          { key, value: 50, timestamp: T, step: 0 },
          { key, value, timestamp: T, step: 1 },
        ],
  )
  const params = pairs({
    p: at(PARAMS, index),
    re: at(RES, index),
    lines: at(LINES, index),
    'a b': at(['x', 'a b', undefined], index),
    order: at(['x', undefined], index),
    desc: at([undefined, 'x'], index),
    ü: at(['ü', undefined], index),
  })
  await call('logBatch', { run_id, metrics, params })
  const context = (name: string) => [{ key: 'mlflow.data.context', value: name }]
  const iris = { name: 'iris', digest: 'abc', source_type: 'local', source: '{}' }
  const wine = { name: 'Wine', digest: '123', source_type: 'local', source: '{}' }
  if (index % 3 === 0)
    await call('logInputs', { run_id, datasets: [{ dataset: iris, tags: context(at(['training', 'eval'], index)) }] })
  if (index % 4 === 0) await call('logInputs', { run_id, datasets: [{ dataset: wine, tags: [] }] })
  const status = at(STATUSES, index)
  if (status !== 'RUNNING') await call('updateRun', { run_id, status, end_time: T + ((index * 7) % 20) })
  return run_id
}

/** Fills a store with what the searches look for; answers the experiment searched. */
export async function fill(store: FileTransport): Promise<string> {
  const { call } = store
  const made = await call('createExperiment', { name: 'one', tags: [{ key: 'team', value: 'growth' }] })
  const pause = () => new Promise((done) => setTimeout(done, 3))
  for (const [name, tags] of [
    ['two', { team: 'Growth', 'a b': 'x' }],
    ['One more', {}],
    ['ünï', { team: 'ops' }],
  ] as const) {
    await pause()
    await call('createExperiment', { name, tags: pairs(tags) })
  }
  const { experiment_id } = made
  const ids: string[] = []
  for (let index = 0; index < 30; index++) ids.push(await run(store, experiment_id, index))
  await call('deleteRun', { run_id: ids[29] as string })
  for (const [index, name] of ['net', 'Net', 'tree', 'net'].entries()) {
    await pause()
    const run_id = ids[index] as string
    const { model } = await call('createLoggedModel', {
      ...{ experiment_id, name, source_run_id: run_id, model_type: at(['onnx', 'tfjs'], index) },
      params: pairs({ depth: at(['3', '5', undefined], index) }),
      tags: pairs({ team: at(['growth', 'ops', undefined], index) }),
    })
    const { model_id } = model.info
    if (index !== 2) await call('finalizeLoggedModel', { model_id, status: 'LOGGED_MODEL_READY' })
    const value = at([0.9, 0.3, 0.7, undefined], index)
    if (value !== undefined)
      await call('logBatch', { run_id, metrics: [{ key: 'auc', value, timestamp: T, step: 0, model_id }] })
  }
  for (const [index, name] of ['churn', 'Churn 2', 'other', 'ünï'].entries()) {
    await pause()
    await call('createRegisteredModel', {
      name,
      tags: pairs({ team: at(['growth', 'ops', undefined], index), 'a b': 'x' }),
    })
    for (let version = 1; version <= 3 - index; version++) {
      await pause()
      const run_id = ids[version] as string
      const source = `${(await call('getRun', { run_id })).run.info.artifact_uri}/a`
      await call('createModelVersion', { name, source, run_id, tags: pairs({ v: String(version) }) })
    }
  }
  return experiment_id
}

export type Answer = { readonly found: readonly string[] } | { readonly error: string }

async function found({ call }: FileTransport, experiment: string, [target, filter, order]: Query): Promise<string[]> {
  const search = { filter, order_by: order as string[], max_results: 1000 }
  if (target === 'runs')
    return (await call('searchRuns', { ...search, experiment_ids: [experiment] })).runs.map(({ info }) => info.run_id)
  if (target === 'experiments') return (await call('searchExperiments', search)).experiments.map(({ name }) => name)
  if (target === 'registeredModels')
    return (await call('searchRegisteredModels', search)).registered_models.map(({ name }) => name)
  if (target === 'modelVersions')
    return (await call('searchModelVersions', search)).model_versions.map(({ name, version }) => `${name} ${version}`)
  const order_by = (order as [string, boolean][]).map(([field_name, ascending]) => ({ field_name, ascending }))
  const { models } = await call('searchLoggedModels', { experiment_ids: [experiment], filter, order_by })
  return models.map(({ info }) => info.model_id)
}

/** What we answer to a search: what was found, or the code of the error, as search.py has them from Python. */
export async function answer(store: FileTransport, experiment: string, query: Query): Promise<Answer> {
  try {
    return { found: await found(store, experiment, query) }
  } catch (error) {
    if (error instanceof CairnError) return { error: error.code ?? error.name }
    throw error
  }
}
