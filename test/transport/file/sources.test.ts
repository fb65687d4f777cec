import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { InvalidParameterError, NotFoundError } from '../../../src/errors.js'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'

async function store() {
  const { call } = fileTransport({ root: join(tempDir(), 'mlruns') })
  await call('createRegisteredModel', { name: 'churn' })
  const { run } = await call('createRun', { experiment_id: '0', start_time: 1 })
  const { run_id } = run.info
  const artifacts = fileURLToPath(run.info.artifact_uri ?? '')
  const { model } = await call('createLoggedModel', { experiment_id: '0', name: 'model', source_run_id: run_id })
  const { model_id } = model.info
  const create = async (source: string, more: { run_id?: string; model_id?: string } = {}) =>
    (await call('createModelVersion', { name: 'churn', source, ...more })).model_version
  const download = async (version: string) =>
    (await call('getModelVersionDownloadUri', { name: 'churn', version })).artifact_uri
  return { call, run_id, artifacts, artifact_uri: run.info.artifact_uri ?? '', model, model_id, create, download }
}

describe('sources of versions in a local store', () => {
  it.each([
    '/etc/passwd',
    'file:///etc/passwd',
    'FILE:///etc',
    'file://localhost/etc',
    'file://remote/etc',
    'etc',
    'C:\\x',
    '\\\\host\\s',
    'http:///#/../../etc',
    'http://h/a?b=../..',
    'http://h/a;/../../etc',
    'http://h/a%00',
    's3:/b/../x',
    's3://b/..%2f..%2fx',
    's3://b/%252e%252e/x',
    's3://b/..\\..\\x',
    'mlflow-artifacts:/0/x',
    'mlflow-artifacts://h/..%2f..',
    'dbfs:/r/a%3f/../../..',
    'models:/m/../../x',
    'models:/m@alias/../x',
    'models:/m/1#x',
    'models://other@databricks/m/1',
    'MODELS:/m/1',
    'RUNS:/x/y',
    'runs:/../../x',
    'javascript:alert(1)',
    'data:text/html,x',
  ])('%s is refused', async (source) => {
    const { create, run_id, model_id, call } = await store()
    await expect(create(source)).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(create(source, { run_id })).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(create(source, { model_id })).rejects.toBeInstanceOf(InvalidParameterError)
    expect((await call('searchModelVersions', {})).model_versions).toEqual([])
  })

  it.each([
    's3://b/x',
    'gs://b/x',
    'https://h/a%20b',
    'wasbs://c@a.blob.core.windows.net/p',
    'hdfs://h/x',
    'my-own://x/y',
  ])('%s is taken as it is', async (source) => {
    const { create, download } = await store()
    expect((await create(source)).source).toBe(source)
    expect(await download('1')).toBe(source)
  })

  it("a local path is taken inside the run's artifacts, not beside them, whether or not it is there yet", async () => {
    const { create, run_id, artifacts } = await store()
    for (const source of [artifacts, join(artifacts, 'model'), `file://${artifacts}/model/sub`])
      expect((await create(source, { run_id })).run_id).toBe(run_id)
    for (const source of [`${artifacts}-other`, join(artifacts, '..', 'meta.yaml'), join(artifacts, '..')])
      await expect(create(source, { run_id })).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(create(join(artifacts, 'model'))).rejects.toThrow(/run_id or model_id/)
  })

  it('a link in the artifacts leads nowhere outside of them', async () => {
    const { create, run_id, artifacts } = await store()
    const outside = tempDir()
    writeFileSync(join(outside, 'MLmodel'), '')
    mkdirSync(join(artifacts, 'real'))
    symlinkSync(outside, join(artifacts, 'out'))
    symlinkSync(join(artifacts, 'real'), join(artifacts, 'in'))
    for (const leak of ['out', 'out/MLmodel', 'out/not-yet'])
      await expect(create(join(artifacts, leak), { run_id }), leak).rejects.toBeInstanceOf(InvalidParameterError)
    expect((await create(join(artifacts, 'in'), { run_id })).version).toBe('1')
  })

  it('a run that is not there lends nothing', async () => {
    const { create, artifacts } = await store()
    await expect(create(artifacts, { run_id: 'f'.repeat(32) })).rejects.toBeInstanceOf(NotFoundError)
    await expect(create(artifacts, { run_id: '../..' })).rejects.toBeInstanceOf(InvalidParameterError)
  })

  it('models:/m-… knows its id, its run and its place by itself; another id beside it is refused', async () => {
    const { create, download, model, model_id, run_id, call } = await store()
    expect(await create(`models:/${model_id}`)).toMatchObject({ model_id, run_id, source: `models:/${model_id}` })
    expect(await download('1')).toBe(model.info.artifact_uri)
    const other = (await call('createLoggedModel', { experiment_id: '0' })).model.info.model_id
    await expect(create(`models:/${model_id}`, { model_id: other })).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(create(`models:/m-${'0'.repeat(32)}`)).rejects.toBeInstanceOf(NotFoundError)
  })

  it("runs:/ leads into the run's artifacts, or to the logged model it put out under that name", async () => {
    const { call, create, download, run_id, artifact_uri, artifacts, model, model_id } = await store()
    const plain = `runs:/${run_id}/a 100%`
    expect(await create(plain)).toMatchObject({ source: plain, run_id })
    expect(await download('1')).toBe(`${artifact_uri}/a%20100%25`)
    await call('logOutputs', { run_id, models: [{ model_id, step: 0 }] })
    expect(await create(`runs:/${run_id}/model`)).toMatchObject({ run_id, model_id })
    expect(await download('2')).toBe(model.info.artifact_uri)
    mkdirSync(join(artifacts, 'model'))
    expect((await create(`runs:/${run_id}/model`)).model_id).toBeUndefined()
    expect(await download('3')).toBe(`${artifact_uri}/model`)
    await expect(create(`runs:/${run_id}/model`, { run_id: 'f'.repeat(32) })).rejects.toBeInstanceOf(
      InvalidParameterError,
    )
    await expect(create(`runs:/${'f'.repeat(32)}/model`)).rejects.toBeInstanceOf(NotFoundError)
  })

  it('another version is named for good, whether by number, stage, alias or latest', async () => {
    const { call, create, download } = await store()
    await create('s3://b/1')
    await create('s3://b/2')
    const at = { name: 'churn', version: '1' }
    await call('transitionModelVersionStage', { ...at, stage: 'Production', archive_existing_versions: false })
    await call('setRegisteredModelAlias', { ...at, alias: 'champion' })
    await call('createRegisteredModel', { name: 'copy' })
    for (const [source, named] of [
      ['models:/churn/1', 'models:/churn/1'],
      ['models:/churn/production', 'models:/churn/1'],
      ['models:/churn@champion', 'models:/churn/1'],
      ['models:/churn/latest', 'models:/churn/2'],
    ] as const) {
      const { model_version: made } = await call('createModelVersion', { name: 'copy', source })
      expect(made.source).toBe(named)
      expect((await call('getModelVersionDownloadUri', { name: 'copy', version: made.version })).artifact_uri).toBe(
        `s3://b/${named.slice(-1)}`,
      )
    }
    for (const source of ['models:/churn/9', 'models:/churn/Staging', 'models:/nobody/1'])
      await expect(call('createModelVersion', { name: 'copy', source }), source).rejects.toBeInstanceOf(NotFoundError)
    expect(await download('1')).toBe('s3://b/1')
  })
})
