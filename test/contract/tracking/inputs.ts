import { expect } from 'vitest'
import { type ContractOptions, facts, fresh, type Make } from '../registry/facts.js'

const INVALID = { code: 'INVALID_PARAMETER_VALUE' }
const dataset = (name: string) => ({
  name,
  digest: 'e16e60e8',
  source_type: 'local',
  source: '{"uri": "/tmp/foo.csv"}',
  schema: '{"mlflow_colspec": [{"type": "long", "name": "x"}]}',
  profile: '{"num_rows": 3}',
})
const context = (value: string) => [{ key: 'mlflow.data.context', value }]

export const inputFacts = (make: Make, options: ContractOptions): void =>
  facts('inputs and outputs', make, options, (fact) => {
    fact('datasets of a run come back with their context; once more changes nothing', async (call) => {
      const { experiment_id } = await call('createExperiment', { name: fresh('data') })
      const { run_id } = (await call('createRun', { experiment_id })).run.info
      const datasets = [{ dataset: dataset('my ds'), tags: context('training') }]
      await call('logInputs', { run_id, datasets })
      await call('logInputs', { run_id, datasets })
      expect((await call('getRun', { run_id })).run.inputs?.dataset_inputs).toMatchObject(datasets)
      expect((await call('getRun', { run_id })).run.inputs?.dataset_inputs).toHaveLength(1)
    })
    fact('a dataset without name or with one too long is refused', async (call) => {
      const { run_id } = (await call('createRun', { experiment_id: '0' })).run.info
      for (const name of ['', 'n'.repeat(501)])
        await expect(
          call('logInputs', { run_id, datasets: [{ dataset: dataset(name), tags: [] }] }),
        ).rejects.toMatchObject(INVALID)
    })
    fact('an experiment knows the datasets of its runs', async (call) => {
      const { experiment_id } = await call('createExperiment', { name: fresh('data') })
      for (const [name, use] of [
        ['a', 'training'],
        ['a', 'training'],
        ['a', 'eval'],
        ['b', 'training'],
      ] as const) {
        const { run_id } = (await call('createRun', { experiment_id })).run.info
        await call('logInputs', { run_id, datasets: [{ dataset: dataset(name), tags: context(use) }] })
      }
      const { dataset_summaries } = await call('searchDatasets', { experiment_ids: [experiment_id] })
      expect(dataset_summaries.map(({ name, context: use }) => `${name} ${use}`).sort()).toEqual([
        'a eval',
        'a training',
        'b training',
      ])
      expect(dataset_summaries[0]).toMatchObject({ experiment_id, digest: 'e16e60e8' })
    })
    fact('runs are found by the datasets they saw', async (call) => {
      const { experiment_id } = await call('createExperiment', { name: fresh('data') })
      const { run_id } = (await call('createRun', { experiment_id })).run.info
      await call('createRun', { experiment_id })
      await call('logInputs', { run_id, datasets: [{ dataset: dataset('seen'), tags: context('training') }] })
      for (const filter of ["datasets.name = 'seen'", "dataset.context = 'training'", "datasets.digest LIKE 'e16%'"]) {
        const { runs } = await call('searchRuns', { experiment_ids: [experiment_id], filter })
        expect(runs.map(({ info }) => info.run_id)).toEqual([run_id])
      }
    })
    fact('models that go into a run and come out of it come back', async (call) => {
      const { run_id } = (await call('createRun', { experiment_id: '0' })).run.info
      const { model } = await call('createLoggedModel', { experiment_id: '0', name: 'net', source_run_id: run_id })
      const { model_id } = model.info
      await call('logInputs', { run_id, models: [{ model_id }] })
      await call('logOutputs', { run_id, models: [{ model_id, step: 5 }] })
      await call('logOutputs', { run_id, models: [{ model_id, step: 5 }] })
      const { run } = await call('getRun', { run_id })
      expect(run.inputs?.model_inputs).toEqual([{ model_id }])
      expect(run.outputs?.model_outputs).toMatchObject([{ model_id, step: 5 }])
    })
    fact('a metric with a model is a metric of the model too', async (call) => {
      const { run_id } = (await call('createRun', { experiment_id: '0' })).run.info
      const { model_id } = (await call('createLoggedModel', { experiment_id: '0', name: 'net' })).model.info
      const point = { key: 'acc', value: 0.9, timestamp: 7, step: 2, dataset_name: 'ds', dataset_digest: 'd0ca2a63' }
      await call('logBatch', { run_id, metrics: [{ ...point, model_id }] })
      expect((await call('getRun', { run_id })).run.data.metrics).toMatchObject([{ key: 'acc', value: 0.9, step: 2 }])
      const { model } = await call('getLoggedModel', { model_id })
      expect(model.data.metrics).toMatchObject([{ ...point, run_id }])
    })
  })
