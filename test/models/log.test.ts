import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { localPath } from '../../src/artifacts/location.js'
import { inferSignature } from '../../src/core/infer-signature.js'
import { readMlModel } from '../../src/core/mlmodel.js'
import {
  AlreadyExistsError,
  InvalidParameterError,
  NetworkError,
  NotFoundError,
  SignatureMismatchError,
  UnavailableError,
} from '../../src/errors.js'
import { carryModel } from '../../src/models/carry-model.js'
import { onnx } from '../../src/models/flavors/onnx.js'
import { type LogModelOptions, logModel, packForRun } from '../../src/models/log.js'
import { saveModel } from '../../src/models/package.js'
import type { ModelRequest } from '../../src/spool/steps.js'
import { withRetry } from '../../src/transport/retry.js'
import type { Transport } from '../../src/transport/transport.js'
import { linearOnnx } from '../support/linear-models.js'
import { modelHouse } from '../support/model-house.js'
import { plain } from '../support/plain-flavor.js'
import { tempDir } from '../support/temp-dir.js'

const model = { weights: { a: 1, b: 2 } }
const rows = [
  { a: 1, b: 2 },
  { a: 3, b: 4.5 },
]
const json = (...parts: string[]): unknown => JSON.parse(readFileSync(join(...parts), 'utf8'))

describe('logModel', () => {
  it('logs the way of MLflow 3: a logged model, linked to its run, ready, MLmodel with all ids', async () => {
    const { log, inner } = modelHouse()
    const info = await log(model, {
      inputExample: rows,
      metadata: { team: 'growth' },
      params: { depth: 3, at: new Date(0), none: undefined },
    })
    expect(info).toMatchObject({ modelUri: `models:/${info.modelId}`, name: 'model', metadata: { team: 'growth' } })
    const { model: logged } = await inner.call('getLoggedModel', { model_id: info.modelId as string })
    expect(logged.info).toMatchObject({ status: 'LOGGED_MODEL_READY', name: 'model', model_type: 'plain' })
    expect(logged.data.params).toEqual([
      { key: 'at', value: '1970-01-01T00:00:00.000Z' },
      { key: 'depth', value: '3' },
    ])
    const { run } = await inner.call('getRun', { run_id: info.runId })
    expect(run.outputs?.model_outputs).toMatchObject([{ model_id: info.modelId }])
    const dir = localPath(info.artifactPath)
    const described = readMlModel(readFileSync(join(dir, 'MLmodel'), 'utf8'))
    expect(described).toMatchObject({ modelId: info.modelId, modelUuid: info.modelId, runId: info.runId })
    expect(described.utcTimeCreated).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/)
    expect(described.modelSizeBytes).toBeGreaterThan(50)
    expect(described.signature?.inputs).toMatchObject({ kind: 'columns', columns: [{ name: 'a' }, { name: 'b' }] })
  })

  it("keeps the input example in Python's three files' exact shapes, and the model's own answer beside it", async () => {
    const { log } = modelHouse()
    const dir = localPath((await log(model, { inputExample: rows })).artifactPath)
    const split = {
      columns: ['a', 'b'],
      data: [
        [1, 2],
        [3, 4.5],
      ],
    }
    expect(json(dir, 'input_example.json')).toEqual(split)
    expect(json(dir, 'serving_input_example.json')).toEqual({ dataframe_split: split })
    expect(json(dir, 'output_example.json')).toEqual([{ sum: 5 }, { sum: 12 }])
    expect(readMlModel(readFileSync(join(dir, 'MLmodel'), 'utf8')).savedInputExampleInfo).toEqual({
      artifact_path: 'input_example.json',
      serving_input_path: 'serving_input_example.json',
      type: 'dataframe',
      pandas_orient: 'split',
    })
  })

  it('tensors as examples are arrays, alone or by name', async () => {
    const { log } = modelHouse()
    const dir = localPath((await log(model, { inputExample: [[1, 2]] })).artifactPath)
    expect(json(dir, 'input_example.json')).toEqual([[1, 2]])
    expect(json(dir, 'serving_input_example.json')).toEqual({ inputs: [[1, 2]] })
    const named = localPath(
      (await log(model, { inputExample: { x: { data: Float32Array.of(1, 2), dims: [1, 2], type: 'float32' } } }))
        .artifactPath,
    )
    expect(json(named, 'serving_input_example.json')).toEqual({ inputs: { x: [[1, 2]] } })
  })

  it('an onnx model gets the environments of Node and Python, the lock file and its code', async () => {
    const project = tempDir()
    writeFileSync(join(project, 'package.json'), '{"dependencies":{"left-pad":"^1.3.0"}}')
    writeFileSync(join(project, 'package-lock.json'), '{"lockfileVersion":3}')
    mkdirSync(join(project, 'src', 'deep'), { recursive: true })
    writeFileSync(join(project, 'src', 'deep', 'train.js'), 'train()')
    const { deps, newRun } = modelHouse()
    const info = await logModel(
      { ...deps, flavors: [onnx(), plain], projectDir: join(project, 'src') },
      await newRun(),
      linearOnnx(),
      {
        name: 'net',
        dependencies: ['left-pad'],
        code: join(project, 'src'),
        inputExample: [[1, 2]],
      },
    )
    const dir = localPath(info.artifactPath)
    const { dependencies, engines } = json(dir, 'package.json') as Record<string, Record<string, string>>
    expect(dependencies).toMatchObject({ 'left-pad': '^1.3.0', 'onnxruntime-node': expect.any(String) })
    expect(engines).toEqual({ node: `^${process.versions.node}` })
    expect(json(dir, 'package-lock.json')).toEqual({ lockfileVersion: 3 })
    expect(readFileSync(join(dir, 'code/src/deep/train.js'), 'utf8')).toBe('train()')
    expect(readFileSync(join(dir, 'requirements.txt'), 'utf8')).toMatch(/^mlflow==3[\d.]+\nonnx/)
    expect(readFileSync(join(dir, 'conda.yaml'), 'utf8')).toMatch(/channels:\n- conda-forge\ndependencies:\n- python=3/)
    expect(readFileSync(join(dir, 'python_env.yaml'), 'utf8')).toContain('- -r requirements.txt')
    expect(info.flavors.python_function).toMatchObject({ loader_module: 'mlflow.onnx', env: { conda: 'conda.yaml' } })
    expect(info.signature?.inputs?.kind).toBe('tensors')
  })

  it('registers where asked, in its stage and with its alias', async () => {
    const { log, inner } = modelHouse()
    const info = await log(model, { registeredModelName: 'churn', stage: 'Production', alias: 'champion' })
    expect(info.registeredModelVersion).toBe('1')
    const { model_version: found } = await inner.call('getModelVersionByAlias', { name: 'churn', alias: 'champion' })
    expect(found).toMatchObject({ current_stage: 'Production', model_id: info.modelId, source: info.modelUri })
  })

  it('bad input is refused before anything is made known', async () => {
    const { log, calls } = modelHouse()
    await expect(log(model, { name: 'a/b' })).rejects.toThrow(InvalidParameterError)
    await expect(log(model, { flavor: 'pickle' })).rejects.toThrow(/"pickle"; known are plain/)
    await expect(log('what is this')).rejects.toThrow(/No flavor takes this model/)
    await expect(log(model, { metadata: 'x' as never })).rejects.toThrow(InvalidParameterError)
    await expect(log(model, { inputExample: [] })).rejects.toThrow(InvalidParameterError)
    await expect(log(model, { code: '/no/such/code' })).rejects.toThrow(NotFoundError)
    const registered = { registeredModelName: 'churn' }
    await expect(log(model, { ...registered, stage: 'Prod' })).rejects.toThrow(/"Prod" is not a stage/)
    await expect(log(model, { ...registered, alias: 'latest' })).rejects.toThrow(/reserved/)
    await expect(log(model, { registeredModelName: 'a/b' })).rejects.toThrow(InvalidParameterError)
    await expect(log(model, { stage: 'Staging' })).rejects.toThrow(/registeredModelName/)
    await expect(log(model, { step: 0.5 })).rejects.toThrow(/whole number/)
    const late = Promise.resolve(1)
    await expect(log(model, { params: { a: late } })).rejects.toThrow(
      `model's "a" cannot be kept as a Promise: await it`,
    )
    await expect(log(model, { params: { a: [new Set()] } })).rejects.toThrow(`"a" cannot be kept: [0] in it is a Set`)
    await expect(log(model, { tags: { t: new Map() as never } })).rejects.toThrow('"t" cannot be kept as a Map')
    await expect(log(model, { metadata: { a: late } })).rejects.toThrow(
      'metadata of a model cannot be kept: a in it is',
    )
    await expect(log(model, { metadata: new Map() as never })).rejects.toThrow('metadata of a model is an object')
    const signature = inferSignature([{ a: 1.5 }])
    await expect(log(model, { signature, inputExample: [{ a: 'text' }] })).rejects.toThrow(SignatureMismatchError)
    expect(calls).not.toContain('createLoggedModel')
  })

  it('files that cannot be sent mark the model UPLOAD_FAILED, and the failure comes through', async () => {
    const { deps, newRun, inner, dir } = modelHouse()
    const failure = new Error('disk full')
    const openArtifacts: typeof deps.openArtifacts = async (uri) => ({
      ...(await deps.openArtifacts(uri)),
      write: async () => {
        throw failure
      },
    })
    await expect(logModel({ ...deps, openArtifacts }, await newRun(), model, { name: 'model' })).rejects.toBe(failure)
    const { models } = await inner.call('searchLoggedModels', { experiment_ids: ['0'] })
    expect(models.map(({ info }) => info.status)).toEqual(['LOGGED_MODEL_UPLOAD_FAILED'])
    expect(readdirSync(join(dir, 'tmp'))).toEqual([])
  })

  it('a model that cannot answer its example is kept all the same, and said so', async () => {
    const { log, warnings } = modelHouse()
    const broken = { weights: { a: 1 } }
    const info = await log(broken, { inputExample: { x: [[1]] } })
    expect(info.modelId).toBeDefined()
    expect(warnings.join()).toMatch(/could not answer its input example/)
  })

  it('a server of MLflow 2 gets the model into the run, and is told of it', async () => {
    const old = (inner: Transport): Transport => ({
      ...inner,
      call: async (operation, input, options) => {
        if (operation !== 'createLoggedModel') return inner.call(operation, input, options)
        throw new NotFoundError('no such page', { code: 'ENDPOINT_NOT_FOUND', status: 404 })
      },
    })
    const { log, load, calls } = modelHouse({ transport: old })
    const info = await log(model, { inputExample: rows })
    expect(info).toMatchObject({ modelUri: `runs:/${info.runId}/model`, artifactPath: 'model', modelId: undefined })
    expect(calls).toContain('logModel')
    await using loaded = await load(info.modelUri, { replay: true })
    expect(await loaded.predict([{ a: 1, b: 1 }])).toEqual([{ sum: 3 }])
    expect(loaded.info.runId).toBe(info.runId)
  })
})

describe('a packaged model that is carried', () => {
  /** What is packaged in a folder, as it waits on disk. */
  async function waiting(options: Partial<LogModelOptions> = {}) {
    const house = modelHouse({ transport: (inner) => withRetry(inner, { rules: { attempts: 1 } }) })
    const dir = join(tempDir(), 'kept')
    mkdirSync(dir)
    const known = { model, runId: 'ours', operationId: randomUUID() }
    const { packed } = await packForRun(house.deps, dir, known, { name: 'model', ...options })
    // Read from disk, as another process does.
    const again = { dir, request: JSON.parse(JSON.stringify(packed.request)) as ModelRequest }
    return { ...house, packed: again, run: await house.newRun() }
  }

  it('goes on where an earlier try stood: one model, and no file that has arrived is sent again', async () => {
    const { deps, inner, packed, run } = await waiting({ inputExample: rows, params: { depth: 3 } })
    const written: string[] = []
    let breaks = true
    const openArtifacts: typeof deps.openArtifacts = async (uri) => {
      const store = await deps.openArtifacts(uri)
      return {
        ...store,
        async write(path, data, options) {
          if (path === 'MLmodel' && breaks) throw new NetworkError('gone')
          written.push(path)
          await store.write(path, data, options)
        },
      }
    }
    const first = carryModel({ ...deps, openArtifacts }, run, packed, { goesOn: () => true })
    await expect(first).rejects.toThrow('gone')
    const found = async () => (await inner.call('searchLoggedModels', { experiment_ids: ['0'] })).models
    // It may yet come.
    expect((await found()).map(({ info }) => info.status)).toEqual(['LOGGED_MODEL_PENDING'])
    breaks = false
    const before = written.length
    const info = await carryModel({ ...deps, openArtifacts }, run, packed)
    expect(written.slice(before)).toEqual(['MLmodel'])
    const [only, ...others] = await found()
    expect(others).toEqual([])
    expect(only?.info).toMatchObject({ model_id: info.modelId, status: 'LOGGED_MODEL_READY' })
    const described = readMlModel(readFileSync(join(localPath(info.artifactPath), 'MLmodel'), 'utf8'))
    expect(described).toMatchObject({ modelId: info.modelId, runId: run.runId, modelUuid: info.modelId })
    expect(await carryModel({ ...deps, openArtifacts }, run, packed)).toMatchObject({ modelId: info.modelId })
    expect(written).toHaveLength(before + 1)
    const { run: linked } = await inner.call('getRun', { run_id: run.runId })
    expect(linked.outputs?.model_outputs).toHaveLength(1)
  })

  it('is marked UPLOAD_FAILED when no later try fares better', async () => {
    const { deps, inner, packed, run } = await waiting()
    const openArtifacts: typeof deps.openArtifacts = async (uri) => ({
      ...(await deps.openArtifacts(uri)),
      write: async () => {
        throw new InvalidParameterError('too large', { status: 413 })
      },
    })
    await expect(carryModel({ ...deps, openArtifacts }, run, packed)).rejects.toThrow('too large')
    const { models } = await inner.call('searchLoggedModels', { experiment_ids: ['0'] })
    expect(models.map(({ info }) => info.status)).toEqual(['LOGGED_MODEL_UPLOAD_FAILED'])
  })

  it('is told without its signature to a server that does not know such a one', async () => {
    const { inner, packed, run, deps } = await waiting({ inputExample: rows })
    const told: string[] = []
    const old: Transport = {
      ...inner,
      async call(operation, input, options) {
        if (operation === 'createLoggedModel') throw new NotFoundError('no', { code: 'ENDPOINT_NOT_FOUND' })
        if (operation !== 'logModel') return inner.call(operation, input, options)
        const { model_json } = input as { model_json: string }
        told.push(model_json)
        if ('signature' in JSON.parse(model_json)) throw new UnavailableError('cannot', { status: 500 })
        return inner.call(operation, input, options)
      },
    }
    await carryModel({ ...deps, transport: async () => old }, run, packed)
    expect(told.map((text) => 'signature' in JSON.parse(text))).toEqual([true, false])
    expect(told.join()).not.toContain('required')
  })
})

describe('saveModel', () => {
  it('writes the same folder without a run, whole or not at all', async () => {
    const dir = join(tempDir(), 'saved')
    await saveModel({ flavors: [plain] }, model, dir, { inputExample: rows })
    expect(readdirSync(dir)).toEqual(
      expect.arrayContaining(['MLmodel', 'weights.json', 'output_example.json', 'package.json']),
    )
    await expect(saveModel({ flavors: [plain] }, model, dir)).rejects.toThrow(AlreadyExistsError)
    const other = join(tempDir(), 'other')
    await expect(saveModel({ flavors: [plain] }, model, other, { code: '/no/such/code' })).rejects.toThrow(
      NotFoundError,
    )
    const stopped = AbortSignal.abort(new Error('stop'))
    await expect(saveModel({ flavors: [plain] }, model, other, { signal: stopped })).rejects.toThrow('stop')
    expect(existsSync(other)).toBe(false)
  })

  it('keeps of the metadata what JSON can hold', async () => {
    const dir = join(tempDir(), 'saved')
    const metadata = { team: 'growth', since: new Date(0), none: undefined, call: () => 1 }
    await saveModel({ flavors: [plain] }, model, dir, { metadata })
    const { metadata: kept } = readMlModel(readFileSync(join(dir, 'MLmodel'), 'utf8'))
    expect(kept).toEqual({ team: 'growth', since: '1970-01-01T00:00:00.000Z' })
    const around: Record<string, unknown> = {}
    around.self = around
    const other = join(tempDir(), 'other')
    await expect(saveModel({ flavors: [plain] }, model, other, { metadata: around })).rejects.toThrow(
      InvalidParameterError,
    )
  })
})

describe('the signature of a packaged model', () => {
  const save = async (options: object): Promise<ReturnType<typeof readMlModel>> => {
    const dir = join(tempDir(), 'saved')
    await saveModel({ flavors: [onnx()] }, linearOnnx(), dir, options)
    return readMlModel(readFileSync(join(dir, 'MLmodel'), 'utf8'))
  }

  it("is the graph's own, unless the example is a table, whose columns the graph does not know", async () => {
    expect((await save({})).signature?.inputs).toMatchObject({ kind: 'tensors', tensors: [{ name: 'features' }] })
    expect((await save({ inputExample: [[1, 2]] })).signature?.inputs?.kind).toBe('tensors')
    const table = await save({ inputExample: [{ a: 1, b: 2 }] })
    expect(table.signature?.inputs).toMatchObject({ kind: 'columns', columns: [{ name: 'a' }, { name: 'b' }] })
    expect(table.signature?.outputs).toMatchObject({ columns: [{ name: 'sum' }] })
    expect(table.rest?.cairn).toMatchObject({ output_example: 'output_example.json' })
  })
})
