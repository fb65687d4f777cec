import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { localPath } from '../../src/artifacts/location.js'
import {
  IntegrityError,
  InvalidParameterError,
  NotFoundError,
  UnavailableError,
  UnsafePathError,
} from '../../src/errors.js'
import type { Backends } from '../../src/resolve/backends.js'
import { resolveModel } from '../../src/resolve/model.js'
import type { Transport } from '../../src/transport/transport.js'
import { modelHouse } from '../support/model-house.js'

const model = { weights: { a: 1 } }

/** Backends elsewhere that answer each operation with what the test gives. */
function remote(
  answers: Record<string, unknown>,
  { sharesDisk = false, ...options }: Partial<Backends> & { sharesDisk?: boolean } = {},
): Backends {
  const transport = {
    close: async () => {},
    call: async (operation: string) => {
      const answer = answers[operation]
      if (answer instanceof Error) throw answer
      if (answer === undefined) throw new NotFoundError(`nobody asked for ${operation}`)
      return answer
    },
  } as unknown as Transport
  const backend = { uri: 'http://host', transport: async () => transport, local: false, sharesDisk }
  return { tracking: backend, registry: backend, openAnyPlace: () => Promise.reject(new Error('unused')), ...options }
}

const version = (more = {}) => ({
  model_version: { name: 'm', version: '1', status: 'READY', source: 's3://b/x', ...more },
})
const loggedModel = (info = {}) => ({
  model: { info: { model_id: 'm-1', name: 'model', status: 'LOGGED_MODEL_READY', ...info } },
})

describe('what a model reference means', () => {
  it('each form finds its version, and stages in any case', async () => {
    const { log, backends } = modelHouse()
    await log(model, { registeredModelName: 'churn', stage: 'Production' })
    await log(model, { registeredModelName: 'churn', alias: 'champion' })
    const versionOf = async (uri: string) => (await resolveModel(backends, uri)).version
    expect(await versionOf('models:/churn/1')).toBe('1')
    expect(await versionOf('models:/churn/PRODUCTION')).toBe('1')
    expect(await versionOf('models:/churn/latest')).toBe('2')
    expect(await versionOf('models:/churn@champion')).toBe('2')
  })

  it('a version of a logged model leads to the files of that', async () => {
    const { log, backends } = modelHouse()
    const info = await log(model, { registeredModelName: 'churn' })
    const found = await resolveModel(backends, 'models:/churn/1')
    expect(found).toMatchObject({ kind: 'version', source: info.modelUri, modelId: info.modelId, runId: info.runId })
    const { artifactUri, path } = await found.place()
    expect(join(localPath(artifactUri), path)).toBe(localPath(info.artifactPath))
  })

  it('of models with one name in a run the newest is meant', async () => {
    const { deps, newRun, backends } = modelHouse()
    const { logModel } = await import('../../src/models/log.js')
    const run = await newRun()
    await logModel(deps, run, model, { name: 'model' })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await logModel(deps, run, model, { name: 'model' })
    expect((await resolveModel(backends, `runs:/${run.runId}/model`)).modelId).toBe(second.modelId)
  })

  it('what is not there is a NotFoundError that names it', async () => {
    const { log, backends } = modelHouse()
    await log(model, { registeredModelName: 'churn' })
    const failure = (uri: string) => resolveModel(backends, uri).catch((error: unknown) => error)
    const unknown = `models:/m-${'0'.repeat(32)}`
    for (const uri of [
      'models:/churn/9',
      'models:/nobody/1',
      'models:/nobody/Staging',
      'models:/churn@nobody',
      unknown,
    ])
      expect(await failure(uri), uri).toBeInstanceOf(NotFoundError)
    expect(String(await failure('models:/churn/Staging'))).toMatch(/churn.*Staging/)
  })

  it.each([
    'models:/',
    'models:/a',
    'models:/a/1/2/3',
    'models:/m/../../x',
    'models:/m@alias/../x',
    'models:/m/1#x',
    'models:m/1',
    'models:/m/Gone',
    'runs:/../../x',
    'runs:/abc/../x',
    'MODELS:/m/1',
    'file://host/x',
    '',
  ])('%j is refused', async (uri) => {
    await expect(resolveModel(modelHouse().backends, uri)).rejects.toSatisfy(
      (error) => error instanceof InvalidParameterError || error instanceof UnsafePathError,
    )
  })

  it('an alias that nobody has is a NotFoundError, though the server calls it an invalid parameter', async () => {
    const backends = remote({
      getModelVersionByAlias: new InvalidParameterError('Registered model alias x not found.'),
    })
    await expect(resolveModel(backends, 'models:/m@x')).rejects.toThrow(NotFoundError)
  })

  it('a name that the server refuses is an invalid parameter, by an alias too', async () => {
    const refused = new InvalidParameterError("Invalid name: 'alias%'. Names cannot contain '%'")
    await expect(resolveModel(remote({ getModelVersionByAlias: refused }), 'models:/alias%@x')).rejects.toBe(refused)
  })

  it.each([
    'file:///etc',
    '/etc/passwd',
    'C:\\x',
    '\\\\host\\share',
    'mlflow-artifacts:/1/../../x',
    's3://b/x#y',
    'dbfs:/x?/../../etc',
  ])('a remote registry cannot name %s, unless disks are shared', async (artifact_uri) => {
    const answers = { getModelVersion: version(), getModelVersionDownloadUri: { artifact_uri } }
    const found = await resolveModel(remote(answers), 'models:/m/1')
    await expect(found.place()).rejects.toBeInstanceOf(UnsafePathError)
    if (!artifact_uri.startsWith('/') && !artifact_uri.startsWith('file:')) return
    const shared = await resolveModel(remote(answers, { sharesDisk: true }), 'models:/m/1')
    expect((await shared.place()).artifactUri).toBe(artifact_uri)
  })

  it('nor can a logged model or a run of a remote server', async () => {
    const logged = remote({
      getModelVersion: version({ source: 'models:/m-1' }),
      getModelVersionDownloadUri: { artifact_uri: `models:/m-${'a'.repeat(32)}` },
      getLoggedModel: loggedModel({ artifact_uri: 'file:///etc' }),
      getRun: { run: { info: { run_id: 'r', artifact_uri: '/etc' }, outputs: { model_outputs: [] } } },
    })
    const found = await resolveModel(logged, 'models:/m/1')
    await expect(found.place()).rejects.toBeInstanceOf(UnsafePathError)
    await expect(resolveModel(logged, 'runs:/r/model')).rejects.toBeInstanceOf(UnsafePathError)
  })

  it('a version that is not ready and a model whose upload failed are refused', async () => {
    const of = (answers: Record<string, unknown>) => resolveModel(remote(answers), 'models:/m/1')
    await expect(of({ getModelVersion: version({ status: 'PENDING_REGISTRATION' }) })).rejects.toThrow(UnavailableError)
    await expect(of({ getModelVersion: version({ status: 'FAILED_REGISTRATION' }) })).rejects.toThrow(IntegrityError)
    const failed = remote({
      getLoggedModel: loggedModel({ status: 'LOGGED_MODEL_UPLOAD_FAILED', artifact_uri: 's3://b' }),
    })
    const found = await resolveModel(failed, `models:/m-${'a'.repeat(32)}`)
    await expect(found.place()).rejects.toThrow(/upload .* failed/)
  })

  it('tracking and registry may be two backends', async () => {
    const registry = remote({
      getModelVersion: version(),
      getModelVersionDownloadUri: { artifact_uri: `models:/m-${'a'.repeat(32)}` },
    })
    const tracking = remote({ getLoggedModel: loggedModel({ artifact_uri: 's3://bucket/m' }) })
    const backends = { ...tracking, registry: { ...registry.registry, uri: 'http://registry' } }
    const found = await resolveModel(backends, 'models:/m/1')
    expect(found.identity).toContain('http://registry')
    expect(await found.place()).toEqual({ artifactUri: 's3://bucket/m', path: '' })
  })

  it('a URI of an artifact store, a folder and a bundle are places of their own', async () => {
    const { backends } = modelHouse()
    expect(await resolveModel(backends, 's3://bucket/model')).toMatchObject({
      kind: 'files',
      source: 's3://bucket/model',
    })
    expect(await resolveModel(backends, './some/folder')).toMatchObject({ kind: 'folder' })
    expect(await resolveModel(backends, '/some/model.tgz')).toMatchObject({ kind: 'bundle' })
    await expect(resolveModel(backends, 'models://p@databricks/m/1')).rejects.toThrow(/setRegistryUri/)
  })

  it('a URI that names the registry of the default profile is one of a client that has that', async () => {
    const { backends } = modelHouse()
    const here = { ...backends, registry: { ...backends.registry, uri: 'databricks://' } }
    await expect(resolveModel(here, 'models://databricks/m/1')).rejects.toThrow(/^(?!.*setRegistryUri)/)
    await expect(resolveModel(backends, 'models://databricks/m/1')).rejects.toThrow(/setRegistryUri/)
  })
})
