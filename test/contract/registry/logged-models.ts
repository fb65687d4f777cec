import { expect } from 'vitest'
import { InvalidParameterError, NotFoundError } from '../../../src/errors.js'
import { byKey, type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

const experiment = async (call: Call): Promise<string> =>
  (await call('createExperiment', { name: fresh('models') })).experiment_id

const create = async (call: Call, name?: string) => {
  const experiment_id = await experiment(call)
  return (await call('createLoggedModel', { experiment_id, ...(name ? { name } : {}) })).model
}

const NOBODY = `m-${'0'.repeat(32)}`

export function loggedModelFacts(make: Make, options: ContractOptions): void {
  facts('logged models', make, options, (fact) => {
    fact('a new one answers what it was given, and waits for its files', async (call) => {
      const experiment_id = await experiment(call)
      const { run } = await call('createRun', { experiment_id, start_time: Date.now() })
      const source_run_id = run.info.run_id
      const { model } = await call('createLoggedModel', {
        experiment_id,
        name: 'model',
        model_type: 'onnx',
        source_run_id,
        params: [{ key: 'lr', value: '0.1' }],
        tags: [{ key: 'team', value: 'growth' }],
      })
      const { model_id } = model.info
      expect(model_id).toMatch(/^m-[0-9a-f]{32}$/)
      const known = { experiment_id, name: 'model', model_type: 'onnx', source_run_id, status: 'LOGGED_MODEL_PENDING' }
      expect(model.info).toMatchObject(known)
      expect(model.info.artifact_uri).toMatch(new RegExp(`/models/${model_id}/artifacts$`))
      const { model: got } = await call('getLoggedModel', { model_id })
      expect(got.info).toMatchObject({ ...known, model_id, artifact_uri: model.info.artifact_uri })
      expect(byKey(got.info.tags)).toEqual({ team: 'growth' })
      expect(got.data).toMatchObject({ params: [{ key: 'lr', value: '0.1' }], metrics: [] })
    })

    fact('one without a name gets one', async (call) => {
      expect((await create(call)).info.name).not.toBe('')
    })

    fact('a name with / : . % or a quote is refused', async (call) => {
      const experiment_id = await experiment(call)
      for (const name of ['a/b', 'a:b', 'a.b', 'a%b', 'a"b', "a'b"])
        await expect(call('createLoggedModel', { experiment_id, name }), name).rejects.toBeInstanceOf(
          InvalidParameterError,
        )
    })

    fact('one of an experiment that is not there is not found', async (call) => {
      await expect(call('createLoggedModel', { experiment_id: '987654321' })).rejects.toBeInstanceOf(NotFoundError)
    })

    fact('one that is not there is not found by any verb', async (call) => {
      const model_id = NOBODY
      const missing = [
        call('getLoggedModel', { model_id }),
        call('finalizeLoggedModel', { model_id, status: 'LOGGED_MODEL_READY' }),
        call('deleteLoggedModel', { model_id }),
        call('setLoggedModelTags', { model_id, tags: [{ key: 'k', value: 'v' }] }),
        call('deleteLoggedModelTag', { model_id, tag_key: 'k' }),
        call('logLoggedModelParams', { model_id, params: [{ key: 'k', value: 'v' }] }),
      ]
      for (const result of await Promise.allSettled(missing))
        expect(result).toMatchObject({ status: 'rejected', reason: expect.any(NotFoundError) })
    })

    fact('it ends ready, or failed', async (call) => {
      for (const status of ['LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED'] as const) {
        const { model_id } = (await create(call, 'model')).info
        expect((await call('finalizeLoggedModel', { model_id, status })).model.info.status).toBe(status)
        const { model } = await call('getLoggedModel', { model_id })
        expect(model.info).toMatchObject({ status, name: 'model' })
      }
    })

    fact('tags are set and overwritten, and deleted once', async (call) => {
      const { model_id } = (await create(call)).info
      await call('setLoggedModelTags', { model_id, tags: [{ key: 'a', value: '1' }] })
      await call('setLoggedModelTags', {
        model_id,
        tags: [
          { key: 'a', value: '2' },
          { key: 'b.c', value: 'two\nlines' },
        ],
      })
      const tags = async () => byKey((await call('getLoggedModel', { model_id })).model.info.tags)
      expect(await tags()).toEqual({ a: '2', 'b.c': 'two\nlines' })
      await call('deleteLoggedModelTag', { model_id, tag_key: 'a' })
      expect(await tags()).toEqual({ 'b.c': 'two\nlines' })
      await expect(call('deleteLoggedModelTag', { model_id, tag_key: 'a' })).rejects.toBeInstanceOf(NotFoundError)
    })

    fact('params are added later, too', async (call) => {
      const { model_id } = (await create(call)).info
      await call('logLoggedModelParams', { model_id, params: [{ key: 'lr', value: '0.1' }] })
      await call('logLoggedModelParams', { model_id, params: [{ key: 'depth', value: '3' }] })
      const { model } = await call('getLoggedModel', { model_id })
      expect(byKey(model.data.params)).toEqual({ lr: '0.1', depth: '3' })
    })

    fact('a metric logged with its id shows up on it', async (call) => {
      const experiment_id = await experiment(call)
      const { run } = await call('createRun', { experiment_id, start_time: Date.now() })
      const { run_id } = run.info
      const { model } = await call('createLoggedModel', { experiment_id, source_run_id: run_id })
      const { model_id } = model.info
      for (const [step, value] of [
        [2, 0.9],
        [1, 0.8],
      ] as const)
        await call('logMetric', { run_id, model_id, key: 'auc', value, timestamp: 1_700_000_000_000 + step, step })
      const { model: got } = await call('getLoggedModel', { model_id })
      expect(got.data.metrics).toContainEqual(
        expect.objectContaining({ key: 'auc', value: 0.9, step: 2, model_id, run_id }),
      )
    })

    fact('a deleted one is gone, but for who asks for deleted ones', async (call) => {
      const { model_id, experiment_id } = (await create(call)).info
      await call('deleteLoggedModel', { model_id })
      await expect(call('getLoggedModel', { model_id })).rejects.toBeInstanceOf(NotFoundError)
      expect((await call('searchLoggedModels', { experiment_ids: [experiment_id] })).models).toEqual([])
      const { model } = await call('getLoggedModel', { model_id, allow_deleted: true })
      expect(model.info.model_id).toBe(model_id)
    })

    fact('one deleted already is not found to be deleted again', async (call) => {
      const { model_id } = (await create(call)).info
      await call('deleteLoggedModel', { model_id })
      await expect(call('deleteLoggedModel', { model_id })).rejects.toBeInstanceOf(NotFoundError)
    })

    fact('its artifacts are listed; a path out of them is refused', async (call) => {
      const { model_id } = (await create(call)).info
      expect((await call('listLoggedModelArtifacts', { model_id })).files).toEqual([])
      await expect(call('listLoggedModelArtifacts', { model_id, artifact_directory_path: '../..' })).rejects.toThrow()
    })
  })
}
