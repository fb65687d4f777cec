import { expect } from 'vitest'
import { InvalidParameterError } from '../../../src/errors.js'
import { type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

/** Sources that would lead a reader of the registry out of the store. */
const HOSTILE = [
  '/etc',
  'file:///etc',
  'FILE:///etc',
  '../../etc',
  's3://b/../x',
  's3://b/..%2f..%2fx',
  'http://h/a/../../x',
  'mlflow-artifacts://h/..%2f..',
]

async function experiment(call: Call): Promise<string> {
  return (await call('createExperiment', { name: fresh('sources') })).experiment_id
}

async function run(call: Call): Promise<{ run_id: string; artifact_uri: string }> {
  const made = await call('createRun', { experiment_id: await experiment(call), start_time: Date.now() })
  const { run_id, artifact_uri } = made.run.info
  if (artifact_uri === undefined) throw new Error('a run without artifact_uri')
  return { run_id, artifact_uri }
}

export function sourceFacts(make: Make, options: ContractOptions): void {
  facts('sources of model versions', make, options, (fact) => {
    fact('one that leads out of the store is refused, and nothing is registered', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      for (const source of HOSTILE)
        await expect(call('createModelVersion', { name, source }), source).rejects.toBeInstanceOf(InvalidParameterError)
      const { registered_model: model } = await call('getRegisteredModel', { name })
      expect(model.latest_versions).toEqual([])
    })

    fact('a file of another host is refused as bad input', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      await expect(call('createModelVersion', { name, source: 'file://remote/etc' })).rejects.toBeInstanceOf(
        InvalidParameterError,
      )
    })

    fact("a path outside the run's artifacts is refused with a run, too", async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      const { run_id } = await run(call)
      for (const source of HOSTILE)
        await expect(call('createModelVersion', { name, source, run_id }), source).rejects.toBeInstanceOf(
          InvalidParameterError,
        )
    })

    fact("one inside the run's artifacts is taken, and is where to download from", async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      const { run_id, artifact_uri } = await run(call)
      const source = `${artifact_uri}/model`
      const { model_version: made } = await call('createModelVersion', { name, source, run_id })
      expect(made).toMatchObject({ source, run_id, version: '1' })
      expect((await call('getModelVersionDownloadUri', { name, version: '1' })).artifact_uri).toBe(source)
    })

    fact('models:/m-… leads to where the logged model lies, and brings its run', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      const { run_id } = await run(call)
      const { model } = await call('createLoggedModel', {
        experiment_id: await experiment(call),
        source_run_id: run_id,
      })
      const { model_id, artifact_uri } = model.info
      const source = `models:/${model_id}`
      const { model_version: made } = await call('createModelVersion', { name, source, model_id })
      expect(made).toMatchObject({ source, run_id })
      expect((await call('getModelVersionDownloadUri', { name, version: '1' })).artifact_uri).toBe(artifact_uri)
    })

    fact('the logged model remembers the versions made of it', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      const { model } = await call('createLoggedModel', { experiment_id: await experiment(call) })
      const { model_id } = model.info
      for (let i = 0; i < 2; i++) await call('createModelVersion', { name, source: `models:/${model_id}`, model_id })
      const { model: got } = await call('getLoggedModel', { model_id })
      const tag = got.info.tags.find(({ key }) => key === 'mlflow.modelVersions')
      expect(JSON.parse(tag?.value ?? '[]')).toEqual([
        { name, version: 1 },
        { name, version: 2 },
      ])
    })

    fact('models:/<name>/<version> leads to where that version lies', async (call) => {
      const [name, copy] = [fresh('churn'), fresh('copy')]
      await call('createRegisteredModel', { name })
      await call('createRegisteredModel', { name: copy })
      await call('createModelVersion', { name, source: 's3://lake/models/churn' })
      await call('createModelVersion', { name: copy, source: `models:/${name}/1` })
      const { artifact_uri } = await call('getModelVersionDownloadUri', { name: copy, version: '1' })
      expect(artifact_uri).toBe('s3://lake/models/churn')
    })

    fact('of a prompt is no place', async (call) => {
      const name = fresh('greeting')
      const tags = [{ key: 'mlflow.prompt.is_prompt', value: 'true' }]
      await call('createRegisteredModel', { name, tags })
      const { model_version: made } = await call('createModelVersion', { name, source: 'dummy-source', tags })
      expect(made).toMatchObject({ version: '1', source: 'dummy-source' })
    })

    fact('a tag never opens the way for a source', async (call) => {
      const name = fresh('churn')
      const tags = [{ key: 'mlflow.prompt.is_prompt', value: 'true' }]
      await call('createRegisteredModel', { name, tags })
      await expect(call('createModelVersion', { name, source: '/etc', tags })).rejects.toBeInstanceOf(
        InvalidParameterError,
      )
    })
  })
}
