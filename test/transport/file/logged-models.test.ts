import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { IntegrityError, InvalidParameterError, NotFoundError, ParamConflictError } from '../../../src/errors.js'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'

async function store() {
  const root = join(tempDir(), 'mlruns')
  const { call } = fileTransport({ root })
  const { run } = await call('createRun', { experiment_id: '0', start_time: 1 })
  const { run_id } = run.info
  const create = async (name = 'model') => {
    const { model } = await call('createLoggedModel', { experiment_id: '0', name, source_run_id: run_id })
    const { model_id: id } = model.info
    return { id, dir: join(root, '0', 'models', id) }
  }
  const get = async (model_id: string) => (await call('getLoggedModel', { model_id })).model
  const search = async () =>
    (await call('searchLoggedModels', { experiment_ids: ['0'] })).models.map(({ info }) => info.model_id)
  const measure = (model_id: string, more: Record<string, string | number> = {}) =>
    call('logMetric', { run_id, model_id, key: 'auc', value: 0.9, timestamp: 5, step: 1, ...more })
  return { root, call, run_id, create, get, search, measure }
}

describe('logged models on disk', () => {
  it('lie where MLflow looks for them, in its own words', async () => {
    const { call, create, run_id } = await store()
    const { id, dir } = await create()
    expect(readdirSync(dir).sort()).toEqual(['meta.yaml', 'metrics', 'params'])
    await call('finalizeLoggedModel', { model_id: id, status: 'LOGGED_MODEL_READY' })
    const meta = readFileSync(join(dir, 'meta.yaml'), 'utf8')
    expect(meta).toMatch(/^experiment_id: '0'$/m)
    expect(meta).toMatch(/^status: 2$/m)
    expect(meta).toMatch(new RegExp(`^artifact_location: file://.*/0/models/${id}/artifacts$`, 'm'))
    await call('logLoggedModelParams', { model_id: id, params: [{ key: 'a/b', value: '1' }] })
    expect(readFileSync(join(dir, 'params', 'a', 'b'), 'utf8')).toBe('1')
    await call('logMetric', { run_id, model_id: id, key: 'auc', value: 1, timestamp: 5, step: 2 })
    expect(readFileSync(join(dir, 'metrics', 'auc'), 'utf8')).toBe(`5 1.0 2 ${run_id}\n`)
  })

  it('have one latest value of a metric for each dataset', async () => {
    const { create, get, measure } = await store()
    const { id } = await create()
    const onTest = { dataset_name: 'test', dataset_digest: 'd1' }
    for (const [value, step] of [
      [0.5, 2],
      [0.9, 1],
    ] as const)
      await measure(id, { value, step, ...onTest })
    await measure(id, { value: Number.NaN })
    expect((await get(id)).data.metrics).toMatchObject([
      { key: 'auc', value: 0.5, step: 2, ...onTest },
      { key: 'auc', value: Number.NaN, dataset_name: undefined },
    ])
  })

  it('skip lines that are no points and an append that was cut, which the next one mends', async () => {
    const { create, get, measure, run_id } = await store()
    const { id, dir } = await create()
    await measure(id)
    const file = join(dir, 'metrics', 'auc')
    appendFileSync(file, `nonsense\n\n7 0.5 9 ${run_id} a name with blanks d1\n6 0.1`)
    const metrics = [
      { value: 0.9, step: 1 },
      { value: 0.5, step: 9, dataset_name: 'a name with blanks', dataset_digest: 'd1' },
    ]
    expect((await get(id)).data.metrics).toMatchObject(metrics)
    await measure(id, { value: 0.8, step: 2 })
    expect(readFileSync(file, 'utf8')).toMatch(/d1\n5 0\.8 2 [0-9a-f]{32}\n$/)
  })

  it('that cannot be read fail alone, naming the file, and no search', async () => {
    const { root, create, get, search } = await store()
    const [whole, empty, other] = [await create(), await create(), await create()]
    writeFileSync(join(empty.dir, 'meta.yaml'), '')
    writeFileSync(join(other.dir, 'meta.yaml'), readFileSync(join(whole.dir, 'meta.yaml')))
    mkdirSync(join(root, '0', 'models', 'no model'))
    mkdirSync(join(root, '0', 'models', `m-${'a'.repeat(32)}`))
    expect(await search()).toEqual([whole.id])
    for (const { id, dir } of [empty, other]) {
      await expect(get(id)).rejects.toBeInstanceOf(IntegrityError)
      await expect(get(id)).rejects.toThrow(join(dir, 'meta.yaml'))
    }
    await expect(get(`m-${'a'.repeat(32)}`)).rejects.toBeInstanceOf(IntegrityError)
  })

  it('keep what others wrote into meta.yaml', async () => {
    const { call, create } = await store()
    const { id, dir } = await create()
    appendFileSync(join(dir, 'meta.yaml'), 'workspace: default\nzeal: 5\n')
    await call('finalizeLoggedModel', { model_id: id, status: 'LOGGED_MODEL_UPLOAD_FAILED' })
    expect(readFileSync(join(dir, 'meta.yaml'), 'utf8')).toMatch(/^status: 3\n[\s\S]*^workspace: default\nzeal: 5\n$/m)
  })

  it('take a param once', async () => {
    const { call, create } = await store()
    const { id: model_id } = await create()
    const log = (value: string) => call('logLoggedModelParams', { model_id, params: [{ key: 'lr', value }] })
    await log('0.1')
    await log('0.1')
    await expect(log('0.2')).rejects.toBeInstanceOf(ParamConflictError)
  })

  it('end as ready or failed only', async () => {
    const { call, create } = await store()
    const { id: model_id } = await create()
    for (const status of ['LOGGED_MODEL_PENDING', 'LOGGED_MODEL_STATUS_UNSPECIFIED'] as const)
      await expect(call('finalizeLoggedModel', { model_id, status })).rejects.toBeInstanceOf(InvalidParameterError)
  })

  it('of a deleted experiment are not found, and none is added to it', async () => {
    const { call, search } = await store()
    const { experiment_id } = await call('createExperiment', { name: 'gone' })
    const { model } = await call('createLoggedModel', { experiment_id })
    await call('deleteExperiment', { experiment_id })
    const { model_id } = model.info
    await expect(call('getLoggedModel', { model_id })).rejects.toBeInstanceOf(NotFoundError)
    await expect(call('createLoggedModel', { experiment_id })).rejects.toBeInstanceOf(InvalidParameterError)
    expect((await call('searchLoggedModels', { experiment_ids: [experiment_id] })).models).toEqual([])
    await call('restoreExperiment', { experiment_id })
    expect((await call('getLoggedModel', { model_id })).model.info.model_id).toBe(model_id)
    expect(await search()).toEqual([])
  })

  it.each(['../x', '..', 'm-../../x', '', 'models'])('the id %j is refused', async (model_id) => {
    const { get } = await store()
    await expect(get(model_id)).rejects.toBeInstanceOf(InvalidParameterError)
  })

  it('a key in a filter that is a way out of the folder finds nothing', async () => {
    const { call, create } = await store()
    await create()
    for (const filter of ['metrics.`../meta.yaml` > 0', "params.`../meta.yaml` LIKE '%'", "tags.`../../x` != 'a'"])
      expect((await call('searchLoggedModels', { experiment_ids: ['0'], filter })).models, filter).toEqual([])
  })

  it('a status is searched by the words of Python', async () => {
    const { call, create } = await store()
    const { id: model_id } = await create()
    const found = async (status: string) =>
      (await call('searchLoggedModels', { experiment_ids: ['0'], filter: `status = '${status}'` })).models.length
    expect(await found('PENDING')).toBe(1)
    await call('finalizeLoggedModel', { model_id, status: 'LOGGED_MODEL_READY' })
    expect(await found('PENDING')).toBe(0)
    expect(await found('READY')).toBe(1)
  })

  it('forget the versions they knew when the tag is no list, rather than fail', async () => {
    const { call, create, get } = await store()
    const { id: model_id } = await create()
    await call('setLoggedModelTags', { model_id, tags: [{ key: 'mlflow.modelVersions', value: 'not json' }] })
    await call('createRegisteredModel', { name: 'churn' })
    await call('createModelVersion', { name: 'churn', source: `models:/${model_id}`, model_id })
    expect((await get(model_id)).info.tags).toEqual([
      { key: 'mlflow.modelVersions', value: '[{"name":"churn","version":1}]' },
    ])
  })

  it('whose folder went away are gone', async () => {
    const { create, get, measure } = await store()
    const { id, dir } = await create()
    await measure(id)
    rmSync(dir, { recursive: true })
    await expect(get(id)).rejects.toBeInstanceOf(NotFoundError)
    await expect(measure(id)).rejects.toBeInstanceOf(NotFoundError)
  })
})
