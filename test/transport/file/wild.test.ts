import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { IntegrityError, InvalidParameterError, NotFoundError, UnsafePathError } from '../../../src/errors.js'
import { fileTransport } from '../../../src/transport/file/file.js'
import { recordFault } from '../../support/fault-line.js'
import { tempDir } from '../../support/temp-dir.js'

const RUN = '769c9d7e3aa6419b96b414c86360e9e8'

/** A store as Python wrote it, by hand: one experiment, one run. */
function pythonStore(): { root: string; experiment: string; run: string } {
  const root = join(tempDir(), 'mlruns')
  const experiment = join(root, '838586532880322906')
  const run = join(experiment, RUN)
  for (const dir of ['metrics/train', 'params', 'artifacts', 'tags']) mkdirSync(join(run, dir), { recursive: true })
  writeFileSync(
    join(experiment, 'meta.yaml'),
    `artifact_location: file://${experiment}\ncreation_time: 1795474693566\nexperiment_id: '838586532880322906'\nlast_update_time: 1795474694802\nlifecycle_stage: active\nname: exp-b\ntrace_location: null\nworkspace: default\n`,
  )
  writeFileSync(
    join(run, 'meta.yaml'),
    `artifact_uri: file://${run}/artifacts\nend_time: 1795474694774\nentry_point_name: ''\nexperiment_id: '838586532880322906'\nlifecycle_stage: active\nrun_id: ${RUN}\nrun_name: r1\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: 1795474693649\nstatus: 3\ntags: []\nuser_id: root\n`,
  )
  writeFileSync(join(run, 'metrics/train/loss'), '1795474693663 0.5 1\n1795474693664 nan 2\n1795474693666 -inf 3\n')
  writeFileSync(join(run, 'params/lr'), '0.1')
  writeFileSync(join(run, 'tags/mlflow.runName'), 'r1')
  return { root, experiment, run }
}

const open = (root: string, warn?: (message: string) => void) => {
  const { call } = fileTransport({ root, warn })
  const find = async () => (await call('searchRuns', { experiment_ids: ['838586532880322906'] })).runs
  return { call, find }
}

/** A second run beside the first, whose files a test then spoils. */
function second(run: string, change: (dir: string) => void): string {
  const id = 'e'.repeat(32)
  const dir = join(run, '..', id)
  cpSync(run, dir, { recursive: true })
  writeFileSync(join(dir, 'meta.yaml'), readFileSync(join(run, 'meta.yaml'), 'utf8').replaceAll(RUN, id))
  change(dir)
  return id
}

describe('a store that others wrote', () => {
  it('is read, and gets no default experiment and no other file', async () => {
    const { root } = pythonStore()
    const before = readdirSync(root, { recursive: true })
    const { call, find } = open(root)
    const [run] = await find()
    expect(run?.info).toMatchObject({ run_name: 'r1', status: 'FINISHED', user_id: 'root', start_time: 1795474693649 })
    expect(run?.data.metrics).toEqual([{ key: 'train/loss', value: -Infinity, timestamp: 1795474693666, step: 3 }])
    const history = await call('getMetricHistory', { run_id: RUN, metric_key: 'train/loss' })
    expect(history.metrics.map(({ value }) => value)).toEqual([0.5, NaN, -Infinity])
    expect(readdirSync(root, { recursive: true })).toEqual(before)
  })
  it('keeps fields of meta.yaml that are not ours', async () => {
    const { root, experiment } = pythonStore()
    await open(root).call('updateExperiment', { experiment_id: '838586532880322906', new_name: 'new' })
    const text = readFileSync(join(experiment, 'meta.yaml'), 'utf8')
    expect(text).toContain("experiment_id: '838586532880322906'\n")
    expect(text).toContain('name: new\ntrace_location: null\nworkspace: default\n')
  })
  it('of MLflow 1 is read: run_uuid alone, no lifecycle, no name but the tag', async () => {
    const { root, run } = pythonStore()
    writeFileSync(
      join(run, 'meta.yaml'),
      `artifact_uri: x\nexperiment_id: 838586532880322906\nrun_uuid: ${RUN}\nstatus: 4\n`,
    )
    const [found] = await open(root).find()
    expect(found?.info).toMatchObject({ run_id: RUN, run_name: 'r1', status: 'FAILED', lifecycle_stage: 'active' })
  })
  it('of MLflow 1 is read: an experiment without times, relative places, numbers unquoted', async () => {
    const root = join(tempDir(), 'mlruns')
    const run = join(root, '0', RUN)
    for (const dir of ['metrics', 'params', 'artifacts/model']) mkdirSync(join(run, dir), { recursive: true })
    writeFileSync(
      join(root, '0/meta.yaml'),
      'artifact_location: ./mlruns/0\nexperiment_id: 0\nlifecycle_stage: active\nname: Default\n',
    )
    writeFileSync(
      join(run, 'meta.yaml'),
      `artifact_uri: ./mlruns/0/${RUN}/artifacts\nend_time: 1570000001000\nentry_point_name: train.py\nexperiment_id: 0\nlifecycle_stage: active\nname: ''\nrun_id: ${RUN}\nrun_uuid: ${RUN}\nsource_name: train.py\nsource_type: 3\nsource_version: 0a1b\nstart_time: 1570000000000\nstatus: 3\ntags: []\nuser_id: ann\n`,
    )
    // Two fields: the step came with MLflow 1.0.
    writeFileSync(join(run, 'metrics/loss'), '1570000000 0.5\n1570000001 0.25\n')
    writeFileSync(join(run, 'params/lr'), '0.1')
    const { call } = open(root)
    const { experiments } = await call('searchExperiments', {})
    expect(experiments).toEqual([
      { experiment_id: '0', name: 'Default', artifact_location: './mlruns/0', lifecycle_stage: 'active', tags: [] },
    ])
    const [found] = (await call('searchRuns', { experiment_ids: ['0'], filter: 'metrics.loss < 0.3' })).runs
    expect(found?.info).toMatchObject({ status: 'FINISHED', user_id: 'ann', end_time: 1570000001000 })
    expect(found?.data).toEqual({
      metrics: [{ key: 'loss', value: 0.25, timestamp: 1570000001, step: 0 }],
      params: [{ key: 'lr', value: '0.1' }],
      tags: [],
    })
  })
  it('with runs half deleted (no meta.yaml, no folders, nothing) lists the others and takes no new points for them', async () => {
    const { root, experiment, run } = pythonStore()
    const gone = second(run, (dir) => rmSync(join(dir, 'meta.yaml')))
    mkdirSync(join(experiment, 'f'.repeat(32)))
    const bare = 'd'.repeat(32)
    mkdirSync(join(experiment, bare))
    writeFileSync(
      join(experiment, bare, 'meta.yaml'),
      readFileSync(join(run, 'meta.yaml'), 'utf8').replaceAll(RUN, bare),
    )
    const { call, find } = open(root)
    const found = await find()
    expect(found.map(({ info }) => info.run_id).sort()).toEqual([RUN, bare].sort())
    expect(found.find(({ info }) => info.run_id === bare)?.data).toEqual({ metrics: [], params: [], tags: [] })
    for (const run_id of [gone, bare, 'f'.repeat(32)])
      await expect(call('logMetric', { run_id, key: 'a', value: 1, timestamp: 1 })).rejects.toThrow(NotFoundError)
  })
  it.skipIf(process.getuid?.() === 0)(
    'with a run that may not be read lists the others, and names it (root may read all)',
    async () => {
      const { root, run } = pythonStore()
      const id = second(run, (dir) => chmodSync(join(dir, 'params/lr'), 0))
      const warned: string[] = []
      const { find } = open(root, (message) => warned.push(message))
      expect((await find()).map(({ info }) => info.run_id)).toEqual([RUN])
      expect(warned).toEqual([expect.stringContaining(join(id, 'params/lr'))])
    },
  )
  it('shows every change that others make, also within the same size', async () => {
    const { root, run } = pythonStore()
    const { find } = open(root)
    for (const [value, status] of [
      ['0.1', 3],
      ['0.2', 4],
      ['0.3', 1],
    ] as const) {
      await new Promise((done) => setTimeout(done, 120))
      await find()
      writeFileSync(join(run, 'params/lr'), value)
      writeFileSync(join(run, 'metrics/train/loss'), `1 ${value} 1\n`)
      const meta = readFileSync(join(run, 'meta.yaml'), 'utf8').replace(/status: \d/, `status: ${status}`)
      writeFileSync(join(run, 'meta.yaml'), meta)
      const [found] = await find()
      expect(found?.data.params[0]?.value).toBe(value)
      expect(found?.data.metrics[0]?.value).toBe(Number(value))
      expect(found?.info.status).toBe(['', 'RUNNING', '', 'FINISHED', 'FAILED'][status])
    }
  })
  it.each([
    ['an empty meta.yaml', '', IntegrityError],
    ['a torn meta.yaml', 'artifact_uri: file:///x\nend_time: nu', IntegrityError],
    ['no YAML', 'a: [', IntegrityError],
    ['another run in meta.yaml', `experiment_id: '838586532880322906'\nrun_id: ${RUN}\n`, IntegrityError],
    ['another experiment in meta.yaml', `experiment_id: '7'\nrun_id: ${'e'.repeat(32)}\n`, IntegrityError],
  ])('with %s lists its other runs, and names that file when asked for', async (_, text, kind) => {
    const { root, run } = pythonStore()
    const id = second(run, (dir) => writeFileSync(join(dir, 'meta.yaml'), text))
    const warned: string[] = []
    const { call, find } = open(root, (message) => warned.push(message))
    for (let time = 0; time < 3; time++) expect((await find()).map(({ info }) => info.run_id)).toEqual([RUN])
    expect(warned).toEqual([expect.stringContaining(join(id, 'meta.yaml'))])
    await expect(call('getRun', { run_id: id })).rejects.toThrow(kind)
    await expect(call('getRun', { run_id: id })).rejects.toThrow(join(id, 'meta.yaml'))
    await expect(call('logParam', { run_id: id, key: 'a', value: '1' })).rejects.toThrow(kind)
  })
  it('with a missing or broken meta.yaml of an experiment lists the others', async () => {
    const { root } = pythonStore()
    mkdirSync(join(root, '77'))
    mkdirSync(join(root, '78'))
    writeFileSync(join(root, '78/meta.yaml'), 'a: [')
    mkdirSync(join(root, '79'))
    writeFileSync(join(root, '79/meta.yaml'), "experiment_id: '80'\nname: moved\n")
    writeFileSync(join(root, 'stray'), 'file')
    const warned: string[] = []
    const { call } = open(root, (message) => warned.push(message))
    expect((await call('searchExperiments', {})).experiments.map(({ name }) => name)).toEqual(['exp-b'])
    expect(warned.sort()).toEqual([expect.stringMatching(/78.meta\.yaml/), expect.stringMatching(/79.meta\.yaml/)])
    await expect(call('getExperiment', { experiment_id: '77' })).rejects.toThrow(NotFoundError)
    await expect(call('getExperiment', { experiment_id: '78' })).rejects.toThrow(/78.meta\.yaml/)
    await expect(call('createRun', { experiment_id: '79' })).rejects.toThrow(IntegrityError)
    await call('createExperiment', { name: 'still works' })
  })
  it('with odd metric files gives what can be read of each run', async () => {
    const { root, run } = pythonStore()
    const metrics = {
      empty: '',
      torn: '1 0.5 1\n17 0.',
      blank: '1 0.5 1\n\n2 0.6 2\n',
      bad: '1 0.5 1\nnot a metric\n2 0.7 2\n',
      nul: '\0\0\0\0',
      nonsense: 'x\ny\n',
      two: '9 0.25\n',
      dataset: '9 0.75 4 ds d0ca2a63\n',
      spaced: '9 0.8 4 my data set d0ca2a63\n',
      crlf: '1 0.5 1\r\n',
    }
    for (const [key, text] of Object.entries(metrics)) writeFileSync(join(run, 'metrics', key), text)
    const { call, find } = open(root)
    const [found] = await find()
    expect(Object.fromEntries(found?.data.metrics.map(({ key, value }) => [key, value]) ?? [])).toEqual({
      torn: 0.5,
      blank: 0.6,
      bad: 0.7,
      two: 0.25,
      dataset: 0.75,
      spaced: 0.8,
      crlf: 0.5,
      'train/loss': -Infinity,
    })
    const history = async (metric_key: string) => (await call('getMetricHistory', { run_id: RUN, metric_key })).metrics
    expect(await history('torn')).toHaveLength(1)
    expect(await history('bad')).toHaveLength(2)
    expect(await history('empty')).toEqual([])
    expect((await history('dataset'))[0]).toMatchObject({ step: 4, dataset_name: 'ds', dataset_digest: 'd0ca2a63' })
    const whole = ['torn', 'blank', 'bad', 'two', 'dataset', 'spaced', 'crlf', 'train/loss']
    const points = (await Promise.all(whole.map(history))).flat()
    expect(points).toHaveLength(12)
    const note = 'lines that are whole, in files as a crash leaves them'
    recordFault({ logged: 12, arrived: points.length, note })
    await expect(history('nonsense')).rejects.toThrow(IntegrityError)
    await expect(history('nonsense')).rejects.toThrow(join('metrics', 'nonsense'))
  })
  it('with broken inputs and 0-byte tags still shows the run', async () => {
    const { root, run } = pythonStore()
    mkdirSync(join(run, 'inputs/a'), { recursive: true })
    mkdirSync(join(run, 'inputs/b'), { recursive: true })
    mkdirSync(join(run, 'outputs/c'), { recursive: true })
    writeFileSync(join(run, 'inputs/b/meta.yaml'), 'source_type: [')
    writeFileSync(join(run, 'outputs/c/meta.yaml'), '')
    writeFileSync(join(run, 'tags/empty'), '')
    const [found] = await open(root).find()
    expect(found?.data.tags).toContainEqual({ key: 'empty', value: '' })
    expect(found?.inputs).toEqual({ dataset_inputs: [], model_inputs: [] })
  })
  it('finds experiments behind links, but takes no link for a run', async () => {
    const { root, experiment, run } = pythonStore()
    const elsewhere = join(tempDir(), '838586532880322906')
    renameSync(experiment, elsewhere)
    symlinkSync(elsewhere, experiment)
    symlinkSync(join(elsewhere, RUN), join(elsewhere, 'e'.repeat(32)))
    const { call, find } = open(root)
    expect((await find()).map(({ info }) => info.run_id)).toEqual([RUN])
    await expect(call('getRun', { run_id: 'e'.repeat(32) })).rejects.toThrow(NotFoundError)
    expect(run).toContain(RUN)
    await call('logMetric', { run_id: RUN, key: 'new', value: 1, timestamp: 1 })
  })
  it('takes no meta.yaml among artifacts for a run', async () => {
    const { root, experiment, run } = pythonStore()
    writeFileSync(join(run, 'artifacts/meta.yaml'), "run_id: artifacts\nexperiment_id: '838586532880322906'\n")
    mkdirSync(join(experiment, 'artifacts'))
    writeFileSync(join(experiment, 'artifacts/meta.yaml'), "run_id: artifacts\nexperiment_id: '838586532880322906'\n")
    const { call } = open(root)
    await expect(call('getRun', { run_id: 'artifacts' })).rejects.toThrow(NotFoundError)
    for (const run_id of ['tags', 'models', 'datasets', 'traces', 'meta.yaml'])
      await expect(call('getRun', { run_id })).rejects.toThrow()
  })
})

describe('artifacts', () => {
  it('are listed but for what is being written: a user may name a file .partial', async () => {
    const { root, run } = pythonStore()
    const id = '11111111-1111-4111-8111-111111111111'
    for (const name of ['own.partial', `.cairn-${id}.partial`, `.stage-1-${'a'.repeat(16)}`, '.mlflow_tmp'])
      writeFileSync(join(run, 'artifacts', name), 'x')
    const { files } = await open(root).call('listArtifacts', { run_id: RUN })
    expect(files.map(({ path }) => path)).toEqual(['own.partial'])
  })

  it('are listed by folder; a link out of them is not, and not followed', async () => {
    const { root, run } = pythonStore()
    const outside = tempDir()
    writeFileSync(join(outside, 'secret.txt'), 'x')
    mkdirSync(join(run, 'artifacts/model/data'), { recursive: true })
    writeFileSync(join(run, 'artifacts/model/MLmodel'), 'text')
    writeFileSync(join(run, 'artifacts/100%.txt'), '')
    symlinkSync(outside, join(run, 'artifacts/leak'))
    symlinkSync(join(outside, 'secret.txt'), join(run, 'artifacts/model/leak.txt'))
    symlinkSync('MLmodel', join(run, 'artifacts/model/same'))
    const { call } = open(root)
    expect((await call('listArtifacts', { run_id: RUN })).files).toEqual([
      { path: '100%.txt', is_dir: false, file_size: 0 },
      { path: 'model', is_dir: true },
    ])
    expect((await call('listArtifacts', { run_id: RUN, path: 'model' })).files).toEqual([
      { path: 'model/MLmodel', is_dir: false, file_size: 4 },
      { path: 'model/data', is_dir: true },
      { path: 'model/same', is_dir: false, file_size: 4 },
    ])
    expect((await call('listArtifacts', { run_id: RUN, path: 'model/MLmodel' })).files).toEqual([])
    await expect(call('listArtifacts', { run_id: RUN, path: 'leak' })).rejects.toThrow(UnsafePathError)
  })
  it('elsewhere are listed by who can', async () => {
    const root = join(tempDir(), 'mlruns')
    const asked: unknown[] = []
    const listArtifacts = async (uri: string, path: string | undefined) => {
      asked.push([uri, path])
      return [{ path: 'a', is_dir: false, file_size: 1 }]
    }
    for (const options of [
      { root, artifactRoot: 's3://b/p/' },
      { root, listArtifacts },
    ]) {
      const { call } = fileTransport(options)
      const { experiment_id } = await call('createExperiment', {
        name: `e${asked.length}${Object.keys(options).at(-1)}`,
        artifact_location: 's3://b/p?region=x',
      })
      const { run } = await call('createRun', { experiment_id })
      const uri = `s3://b/p/${run.info.run_id}/artifacts?region=x`
      expect(run.info.artifact_uri).toBe(uri)
      const list = call('listArtifacts', { run_id: run.info.run_id, path: 'd' })
      if (!('listArtifacts' in options)) await expect(list).rejects.toThrow(InvalidParameterError)
      else expect((await list).files).toHaveLength(1)
      if ('listArtifacts' in options) expect(asked).toEqual([[uri, 'd']])
    }
  })
})
