import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InvalidParameterError, NotFoundError, ParamConflictError, PermissionDeniedError } from '../../../src/errors.js'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'

async function start(options: { truncate?: boolean } = {}) {
  const root = join(tempDir(), 'mlruns')
  const { call } = fileTransport({ root, ...options })
  const { run } = await call('createRun', { experiment_id: '0' })
  return { root, call, run_id: run.info.run_id, dir: join(root, '0', run.info.run_id) }
}
const read = (...path: string[]) => readFileSync(join(...path), 'utf8')
const point = (key: string, value: number, step: number) => ({ key, value, step, timestamp: 1718000000000 })

describe('the local store', () => {
  it('is made with MLflow\'s experiment "Default" at the first call', async () => {
    const root = join(tempDir(), 'deep/mlruns')
    const { call } = fileTransport({ root })
    expect(existsSync(root)).toBe(false)
    const { experiments } = await call('searchExperiments', {})
    expect(experiments).toMatchObject([{ experiment_id: '0', name: 'Default', artifact_location: `file://${root}/0` }])
    expect(statSync(join(root, '.trash')).isDirectory()).toBe(true)
  })
  it('refuses what is no path', () => {
    expect(() => fileTransport({ root: '' })).toThrow(InvalidParameterError)
    expect(() => fileTransport({ root: 'a\0b' })).toThrow(InvalidParameterError)
  })
  it('without write permission is read, and says what it refuses', async () => {
    const { root, call, run_id, dir } = await start()
    const asRoot = process.getuid?.() === 0
    const dirs = [dir, join(dir, 'metrics'), join(dir, 'params'), join(dir, 'tags'), join(root, '0'), root]
    for (const path of dirs) chmodSync(path, 0o555)
    chmodSync(join(root, '..'), 0o755)
    if (asRoot) process.seteuid?.(65534)
    try {
      expect((await call('searchRuns', { experiment_ids: ['0'] })).runs).toHaveLength(1)
      expect((await fileTransport({ root }).call('getRun', { run_id })).run.info.run_id).toBe(run_id)
      for (const [what, refused] of [
        [() => call('logMetric', { run_id, key: 'm', value: 1, timestamp: 1 }), join(dir, 'metrics', 'm')],
        [() => call('logParam', { run_id, key: 'p', value: '1' }), join(dir, 'params', 'p')],
        [() => call('setTag', { run_id, key: 't', value: '1' }), join(dir, 'tags', 't')],
        [() => call('createRun', { experiment_id: '0' }), root],
        [() => call('createExperiment', { name: 'new' }), root],
        [() => fileTransport({ root: join(root, 'sub') }).call('searchExperiments', {}), join(root, 'sub')],
      ] as const) {
        const asked = what()
        await expect(asked).rejects.toThrow(PermissionDeniedError)
        await expect(asked).rejects.toThrow(refused)
      }
    } finally {
      if (asRoot) process.seteuid?.(0)
      for (const path of dirs) chmodSync(path, 0o755)
    }
  })
})

describe('logBatch', () => {
  it('has written everything when the call returns, before its promise is looked at', async () => {
    const { call, run_id, dir } = await start()
    const params = [{ key: 'lr', value: '0.1' }]
    const promise = call('logBatch', { run_id, params, metrics: [point('loss', 0.5, 0), point('loss', 1, 1)] })
    expect(read(dir, 'metrics/loss')).toBe('1718000000000 0.5 0\n1718000000000 1.0 1\n')
    expect(read(dir, 'params/lr')).toBe('0.1')
    const update = call('updateRun', { run_id, status: 'FINISHED' })
    expect(read(dir, 'meta.yaml')).toContain('status: 3\n')
    await Promise.all([promise, update])
  })
  it('keeps keys apart and points of a key in order', async () => {
    const { call, run_id, dir } = await start()
    const metrics = Array.from({ length: 9 }, (_, i) => point(`k${i % 3}`, i, i))
    await call('logBatch', { run_id, metrics })
    expect(
      read(dir, 'metrics/k1')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[1]),
    ).toEqual(['1.0', '4.0', '7.0'])
  })
  it('cuts a torn tail before it appends', async () => {
    const { call, run_id, dir, root } = await start()
    writeFileSync(join(dir, 'metrics/loss'), '1 0.5 0\n17 0.')
    await call('logBatch', { run_id, metrics: [point('loss', 2, 1)] })
    expect(read(dir, 'metrics/loss')).toBe('1 0.5 0\n1718000000000 2.0 1\n')
    appendFileSync(join(dir, 'metrics/loss'), 'torn')
    await fileTransport({ root }).call('logBatch', { run_id, metrics: [point('loss', 3, 2)] })
    expect(read(dir, 'metrics/loss')).toBe('1 0.5 0\n1718000000000 2.0 1\n1718000000000 3.0 2\n')
  })
  it('notices that others deleted the run, or moved its experiment away', async () => {
    const { call, run_id, root } = await start()
    const other = fileTransport({ root })
    await new Promise((done) => setTimeout(done, 150))
    for (const step of [0, 1]) await call('logBatch', { run_id, metrics: [point('m', 1, step)] })
    await other.call('deleteRun', { run_id })
    await expect(call('logBatch', { run_id, metrics: [point('m', 1, 2)] })).rejects.toThrow(InvalidParameterError)
    await other.call('restoreRun', { run_id })
    await call('logBatch', { run_id, metrics: [point('m', 1, 3)] })
  })
  it('writes nothing of a batch in which a parameter changed, and names both values', async () => {
    const { call, run_id, dir } = await start()
    await call('logParam', { run_id, key: 'lr', value: '0.1' })
    const batch = {
      run_id,
      metrics: [point('m', 1, 0)],
      params: [
        { key: 'new', value: '1' },
        { key: 'lr', value: '0.2' },
      ],
      tags: [{ key: 't', value: '' }],
    }
    await expect(call('logBatch', batch)).rejects.toThrow(ParamConflictError)
    await expect(call('logBatch', batch)).rejects.toThrow(/0\.1.*0\.2/)
    expect(readdirSync(join(dir, 'metrics'))).toEqual([])
    expect(readdirSync(join(dir, 'params'))).toEqual(['lr'])
    expect(readdirSync(join(dir, 'tags'))).toEqual(['mlflow.runName'])
  })
  it('takes back the metrics of a batch of which one cannot be written', async () => {
    const { call, run_id, dir } = await start()
    await call('logBatch', { run_id, metrics: [point('a', 1, 0), point('b', 1, 0)] })
    rmSync(join(dir, 'metrics/b'))
    mkdirSync(join(dir, 'metrics/b'))
    const batch = { run_id, metrics: [point('a', 2, 1), point('new', 2, 1), point('b', 2, 1)] }
    await expect(call('logBatch', batch)).rejects.toThrow(InvalidParameterError)
    expect(read(dir, 'metrics/a')).toBe('1718000000000 1.0 0\n')
    expect(readdirSync(join(dir, 'metrics')).sort()).toEqual(['a', 'b'])
  })
  it.each(['metrics', 'params', 'tags'] as const)('refuses %s of which one is a folder to another', async (kind) => {
    const { call, run_id, dir } = await start()
    const batch = (...keys: string[]) =>
      kind === 'metrics'
        ? {
            run_id,
            metrics: keys.map((key) => point(key, 1, 0)),
            params: [{ key: `p${keys}`.replace(/\W/g, ''), value: '' }],
          }
        : { run_id, [kind]: keys.map((key) => ({ key, value: '' })), metrics: [point('x', 1, 0)] }
    await expect(call('logBatch', batch('c', 'c/d'))).rejects.toThrow(InvalidParameterError)
    await expect(call('logBatch', batch('c/d', 'c'))).rejects.toThrow(InvalidParameterError)
    expect(readdirSync(join(dir, kind === 'metrics' ? 'params' : 'metrics'))).toEqual([])
    await call('logBatch', batch('a', 'b/c'))
    for (const key of ['a/x', 'b', 'a/x/y', 'b/c/d'])
      await expect(call('logBatch', batch(key)), key).rejects.toThrow(InvalidParameterError)
  })
  it('refuses values over the limits when it is not to cut them', async () => {
    const { call, run_id } = await start({ truncate: false })
    await expect(call('logParam', { run_id, key: 'p', value: 'x'.repeat(6001) })).rejects.toThrow(/6001.*6000/)
    await expect(call('setTag', { run_id, key: 't', value: 'x'.repeat(8001) })).rejects.toThrow(InvalidParameterError)
  })
  it('refuses steps and values that are none', async () => {
    const { call, run_id, dir } = await start()
    for (const bad of [{ step: 1.5 }, { step: 2n ** 63n }, { step: 'x' }, { value: 'x' }, { timestamp: NaN }])
      await expect(
        call('logBatch', { run_id, metrics: [point('good', 1, 0), { ...point('bad', 1, 0), ...bad }] }),
      ).rejects.toThrow(InvalidParameterError)
    const rounded = { ...point('bad', 1, 0), timestamp: 1.7e18 }
    await expect(call('logBatch', { run_id, metrics: [rounded] })).rejects.toThrow('(past 2^53 a bigint)')
    expect(readdirSync(join(dir, 'metrics'))).toEqual([])
  })
  it('leaves no temporary file where MLflow would take it for a key', async () => {
    const { call, run_id, dir } = await start()
    const pairs = [{ key: 'a/b', value: '1' }]
    await call('logBatch', { run_id, params: pairs, tags: pairs, metrics: [point('a/b', 1, 0)] })
    expect(readdirSync(dir).sort()).toEqual(['artifacts', 'meta.yaml', 'metrics', 'params', 'tags'])
  })
})

describe('deleting an experiment', () => {
  it('moves it to .trash, and a restore that was cut half-way can be finished', async () => {
    const { root, call } = await start()
    const { experiment_id } = await call('createExperiment', { name: 'e' })
    const { run } = await call('createRun', { experiment_id })
    await call('deleteExperiment', { experiment_id })
    expect(existsSync(join(root, '.trash', experiment_id, run.info.run_id))).toBe(true)
    renameSync(join(root, '.trash', experiment_id), join(root, experiment_id))
    await call('restoreExperiment', { experiment_id })
    expect((await call('getExperiment', { experiment_id })).experiment.lifecycle_stage).toBe('active')
    expect(read(root, experiment_id, run.info.run_id, 'meta.yaml')).not.toContain('deleted')
  })
})

it('a tag is absent where only others begin with it and "/"', async () => {
  const { call, run_id } = await start()
  await call('createRegisteredModel', { name: 'm' })
  await call('createModelVersion', { name: 'm', source: 's3://b/x' })
  const at = { key: 'a/b', value: '1' }
  await call('setTag', { run_id, ...at })
  await call('setExperimentTag', { experiment_id: '0', ...at })
  await call('setRegisteredModelTag', { name: 'm', ...at })
  await call('setModelVersionTag', { name: 'm', version: '1', ...at })
  await expect(call('deleteTag', { run_id, key: 'a' })).rejects.toThrow(NotFoundError)
  await expect(call('deleteExperimentTag', { experiment_id: '0', key: 'a' })).rejects.toThrow(NotFoundError)
  await call('deleteRegisteredModelTag', { name: 'm', key: 'a' })
  await call('deleteModelVersionTag', { name: 'm', version: '1', key: 'a' })
  expect((await call('getRun', { run_id })).run.data.tags).toContainEqual(at)
  expect((await call('getModelVersion', { name: 'm', version: '1' })).model_version.tags).toEqual([at])
})

it('a model comes out of a step past 2^53 as it was given', async () => {
  const { call, run_id, dir } = await start()
  const model_id = `m-${'0'.repeat(32)}`
  await call('logOutputs', { run_id, models: [{ model_id, step: 2n ** 53n + 1n }] })
  expect(read(dir, 'outputs', model_id, 'meta.yaml')).toContain('\nstep: 9007199254740993\n')
  expect((await call('getRun', { run_id })).run.outputs?.model_outputs).toEqual([{ model_id, step: 2n ** 53n + 1n }])
})
