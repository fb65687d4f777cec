import { expect } from 'vitest'
import { byKey, type Call, type ContractOptions, facts, fresh, type Make } from '../registry/facts.js'

const MISSING = { code: 'RESOURCE_DOES_NOT_EXIST' }
const INVALID = { code: 'INVALID_PARAMETER_VALUE' }
const NO_RUN = 'f'.repeat(32)

async function newRun(call: Call, input: { run_name?: string; tags?: { key: string; value: string }[] } = {}) {
  const { experiment_id } = await call('createExperiment', { name: fresh('runs') })
  const { run } = await call('createRun', { experiment_id, start_time: 1718000000000, user_id: 'root', ...input })
  return { experiment_id, run, run_id: run.info.run_id }
}
const read = async (call: Call, run_id: string) => (await call('getRun', { run_id })).run

export const runFacts = (make: Make, options: ContractOptions): void =>
  facts('runs', make, options, (fact) => {
    fact('a run comes back as it was made, running', async (call) => {
      const { run, run_id, experiment_id } = await newRun(call, {
        run_name: 'yes',
        tags: [{ key: 'a/b c', value: 'é\n' }],
      })
      expect(run.info).toMatchObject({
        run_name: 'yes',
        experiment_id,
        status: 'RUNNING',
        lifecycle_stage: 'active',
        start_time: 1718000000000,
        user_id: 'root',
      })
      expect(run.info.end_time ?? 0).toBe(0)
      expect(run.info.artifact_uri).toContain(`${run_id}/artifacts`)
      const again = await read(call, run_id)
      expect(again.info).toEqual(run.info)
      expect(byKey(again.data.tags)).toEqual({ 'a/b c': 'é\n', 'mlflow.runName': 'yes' })
    })
    fact('a run without a name is given one, which its tag holds too', async (call) => {
      const { run } = await newRun(call)
      expect(run.info.run_name).toMatch(/^[a-z]+-[a-z]+-\d+$/)
      expect(byKey(run.data.tags)['mlflow.runName']).toBe(run.info.run_name)
    })
    fact('a name in the tag alone names the run; another by run_name is refused', async (call) => {
      const tags = [{ key: 'mlflow.runName', value: 'tagged' }]
      const { run, experiment_id } = await newRun(call, { tags })
      expect(run.info.run_name).toBe('tagged')
      await expect(call('createRun', { experiment_id, run_name: 'other', tags })).rejects.toMatchObject(INVALID)
    })
    fact(
      'a call that was aborted before it began rejects with the reason of the signal, and does nothing',
      async (call) => {
        const { run_id, experiment_id } = await newRun(call)
        const reason = new Error('enough')
        const options = { signal: AbortSignal.abort(reason) }
        await expect(call('getRun', { run_id }, options)).rejects.toBe(reason)
        await expect(call('searchRuns', { experiment_ids: [experiment_id] }, options)).rejects.toBe(reason)
        await expect(call('createRun', { experiment_id }, options)).rejects.toBe(reason)
        await expect(call('deleteRun', { run_id }, options)).rejects.toBe(reason)
        const { runs } = await call('searchRuns', { experiment_ids: [experiment_id] })
        expect(runs.map(({ info }) => info.run_id)).toEqual([run_id])
      },
    )
    fact('an unknown experiment takes no run', async (call) => {
      await expect(call('createRun', { experiment_id: '123456789' })).rejects.toMatchObject(MISSING)
    })
    fact('status, end and name are updated; the tag follows the name', async (call) => {
      const { run_id } = await newRun(call)
      const { run_info } = await call('updateRun', {
        run_id,
        status: 'FAILED',
        end_time: 1718000000999,
        run_name: 'new',
      })
      expect(run_info).toMatchObject({ status: 'FAILED', end_time: 1718000000999, run_name: 'new' })
      const run = await read(call, run_id)
      expect(run.info).toMatchObject({ status: 'FAILED', end_time: 1718000000999, run_name: 'new' })
      expect(byKey(run.data.tags)['mlflow.runName']).toBe('new')
    })
    fact('every status is kept', async (call) => {
      const { run_id } = await newRun(call)
      for (const status of ['SCHEDULED', 'KILLED', 'FINISHED', 'FAILED', 'RUNNING'] as const) {
        await call('updateRun', { run_id, status })
        expect((await read(call, run_id)).info.status).toBe(status)
      }
    })
    fact('setting the tag mlflow.runName renames the run', async (call) => {
      const { run_id } = await newRun(call)
      await call('setTag', { run_id, key: 'mlflow.runName', value: 'one' })
      expect((await read(call, run_id)).info.run_name).toBe('one')
      await call('logBatch', { run_id, tags: [{ key: 'mlflow.runName', value: 'two' }] })
      expect((await read(call, run_id)).info.run_name).toBe('two')
    })
    fact('a deleted run can be read, not written to, until it is restored', async (call) => {
      const { run_id } = await newRun(call)
      await call('deleteRun', { run_id })
      expect((await read(call, run_id)).info.lifecycle_stage).toBe('deleted')
      await expect(call('logParam', { run_id, key: 'p', value: '1' })).rejects.toMatchObject(INVALID)
      await expect(call('logMetric', { run_id, key: 'm', value: 1, timestamp: 1 })).rejects.toMatchObject(INVALID)
      await expect(call('updateRun', { run_id, status: 'FINISHED' })).rejects.toMatchObject(INVALID)
      await call('restoreRun', { run_id })
      await call('logParam', { run_id, key: 'p', value: '1' })
    })
    fact('a finished run can still be written to', async (call) => {
      const { run_id } = await newRun(call)
      await call('updateRun', { run_id, status: 'FINISHED', end_time: 1718000000999 })
      await call('logMetric', { run_id, key: 'late', value: 1, timestamp: 1 })
      expect((await read(call, run_id)).data.metrics).toMatchObject([{ key: 'late', value: 1 }])
    })
    fact('unknown runs are not found', async (call) => {
      await expect(call('getRun', { run_id: NO_RUN })).rejects.toMatchObject(MISSING)
      await expect(call('deleteRun', { run_id: NO_RUN })).rejects.toMatchObject(MISSING)
      await expect(call('logParam', { run_id: NO_RUN, key: 'a', value: 'b' })).rejects.toMatchObject(MISSING)
      await expect(call('setTag', { run_id: NO_RUN, key: 'a', value: 'b' })).rejects.toMatchObject(MISSING)
    })
    fact('an id that is a path is refused', async (call) => {
      for (const run_id of ['../..', '..', '.', 'a/b', '..%2f..', '*'])
        await expect(call('getRun', { run_id })).rejects.toThrow()
    })
    fact('a parameter is written once: the same again is fine, another is refused', async (call) => {
      const { run_id } = await newRun(call)
      await call('logParam', { run_id, key: 'lr', value: '0.1' })
      await call('logParam', { run_id, key: 'lr', value: '0.1' })
      await expect(call('logParam', { run_id, key: 'lr', value: '0.2' })).rejects.toThrow(/0\.1.*0\.2/s)
      const batch = { run_id, params: [{ key: 'lr', value: '0.3' }], metrics: [{ key: 'm', value: 1, timestamp: 1 }] }
      await expect(call('logBatch', batch)).rejects.toThrow('lr')
      expect((await read(call, run_id)).data).toMatchObject({ params: [{ key: 'lr', value: '0.1' }], metrics: [] })
    })
    fact('an empty parameter is kept', async (call) => {
      const { run_id } = await newRun(call)
      await call('logParam', { run_id, key: 'none', value: '' })
      expect((await read(call, run_id)).data.params).toEqual([{ key: 'none', value: '' }])
    })
    fact('half an emoji becomes U+FFFD and takes nothing with it', async (call) => {
      const half = `x${'😀'.slice(0, 1)}`
      const tags = [{ key: 'a', value: half }]
      const { info } = (await call('createRun', { experiment_id: '0', run_name: half, tags, start_time: 7 })).run
      expect(info).toMatchObject({ run_name: 'x\ufffd', start_time: 7 })
      const { run_id } = info
      const params = [half, 'p'].map((value, i) => ({ key: `p${i}`, value }))
      for (const _ of ['once', 'again'])
        await call('logBatch', { run_id, params, tags: [...tags, { key: 'b', value: 'behind' }] })
      const { data } = await read(call, run_id)
      expect(byKey(data.params)).toEqual({ p0: 'x\ufffd', p1: 'p' })
      expect(byKey(data.tags)).toMatchObject({ a: 'x\ufffd', b: 'behind' })
      expect((await read(call, run_id)).info.run_name).toBe('x\ufffd')
    })
    fact('tags are replaced and removed', async (call) => {
      const { run_id } = await newRun(call)
      await call('setTag', { run_id, key: 'a', value: '1' })
      await call('setTag', { run_id, key: 'a', value: '2' })
      expect(byKey((await read(call, run_id)).data.tags).a).toBe('2')
      await call('deleteTag', { run_id, key: 'a' })
      expect(byKey((await read(call, run_id)).data.tags).a).toBeUndefined()
      await expect(call('deleteTag', { run_id, key: 'a' })).rejects.toMatchObject(MISSING)
    })
    fact('values over the limit are cut, keys over it refused', async (call) => {
      const { run_id } = await newRun(call)
      await call('logBatch', {
        run_id,
        params: [{ key: 'p', value: '😀'.repeat(6001) }],
        tags: [{ key: 't', value: 'x'.repeat(8001) }],
      })
      const { data } = await read(call, run_id)
      expect([...(data.params[0]?.value ?? '')]).toHaveLength(6000)
      expect(byKey(data.tags).t).toHaveLength(8000)
      await expect(call('logParam', { run_id, key: 'k'.repeat(251), value: '' })).rejects.toMatchObject(INVALID)
    })
    fact('keys outside the rule are refused', async (call) => {
      const { run_id } = await newRun(call)
      for (const key of ['../x', 'a\\b', 'a#b', 'a%2e', '/abs', 'a//b', 'a\nb', '.', 'a/.', 'a/', '..']) {
        await expect(call('logParam', { run_id, key, value: '' }), key).rejects.toMatchObject(INVALID)
        await expect(call('logMetric', { run_id, key, value: 1, timestamp: 1 }), key).rejects.toMatchObject(INVALID)
        await expect(call('setTag', { run_id, key, value: '' }), key).rejects.toMatchObject(INVALID)
      }
      for (const key of ['日本', 'a:b', 'CON', 'a b', 'train/loss', 'x.y-z_0']) {
        await call('logParam', { run_id, key, value: key })
        await call('logMetric', { run_id, key, value: 1, timestamp: 1 })
      }
      expect((await read(call, run_id)).data.params.every(({ key, value }) => key === value)).toBe(true)
    })
    fact('a batch over a limit, or with a parameter twice, is refused whole', async (call) => {
      const { run_id } = await newRun(call)
      const list = (count: number) => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: '1' }))
      const points = (count: number) => list(count).map(({ key }) => ({ key, value: 1, timestamp: 1 }))
      for (const batch of [
        { metrics: points(1001) },
        { params: list(101) },
        { tags: list(101) },
        { metrics: points(1000), tags: list(1) },
        { params: [...list(1), ...list(1)] },
      ])
        await expect(call('logBatch', { run_id, ...batch })).rejects.toMatchObject(INVALID)
      const { data } = await read(call, run_id)
      expect([data.metrics.length, data.params.length, data.tags.length]).toEqual([0, 0, 1])
    })
    fact('what a model log of MLflow 2 says is added to a tag of the run', async (call) => {
      const { run_id } = await newRun(call)
      const model = { artifact_path: 'model', flavors: { onnx: {} }, utc_time_created: '2026-11-23 23:06:49', run_id }
      await call('logModel', { run_id, model_json: JSON.stringify(model) })
      await call('logModel', { run_id, model_json: JSON.stringify({ ...model, artifact_path: 'other' }) })
      const history = JSON.parse(byKey((await read(call, run_id)).data.tags)['mlflow.log-model.history'] ?? '')
      expect(history).toMatchObject([{ artifact_path: 'model', run_id }, { artifact_path: 'other' }])
      await expect(call('logModel', { run_id, model_json: '{' })).rejects.toMatchObject(INVALID)
      await expect(call('logModel', { run_id, model_json: '{}' })).rejects.toMatchObject(INVALID)
    })
    fact('a new run has no artifacts, and a path out of them is refused', async (call) => {
      const { run_id, run } = await newRun(call)
      expect(await call('listArtifacts', { run_id })).toMatchObject({ root_uri: run.info.artifact_uri, files: [] })
      expect((await call('listArtifacts', { run_id, path: 'none' })).files).toEqual([])
      for (const path of ['..', '../..', '/etc', 'a/../../b', '..%2f..', '%252e%252e/x'])
        await expect(call('listArtifacts', { run_id, path }), path).rejects.toMatchObject(INVALID)
      await expect(call('listArtifacts', { run_id: NO_RUN })).rejects.toMatchObject(MISSING)
    })
  })
