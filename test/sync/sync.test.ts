import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { type Client, createClient } from '../../src/client.js'
import { partialName } from '../../src/disk/partial.js'
import { InvalidParameterError, NetworkError, NotFoundError, ParamConflictError } from '../../src/errors.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { fileTransport } from '../../src/transport/file/file.js'
import { rejection } from '../support/answering.js'
import { between } from '../support/between.js'
import { tempDir } from '../support/temp-dir.js'
import { allOf, bySteps, clientOf, fill, writes } from './stand.js'

// One store with everything in it, made once; tests that change it work on a copy.
const home = tempDir()
const store = join(home, 'mlruns')
let source: Client
let ids: Awaited<ReturnType<typeof fill>>

beforeAll(async () => {
  source = clientOf(store, home)
  ids = await fill(source)
})

const SERVER = 'a server'
const targets: [string, (use: (uri: string, server: TestServer | undefined) => Promise<void>) => Promise<void>][] = [
  [
    SERVER,
    async (use) => {
      await using server = await startTestServer()
      await use(server.url, server)
    },
  ],
  ['another local store', async (use) => use(join(tempDir(), 'copy'), undefined)],
]

describe.each(targets)('a local store copied to %s', (_, withTarget) => {
  it('is there with all it holds, under ids that are known', () =>
    withTarget(async (to) => {
      const result = await source.sync(store, { to })
      expect(result).toMatchObject({
        dryRun: false,
        experiments: { added: 1, changed: 0, same: 1 },
        runs: { added: 3, changed: 0, same: 0 },
        loggedModels: { added: 1 },
        registeredModels: { added: 1 },
        modelVersions: { added: 2 },
        points: 9,
        failed: [],
        kept: [],
      })
      await using target = clientOf(to, tempDir())
      expect(await allOf(target)).toEqual(await allOf(source, result))

      const child = await target.getRun(result.runIds[ids.child] ?? '')
      expect(child.data.tags['mlflow.parentRunId']).toBe(result.runIds[ids.parent])
      expect(child.data.tags['cairn.sync.source']).toBe(ids.child)
      const points = (await target.getMetricHistory(child.info.runId, 'loss')).sort(bySteps)
      expect(points.map(({ value }) => value)).toEqual([1, NaN, Infinity, -Infinity, 1e-308, 0.1, NaN])
      expect(points.map(({ timestamp, step }) => [Number(timestamp) - 1_700_000_000_000, step])).toEqual(
        points.map((_point, index) => [index, index * 10]),
      )
      const [auc] = await target.getMetricHistory(child.info.runId, 'auc')
      expect(auc).toEqual({ key: 'auc', value: 0.5, step: 2n ** 60n, timestamp: 1_600_000_000_000_000_001n })
    }))

  it('serves its models, by stage, alias and number, and their history', () =>
    withTarget(async (to) => {
      const { runIds, modelIds } = await source.sync(store, { to })
      await using target = clientOf(to, tempDir())
      for (const place of ['/Production', '@champion', '/1']) {
        const model = await target.loadModel(`models:/churn${place}`)
        expect(await model.predict([{ age: 4 }])).toEqual([{ sum: 8 }])
        expect(model.info.runId).toBe(runIds[ids.child])
        await model.dispose()
      }
      const history = await target.getStageHistory('churn')
      expect(history.map(({ version, to: stage, by, comment }) => [version, stage, by, comment])).toEqual([
        ['1', 'Production', 'ada', 'first'],
      ])
      const text = readFileSync(join(await target.downloadArtifacts('models:/churn/1'), 'MLmodel'), 'utf8')
      expect(text).toContain(`model_id: '${modelIds[ids.model]}'`)
      expect(text).toContain(`run_id: '${runIds[ids.child]}'`)
      expect(text).not.toContain(store)
      const logged = await target.getLoggedModel(modelIds[ids.model] ?? '')
      expect(logged).toMatchObject({
        status: 'READY',
        sourceRunId: runIds[ids.child],
        params: { own: '1', depth: '3' },
      })
      expect(logged.metrics).toMatchObject([{ key: 'f1', value: 0.75, step: 1, runId: runIds[ids.child] }])
      expect((await target.getModelVersion('churn', 2)).runId).toBe(runIds[ids.failed])
    }))

  it('is copied once: again adds and writes nothing', () =>
    withTarget(async (to, server) => {
      await source.sync(store, { to })
      await using target = clientOf(to, tempDir())
      const before = await allOf(target)
      const sent = server?.requests.length ?? 0
      const again = await source.sync(store, { to })
      expect(again).toMatchObject({
        experiments: { added: 0, changed: 0, same: 2 },
        runs: { added: 0, changed: 0, same: 3 },
        loggedModels: { added: 0, changed: 0, same: 1 },
        registeredModels: { added: 0, changed: 0, same: 1 },
        modelVersions: { added: 0, changed: 0, same: 2 },
        points: 0,
        files: 0,
      })
      expect(await allOf(target)).toEqual(before)
      if (server) expect(writes(server.requests.slice(sent))).toEqual([])
    }))

  it('gets what came later, and nothing else', () =>
    withTarget(async (to) => {
      const dir = tempDir()
      const moved = join(dir, 'mlruns')
      cpSync(store, moved, { recursive: true })
      await using client = clientOf(moved, dir)
      const { runIds } = await client.sync(moved, { to })
      await client.logBatch(ids.child, { metrics: [{ key: 'loss', value: 9, step: 99, timestamp: 1_700_000_000_099 }] })
      await client.setModelVersionTag('churn', 2, 'later', 'yes')
      const result = await client.sync(moved, { to })
      expect(result).toMatchObject({
        runs: { added: 0, changed: 1, same: 2 },
        modelVersions: { added: 0, changed: 1, same: 1 },
        points: 1,
        files: 0,
      })
      await using target = clientOf(to, tempDir())
      const points = (await target.getMetricHistory(runIds[ids.child] ?? '', 'loss')).sort(bySteps)
      expect(points.map(({ step }) => step)).toEqual([0, 10, 20, 30, 40, 50, 60, 99])
    }))

  it('brings its prompts, shown in the experiments they were shown in, once', () =>
    withTarget(async (to, server) => {
      const dir = tempDir()
      const from = join(dir, 'mlruns')
      await using client = clientOf(from, dir)
      const experimentId = await client.createExperiment('chat')
      const isPrompt = { 'mlflow.prompt.is_prompt': 'true' }
      const tags = { ...isPrompt, _mlflow_experiment_ids: `,${experimentId},77,` }
      await client.createRegisteredModel('greeting', { tags, description: 'how we begin' })
      for (const [index, source] of ['dummy-source', 'prompt-template'].entries()) {
        const text = { ...isPrompt, 'mlflow.prompt.text': `hello {{ who }} ${index}` }
        await client.createModelVersion('greeting', source, { tags: text })
      }
      await client.setRegisteredModelAlias('greeting', 'live', 2)
      const counts = { registeredModels: { added: 1 }, modelVersions: { added: 2 }, failed: [], kept: [] }
      expect(await client.sync(from, { to, dryRun: true })).toMatchObject(counts)
      expect(await client.sync(from, { to })).toMatchObject(counts)

      await using target = clientOf(to, tempDir())
      const there = await target.getExperimentByName('chat')
      const [prompt] = await target.searchRegisteredModels({ filter: "tags.`mlflow.prompt.is_prompt` = 'true'" })
      expect(prompt).toMatchObject({ name: 'greeting', description: 'how we begin' })
      expect(prompt?.tags._mlflow_experiment_ids).toBe(`,${there?.experimentId},`)
      expect(await target.searchRegisteredModels()).toEqual([])
      const live = await target.getModelVersionByAlias('greeting', 'live')
      expect(live.tags).toMatchObject({ ...isPrompt, 'mlflow.prompt.text': 'hello {{ who }} 1' })

      const sent = server?.requests.length ?? 0
      expect(await client.sync(from, { to })).toMatchObject({ modelVersions: { added: 0, same: 2 }, failed: [] })
      if (server) expect(writes(server.requests.slice(sent))).toEqual([])
    }))

  it('is rehearsed without a trace', () =>
    withTarget(async (to, server) => {
      const result = await source.sync(store, { to, dryRun: true })
      expect(result).toMatchObject({
        dryRun: true,
        experiments: { added: 1, same: 1 },
        runs: { added: 3 },
        loggedModels: { added: 1 },
        modelVersions: { added: 2 },
        points: 9,
        failed: [],
        runIds: {},
      })
      if (server) expect(writes(server.requests)).toEqual([])
      else expect(() => readdirSync(to)).toThrow('ENOENT')
      const { files } = await source.sync(store, { to })
      expect(files).toBe(result.files)
    }))
})

it('what people did to a copy stays while nothing happens in the source', async () => {
  await using server = await startTestServer()
  await source.sync(store, { to: server.url })
  await using target = clientOf(server.url, tempDir())
  await target.transitionStage('churn', 1, 'Archived')
  await target.setRegisteredModelAlias('churn', 'champion', 2)
  await source.sync(store, { to: server.url })
  expect((await target.getModelVersion('churn', 1)).currentStage).toBe('Archived')
  expect((await target.getModelVersionByAlias('churn', 'champion')).version).toBe('2')
})

it('what serves at the target is not replaced: stage and alias of others stay, and the result says so', async () => {
  await using server = await startTestServer()
  await using target = clientOf(server.url, tempDir())
  const run = await target.startRun({})
  await run.logModel(
    { weights: { age: 7 } },
    { name: 'model', registeredModelName: 'churn', stage: 'Production', alias: 'champion' },
  )
  await run.end()
  const { kept, modelVersions } = await source.sync(store, { to: server.url })
  expect(modelVersions.added).toBe(2)
  expect(kept).toMatchObject([
    'Versions are numbered anew: version 1 of "churn" is version 2, version 2 of "churn" is version 3 there',
    expect.stringContaining('was not put in Production'),
    expect.stringContaining('was not moved'),
  ])
  const model = await target.loadModel('models:/churn/Production')
  expect(await model.predict([{ age: 1 }])).toEqual([{ sum: 7 }])
  expect((await target.getModelVersionByAlias('churn', 'champion')).version).toBe('1')
})

it('a model whose name no filter can say is copied with its versions, once', async () => {
  const name = `it's "the" one`
  const dir = tempDir()
  const from = join(dir, 'mlruns')
  const to = join(dir, 'copy')
  await using client = clientOf(from, dir)
  const run = await client.startRun({})
  await run.logText('flavors: {}\n', 'net/MLmodel')
  await run.end()
  for (const model of ['other', name]) await client.registerModel(`runs:/${run.runId}/net`, model)
  const both = [await client.sync(from, { to }), await client.sync(from, { to })]
  expect(both.map(({ modelVersions, failed }) => [modelVersions.added, failed])).toEqual([
    [2, []],
    [0, []],
  ])
})

it('a prompt never becomes of a model that has its name', async () => {
  await using server = await startTestServer()
  await using target = clientOf(server.url, tempDir())
  await target.createRegisteredModel('greeting')
  const dir = tempDir()
  const from = join(dir, 'mlruns')
  await using client = clientOf(from, dir)
  await client.setExperiment('chat')
  await client.createRegisteredModel('greeting', { tags: { 'mlflow.prompt.is_prompt': 'true' } })
  const { failed } = await client.sync(from, { to: server.url })
  expect(failed).toMatchObject([
    { what: 'registered model', id: 'greeting', error: { code: 'RESOURCE_ALREADY_EXISTS' } },
  ])
  expect((await target.getRegisteredModel('greeting')).tags).toEqual({})
})

it('a copy that is copied back finds its originals', async () => {
  const there = join(tempDir(), 'there')
  const dir = tempDir()
  const here = join(dir, 'mlruns')
  cpSync(store, here, { recursive: true })
  await source.sync(store, { to: there })
  await using client = clientOf(here, dir)
  const before = await client.searchRuns({ experimentNames: ['churn'] })
  const result = await client.sync(there, { to: here })
  expect([result.runs.added, result.modelVersions.added, result.points, result.failed]).toEqual([0, 0, 0, []])
  expect(await client.searchRuns({ experimentNames: ['churn'] })).toHaveLength(before.length)
})

it('a store that was moved to another folder brings its artifacts along', async () => {
  const dir = tempDir()
  const [first, second] = [join(dir, 'first'), join(dir, 'second')]
  await using made = clientOf(first, dir)
  const run = await made.startRun({})
  await run.logText('here', 'a.txt')
  await run.logModel({ weights: { age: 3 } }, { name: 'model', registeredModelName: 'moved', stage: 'Staging' })
  await run.end()
  renameSync(first, second)
  await using server = await startTestServer()
  const { runIds, failed } = await source.sync(second, { to: server.url })
  expect(failed).toEqual([])
  await using target = clientOf(server.url, tempDir())
  expect(await target.listArtifacts(runIds[run.runId] ?? '')).toMatchObject([{ path: 'a.txt' }, { path: 'model' }])
  const model = await target.loadModel('models:/moved/Staging')
  expect(await model.predict([{ age: 2 }])).toEqual([{ sum: 6 }])
})

it('a run that goes on is followed: still running there, with what it has so far', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using client = clientOf(path, dir)
  const run = await client.startRun({ runName: 'long' })
  run.logMetric('loss', 1, { step: 1, timestamp: 1 })
  await run.flush()
  await using server = await startTestServer()
  const first = await source.sync(path, { to: server.url })
  await using target = clientOf(server.url, tempDir())
  const id = first.runIds[run.runId] ?? ''
  expect((await target.getRun(id)).info.status).toBe('RUNNING')
  // An earlier step: the latest value stays what it was.
  run.logMetric('loss', 2, { step: 0, timestamp: 2 })
  await run.flush()
  expect(await source.sync(path, { to: server.url })).toMatchObject({ runs: { changed: 1 }, points: 1 })
  expect(await source.sync(path, { to: server.url })).toMatchObject({ runs: { same: 1 }, points: 0 })
  await run.end()
  await source.sync(path, { to: server.url })
  const [here, there] = [await client.getRun(run.runId), await target.getRun(id)]
  expect([there.info.status, there.info.startTime, there.info.endTime]).toEqual([
    'FINISHED',
    here.info.startTime,
    here.info.endTime,
  ])
})

it('deleted runs stay behind, or come as deleted', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  cpSync(store, path, { recursive: true })
  await using client = clientOf(path, dir)
  await client.deleteRun(ids.parent)
  await using server = await startTestServer()
  const without = await source.sync(path, { to: server.url })
  expect(without.runs.added).toBe(2)
  for (const added of [1, 0]) {
    const result = await source.sync(path, { to: server.url, deleted: true })
    // The child finds its parent.
    expect([result.runs, result.failed]).toEqual([{ added, changed: added, same: 3 - 2 * added }, []])
    await using target = clientOf(server.url, tempDir())
    expect((await target.getRun(result.runIds[ids.parent] ?? '')).info.lifecycleStage).toBe('deleted')
  }
  // Restored, it is there again, unless somebody deletes it at the target.
  await client.restoreRun(ids.parent)
  await using target = clientOf(server.url, tempDir())
  for (const [changed, lifecycleStage] of [
    [1, 'active'],
    [0, 'deleted'],
  ] as const) {
    const { runs, runIds, kept } = await source.sync(path, { to: server.url })
    const copy = runIds[ids.parent] ?? ''
    expect([runs.changed, (await target.getRun(copy)).info.lifecycleStage, kept.length]).toEqual([
      changed,
      lifecycleStage,
      1 - changed,
    ])
    if (changed) await target.deleteRun(copy)
  }
})

it('a run that was copied as deleted before it had ended comes back when it is restored', async () => {
  const dir = tempDir()
  const [path, to] = [join(dir, 'mlruns'), join(dir, 'copy')]
  await using client = clientOf(path, dir)
  await using target = clientOf(to, tempDir())
  const run = await client.startRun()
  const copied = async (deleted: boolean) => {
    const { runIds } = await client.sync(path, { to, deleted })
    const { info, data } = await target.getRun(runIds[run.runId] ?? '')
    return [info.lifecycleStage, 'cairn.sync.deleted' in data.tags]
  }
  await client.deleteRun(run.runId)
  expect(await copied(true)).toEqual(['deleted', true])
  await client.restoreRun(run.runId)
  expect(await copied(false)).toEqual(['active', false])
  await run.end()
})

it('deleted experiments stay behind, and the result of a copy with what is deleted says so', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using client = clientOf(path, dir)
  for (const name of ['gone', 'lost']) {
    await client.setExperiment(name)
    const run = await client.startRun({})
    await run.end()
    await client.deleteExperiment((await client.getExperimentByName(name))?.experimentId ?? '')
  }
  const to = join(dir, 'copy')
  expect((await client.sync(path, { to })).kept).toEqual([])
  for (let round = 0; round < 2; round++) {
    const { kept, runs, failed } = await client.sync(path, { to, deleted: true })
    expect([runs.added, failed]).toEqual([0, []])
    expect(kept).toEqual([
      expect.stringMatching(/^Deleted experiments were left out with all their runs: ("gone", "lost"|"lost", "gone");/),
    ])
  }
})

it('only what is asked for is copied, with the versions that come from it', async () => {
  await using server = await startTestServer()
  const { experiments, runs, modelVersions, loggedModels } = await source.sync(store, {
    to: server.url,
    runIds: [ids.failed],
  })
  expect([runs.added, modelVersions.added, loggedModels.added]).toEqual([1, 1, 0])
  expect(experiments).toEqual({ added: 1, changed: 0, same: 0 })
  expect(await rejection(source.sync(store, { to: server.url, runIds: ['f'.repeat(32)] }))).toBeInstanceOf(
    NotFoundError,
  )
  expect(await rejection(source.sync(store, { to: server.url, experimentNames: ['no'] }))).toBeInstanceOf(NotFoundError)
  const named = await source.sync(store, { to: server.url, experimentNames: ['Default'] })
  expect([named.runs.added, named.experiments.same]).toEqual([0, 1])
})

it('a run that fails stops no other, and is told', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  cpSync(store, path, { recursive: true })
  await using server = await startTestServer()
  const { runIds } = await source.sync(path, { to: server.url })
  await using client = clientOf(path, dir)
  await using target = clientOf(server.url, tempDir())
  await target.logBatch(runIds[ids.child] ?? '', { params: { lr: 'theirs' } })
  await client.logBatch(ids.child, { params: { lr: 'ours' } })
  await client.logBatch(ids.parent, { tags: { more: 'yes' } })
  const { failed, runs } = await source.sync(path, { to: server.url })
  expect(failed).toMatchObject([{ what: 'run', id: ids.child }])
  expect(failed[0]?.error).toBeInstanceOf(ParamConflictError)
  expect(runs.same + runs.changed).toBe(2)
})

it.each([
  ['not#fine.txt', 'it contains "#"'],
  ['acc 100%ab.txt', 'it contains "%ab"'],
])('a run with a file that no server takes (%s) is copied but for that file, and told', async (name, why) => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using client = clientOf(path, dir)
  const run = await client.startRun({ params: { a: 1 } })
  run.logMetric('loss', 1)
  await run.logText('x', 'fine.txt')
  await run.end()
  const file = join(path, '0', run.runId, 'artifacts', name)
  writeFileSync(file, 'x')
  await using server = await startTestServer()
  await using target = clientOf(server.url, tempDir())
  const rehearsed = await source.sync(path, { to: server.url, dryRun: true })
  expect(rehearsed).toMatchObject({ files: 1, failed: [{ what: 'file', id: `${run.runId}/${name}` }] })
  for (const files of [1, 0]) {
    const result = await source.sync(path, { to: server.url })
    expect(result).toMatchObject({ points: files, files, failed: [{ what: 'file', id: `${run.runId}/${name}` }] })
    expect(result.failed).toHaveLength(1)
    expect(result.failed[0]?.error.message).toContain(why)
    const id = result.runIds[run.runId] ?? ''
    expect(await target.getRun(id)).toMatchObject({ info: { status: 'FINISHED' }, data: { params: { a: '1' } } })
    expect(await target.listArtifacts(id)).toMatchObject([{ path: 'fine.txt' }])
  }
  rmSync(file)
  expect(await source.sync(path, { to: server.url })).toMatchObject({ files: 0, failed: [] })
  const seen = server.requests.length
  expect(await source.sync(path, { to: server.url })).toMatchObject({ runs: { same: 1 }, failed: [] })
  expect(writes(server.requests.slice(seen))).toEqual([])
  // One that comes later is told, too.
  writeFileSync(file, 'x')
  expect((await source.sync(path, { to: server.url })).failed).toHaveLength(1)
})

it('a version that does not name its run comes with the run in whose artifacts its files lie', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using client = clientOf(path, dir)
  const run = await client.startRun({})
  for (const folder of ['old', 'other']) {
    await run.logText('flavors: {}\n', `${folder}/MLmodel`)
    await client.registerModel(`runs:/${run.runId}/${folder}`, 'named')
  }
  await run.end()
  for (const number of [1, 2]) {
    const file = join(path, 'models', 'named', `version-${number}`, 'meta.yaml')
    const written = readFileSync(file, 'utf8').replace(/^run_id: .*$/m, "run_id: ''")
    // Beside the artifacts of the run, and not in them.
    writeFileSync(file, written.replaceAll('/artifacts/other', '/artifacts2/other'))
  }
  await using server = await startTestServer()
  for (const runIds of [undefined, [run.runId]]) {
    const result = await client.sync(path, { to: server.url, runIds })
    const lost = result.failed.map(({ what, id }) => [what, id])
    expect(lost).toEqual(runIds ? [] : [['model version', 'named/2']])
    await using target = clientOf(server.url, tempDir())
    const { runId, artifactUri } = (await target.getRun(result.runIds[run.runId] ?? '')).info
    expect(await target.searchModelVersions()).toMatchObject([{ runId, source: `${artifactUri}/old` }])
  }
})

it('versions of two models are two, though their stores tell the models apart by the sources alone', async () => {
  const dir = tempDir()
  const [from, to] = [join(dir, 'mlruns'), join(dir, 'there')]
  for (const path of [from, to]) {
    await using client = clientOf(path, dir)
    const run = await client.startRun({})
    await run.logModel({ weights: { age: 1 } }, { name: 'model', registeredModelName: 'churn' })
    await run.end()
    const file = join(path, 'models', 'churn', 'version-1', 'meta.yaml')
    const written = readFileSync(file, 'utf8').replace(/^model_id: .*$/m, 'model_id: null')
    writeFileSync(
      file,
      written
        .replace(/^run_id: .*$/m, "run_id: ''")
        .replace(/^creation_timestamp: .*$/m, 'creation_timestamp: 1700000000000'),
    )
  }
  await using client = clientOf(from, dir)
  expect((await client.sync(from, { to })).modelVersions.added).toBe(1)
  expect((await client.sync(from, { to })).modelVersions.added).toBe(0)
})

it('a version whose files are not all copied is told, and not registered', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  await using client = clientOf(path, dir)
  const run = await client.startRun({})
  for (const folder of ['whole', 'holed']) {
    await run.logText('flavors: {}\n', `${folder}/MLmodel`)
    await client.registerModel(`runs:/${run.runId}/${folder}`, folder)
  }
  await run.end()
  writeFileSync(join(path, '0', run.runId, 'artifacts', 'holed', '100%ab.txt'), 'x')
  await using server = await startTestServer()
  const { failed, modelVersions } = await source.sync(path, { to: server.url })
  expect(modelVersions.added).toBe(1)
  expect(failed.map(({ what, id }) => [what, id])).toEqual([
    ['file', `${run.runId}/holed/100%ab.txt`],
    ['model version', 'holed/1'],
  ])
})

it('a source that is not there, and a store into itself, are errors', async () => {
  const absent = join(tempDir(), 'absent')
  expect(await rejection(source.sync(absent, { to: store }))).toBeInstanceOf(NotFoundError)
  expect(() => readdirSync(absent)).toThrow('ENOENT')
  expect(await rejection(source.sync(store, { to: store }))).toBeInstanceOf(InvalidParameterError)
  expect(await rejection(source.sync(store))).toBeInstanceOf(InvalidParameterError)
})

it('a server that is not there is thrown, not a thousand failures', async () => {
  const server = await startTestServer()
  const { url } = server
  await server.close()
  expect(await rejection(source.sync(store, { to: url }))).toBeInstanceOf(NetworkError)
})

it('ends with the reason of its signal', async () => {
  await using server = await startTestServer()
  const stop = new AbortController()
  const stopped = source.sync(store, { to: server.url, signal: stop.signal, onProgress: () => stop.abort('enough') })
  expect(await stopped.catch((reason: unknown) => reason)).toBe('enough')
})

it('says how far it is', async () => {
  const told: number[][] = []
  await source.sync(store, {
    to: join(tempDir(), 'copy'),
    onProgress: ({ loaded, total = 0, points, bytes }) => void told.push([loaded, total, points, bytes]),
  })
  expect(told.at(-1)?.slice(0, 3)).toEqual([5, 5, 9])
  for (const [index, now] of told.slice(1).entries())
    for (const [at, value] of now.entries()) expect(value).toBeGreaterThanOrEqual(told[index]?.[at] ?? 0)
})

it('leaves the source as it was', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  cpSync(store, path, { recursive: true })
  const look = () => readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()
  const before = look()
  await source.sync(path, { to: join(dir, 'copy') })
  expect(look()).toEqual(before)
})

it('a folder that is no store is an error and stays as it is', async () => {
  const dir = tempDir()
  mkdirSync(join(dir, 'mlruns'))
  for (const path of [dir, join(dir, 'mlruns')])
    expect((await rejection(source.sync(path, { to: join(dir, 'copy') }))).message).toContain('is no store')
  expect(readdirSync(dir, { recursive: true })).toEqual(['mlruns'])
})

it('what cannot be read in the source is told as not copied, rehearsed or not', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  cpSync(store, path, { recursive: true })
  const churn = (await source.getExperimentByName('churn'))?.experimentId ?? ''
  const spoil = (...at: string[]) => writeFileSync(join(path, ...at, 'meta.yaml'), '{{{: bad')
  const told = async (dryRun: boolean) => {
    const { failed } = await source.sync(path, { to: join(dir, 'copy'), dryRun })
    return failed.map(({ what, id, error }) => [what, id, error.name])
  }
  spoil(churn, ids.parent)
  spoil('models', 'churn', 'version-2')
  const both = [
    ['run', ids.parent, 'IntegrityError'],
    ['model version', 'churn/2', 'IntegrityError'],
  ]
  expect([await told(true), await told(false), await told(false)]).toEqual([both, both, both])
  spoil(churn, 'models', ids.model)
  spoil('models', 'churn')
  expect((await told(true)).map(([what]) => what)).toEqual(['run', 'logged model', 'registered model'])
  spoil(churn)
  expect((await told(true)).slice(0, 1)).toEqual([['experiment', churn, 'IntegrityError']])
})

it('a point that comes later to a run that has ended is copied, whatever its step', async () => {
  const dir = tempDir()
  const [path, to] = [join(dir, 'mlruns'), join(dir, 'copy')]
  await using client = clientOf(path, dir)
  const run = await client.startRun({})
  run.logMetric('eval/loss', 1, { step: 5, timestamp: 5 })
  await run.end()
  await client.sync(path, { to })
  await client.logBatch(run.runId, { metrics: [{ key: 'eval/loss', value: 2, step: 1, timestamp: 1 }] })
  expect(await client.sync(path, { to })).toMatchObject({ runs: { changed: 1 }, points: 1 })
  expect(await client.sync(path, { to })).toMatchObject({ runs: { same: 1 }, points: 0 })
})

it('and from a server, to a run that ended within a day or is named; no history of others is read again', async () => {
  const dir = tempDir()
  const to = join(dir, 'copy')
  await using server = await startTestServer()
  await using client = clientOf(server.url, dir)
  const late = (run_id: string, step: number) =>
    client.logBatch(run_id, { metrics: [{ key: 'loss', value: step, step, timestamp: step }] })
  const [fresh, old] = await Promise.all(['fresh', 'old'].map((runName) => client.startRun({ runName })))
  for (const run of [fresh, old]) {
    run?.logMetric('loss', 9, { step: 9, timestamp: 9 })
    await run?.end()
  }
  const ids = [fresh?.runId ?? '', old?.runId ?? '']
  await client.updateRun(ids[1] ?? '', { status: 'FINISHED', endTime: 1000 })
  expect(await client.sync(server.url, { to })).toMatchObject({ runs: { added: 2 }, points: 2 })
  for (const id of ids) await late(id, 1)
  await using target = clientOf(to, tempDir())
  const [copy] = await target.searchRuns({ filter: "attributes.run_name = 'fresh'" })
  await target.logBatch(copy?.info.runId ?? '', { tags: { by: 'hand' } })
  const seen = server.requests.length
  expect(await client.sync(server.url, { to })).toMatchObject({ runs: { changed: 1, same: 1 }, points: 1 })
  const read = server.requests.slice(seen).filter(({ url }) => url.includes('get-history'))
  expect(read.filter(({ url }) => url.includes(ids[1] ?? ''))).toEqual([])
  expect(await client.sync(server.url, { to, runIds: ids })).toMatchObject({ runs: { changed: 1, same: 1 }, points: 1 })
  expect(await client.sync(server.url, { to, runIds: ids })).toMatchObject({ runs: { same: 2 }, points: 0 })
  // When a day has gone by since its end it is read once more, and then no more.
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 25 * 60 * 60 * 1000)
  try {
    await late(ids[0] ?? '', 2)
    expect(await client.sync(server.url, { to })).toMatchObject({ runs: { changed: 1, same: 1 }, points: 1 })
    const settled = server.requests.length
    expect(await client.sync(server.url, { to })).toMatchObject({ runs: { same: 2 } })
    expect(server.requests.slice(settled).filter(({ url }) => url.includes('get-history'))).toEqual([])
  } finally {
    vi.restoreAllMocks()
  }
  expect((await target.getRun(copy?.info.runId ?? '')).data.tags.by).toBe('hand')
})

it('a logged model keeps what an older run measured of it', async () => {
  const dir = tempDir()
  const [path, to] = [join(dir, 'mlruns'), join(dir, 'copy')]
  await using client = clientOf(path, dir)
  const judge = await client.startRun({ runName: 'judge' })
  for (const runName of ['b', 'c', 'd']) await (await client.startRun({ runName })).end()
  const training = await client.startRun({ runName: 'training' })
  const { modelId } = await training.logModel({ weights: { age: 1 } }, { name: 'model' })
  await training.end()
  // As a client of Python does, which links no model to the run.
  const metrics = [{ key: 'accuracy', value: 0.9, timestamp: 1, step: 1, model_id: modelId }]
  await fileTransport({ root: path }).call('logBatch', { run_id: judge.runId, metrics })
  await judge.end()
  const { modelIds, runIds, failed } = await client.sync(path, { to })
  expect(failed).toEqual([])
  await using target = clientOf(to, tempDir())
  const { metrics: there } = await target.getLoggedModel(modelIds[modelId ?? ''] ?? '')
  expect(there).toMatchObject([{ key: 'accuracy', value: 0.9, runId: runIds[judge.runId] }])
})

it('a run that is copied before its parent and its model finds both when they have come', async () => {
  const dir = tempDir()
  const [path, to] = [join(dir, 'mlruns'), join(dir, 'copy')]
  await using client = clientOf(path, dir)
  const parent = await client.startRun({ runName: 'parent' })
  const { modelId = '' } = await parent.logModel({ weights: { age: 1 } }, { name: 'model' })
  const child = await client.startRun({ runName: 'child', parentRunId: parent.runId })
  child.logMetric('accuracy', 1, { modelId })
  await child.end()
  await parent.end()
  const first = await client.sync(path, { to, runIds: [child.runId] })
  expect(first.kept).toEqual([
    expect.stringContaining(`The run ${parent.runId} is not copied`),
    expect.stringContaining(`The logged model ${modelId} is not copied`),
  ])
  await using target = clientOf(to, tempDir())
  const copy = () => target.getRun(first.runIds[child.runId] ?? '')
  expect((await copy()).data.tags).not.toHaveProperty(['mlflow.parentRunId'])
  // Told by each copy.
  expect(await client.sync(path, { to, runIds: [child.runId] })).toMatchObject({ runs: { same: 1 }, kept: first.kept })
  const { runIds, modelIds } = await client.sync(path, { to, runIds: [parent.runId] })
  // Copied alone again: what it names is there.
  for (const outcome of ['changed', 'same'] as const)
    expect(await client.sync(path, { to, runIds: [child.runId] })).toMatchObject({ runs: { [outcome]: 1 }, kept: [] })
  const { data, inputs } = await copy()
  expect(data.tags['mlflow.parentRunId']).toBe(runIds[parent.runId])
  expect(inputs?.modelInputs).toEqual([{ modelId: modelIds[modelId] }])
})

it('an outage while the parent of a run is looked for is told as what it is', async () => {
  const dir = tempDir()
  const to = join(dir, 'copy')
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url, cacheDir: join(dir, 'cache'), retry: { budgetMs: 200 } })
  const parent = await client.startRun({})
  const run = await client.startRun({ parentRunId: parent.runId })
  await run.end()
  await parent.end()
  const sync = () => client.sync(server.url, { to, runIds: [run.runId] })
  // The run is read thrice, and then its parent: for its copy, and whether it is there.
  for (const skip of [3, 4]) {
    server.faults.add({ on: 'getRun', skip, times: 100, status: 503 })
    const { failed, kept } = await sync()
    expect([failed.map(({ error }) => error.name), kept]).toEqual([['UnavailableError'], []])
    server.faults.clear()
    server.faults.add({ on: 'getRun', skip, times: 100, break: 'refuse' })
    await expect(sync()).rejects.toThrow(NetworkError)
    server.faults.clear()
  }
  expect((await sync()).kept).toEqual([expect.stringContaining(`The run ${parent.runId} is not copied`)])
})

it('a parent and a model that a server cannot read are left out of the runs that name them', async () => {
  await using server = await startTestServer()
  await using client = clientOf(server.url, tempDir())
  const parent = await client.startRun()
  const { modelId = '' } = await parent.logModel({ weights: { age: 1 } }, { name: 'model' })
  const children = await Promise.all([1, 2, 3].map(() => client.startRun({ parentRunId: parent.runId })))
  for (const child of children) await child.logOutputs([modelId])
  for (const run of [...children, parent]) await run.end()
  const unread = [parent.runId, modelId]
  const damaged = await between(server.url, ({ method, url }, response) => {
    if (method !== 'GET' || !unread.some((id) => url.includes(id))) return false
    response
      .writeHead(500, { 'content-type': 'application/json' })
      .end('{"error_code":"INTERNAL_ERROR","message":"bad"}')
    return true
  })
  await using impatient = createClient({ trackingUri: damaged.url, retry: { budgetMs: 0 } })
  const runIds = children.map(({ runId }) => runId)
  const { failed, kept, runs } = await impatient.sync(damaged.url, { to: join(tempDir(), 'copy'), runIds })
  expect([failed, runs.added, kept.length]).toEqual([[], 3, 2])
  for (const id of unread) {
    expect(kept).toContainEqual(expect.stringContaining(`${id} is not copied`))
    // For a copy of it, and whether it is there.
    expect(damaged.seen.filter(({ method, url }) => method === 'GET' && url.includes(id))).toHaveLength(2)
  }
  await damaged.close()
})

it('a parent that many runs name is looked for once', async () => {
  await using server = await startTestServer()
  await using client = clientOf(server.url, tempDir())
  const parent = await client.startRun()
  const children = await Promise.all([1, 2, 3].map(() => client.startRun({ parentRunId: parent.runId })))
  const runIds = children.map((child) => child.runId)
  for (const run of [...children, parent]) await run.end()
  const before = server.requests.length
  const { runs, kept } = await client.sync(server.url, { to: join(tempDir(), 'copy'), runIds })
  expect([runs.added, new Set(kept).size]).toEqual([3, 1])
  // For a copy of it that was made before, and whether it is there at all.
  expect(server.requests.slice(before).filter(({ url }) => url.includes(parent.runId))).toHaveLength(2)
})

it('a run that names a parent and a model which cannot be read is copied without them', async () => {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  cpSync(store, path, { recursive: true })
  const churn = (await source.getExperimentByName('churn'))?.experimentId ?? ''
  for (const at of [[ids.parent], ['models', ids.model]])
    writeFileSync(join(path, churn, ...at, 'meta.yaml'), '{{{: bad')
  const { failed, kept, runs } = await source.sync(path, { to: join(dir, 'copy'), runIds: [ids.child] })
  expect([runs.added, failed.map(({ what }) => what)]).toEqual([1, ['model version']])
  for (const id of [ids.parent, ids.model]) expect(kept).toContainEqual(expect.stringContaining(`${id} is not copied`))
})

it('a description and tags of a registered model follow the source, until somebody changes them at the target', async () => {
  const dir = tempDir()
  const [path, to] = [join(dir, 'mlruns'), join(dir, 'copy')]
  await using client = clientOf(path, dir)
  await using target = clientOf(to, tempDir())
  const write = async (at: Client, value: string) => {
    await at.setRegisteredModelTag('net', 'owner', value)
    await at.updateRegisteredModel('net', { description: value })
  }
  const copied = async () => {
    const { kept, registeredModels } = await client.sync(path, { to })
    const { description, tags } = await target.getRegisteredModel('net')
    return [registeredModels.changed, description, tags.owner, kept.length]
  }
  await client.createRegisteredModel('net')
  await write(client, 'a')
  expect(await copied()).toEqual([0, 'a', 'a', 0])
  for (const value of ['b', 'c']) {
    await write(client, value)
    expect(await copied()).toEqual([1, value, value, 0])
  }
  await write(target, 'theirs')
  await write(client, 'd')
  expect(await copied()).toEqual([0, 'theirs', 'theirs', 2])
})

it('nor does a model of the same name in another store take from it what the first one wrote', async () => {
  const to = join(tempDir(), 'copy')
  await using target = clientOf(to, tempDir())
  const kept: (readonly string[])[] = []
  for (const options of [{ description: 'by Ann', tags: { team: 'growth' } }, { tags: { team: 'ops' } }]) {
    const path = join(tempDir(), 'mlruns')
    await using client = clientOf(path, tempDir())
    await client.createRegisteredModel('net', options)
    await new Promise((resolve) => setTimeout(resolve, 2))
    kept.push((await client.sync(path, { to })).kept)
  }
  const { description, tags } = await target.getRegisteredModel('net')
  expect([description, tags.team]).toEqual(['by Ann', 'growth'])
  expect(kept.map(({ length }) => length)).toEqual([0, 1])
})

it('an experiment that is deleted at the target is told with how many runs it has', async () => {
  const to = join(tempDir(), 'copy')
  await using target = clientOf(to, tempDir())
  await target.deleteExperiment(await target.createExperiment('churn'))
  const { failed, kept } = await source.sync(store, { to })
  expect(failed).toMatchObject([
    { what: 'experiment', id: 'churn' },
    { what: 'model version' },
    { what: 'model version' },
  ])
  expect(kept).toEqual(['With the experiment "churn" 3 runs were left out'])
})

it('what a killed copy was writing is removed by the next one, and nothing else', async () => {
  const dir = tempDir()
  const [path, to] = [join(dir, 'mlruns'), join(dir, 'copy')]
  await using client = clientOf(path, dir)
  const run = await client.startRun({})
  await run.logText('x', 'deep/a.txt')
  const { runIds } = await client.sync(path, { to })
  const folder = join(to, '0', runIds[run.runId] ?? '', 'artifacts', 'deep')
  const { pid = 0 } = spawnSync(process.execPath, ['--version'])
  const mine = partialName()
  const killed = mine.replace(process.pid.toString(16).padStart(8, '0'), pid.toString(16).padStart(8, '0'))
  const [foreign, old] = ['1', '2'].map((digit) => `.cairn-${digit.repeat(8)}-1111-4111-8111-111111111111.partial`)
  for (const name of [killed, mine, foreign, old, 'own.partial']) writeFileSync(join(folder, `${name}`), 'x')
  // Two copies that are stalled, and one that went long ago.
  const anHourAgo = Date.now() / 1000 - 3600
  for (const name of [mine, foreign]) utimesSync(join(folder, `${name}`), anHourAgo, anHourAgo)
  utimesSync(join(folder, `${old}`), 1, 1)
  await client.sync(path, { to, dryRun: true })
  expect(readdirSync(folder)).toHaveLength(6)
  await client.sync(path, { to })
  expect(readdirSync(folder).sort()).toEqual([mine, foreign, 'a.txt', 'own.partial'].sort())
  await run.end()
})
