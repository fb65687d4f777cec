import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { list } from 'tar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  activeRun,
  type Client,
  createClient,
  deleteTag,
  endRun,
  getExperimentByName,
  getMetricHistory,
  getRegistryUri,
  getRun,
  getTrackingUri,
  InvalidParameterError,
  logMetric,
  logMetrics,
  logParam,
  logParams,
  logText,
  NoActiveRunError,
  NotFoundError,
  ParamConflictError,
  type Run,
  searchRuns,
  setExperiment,
  setRegistryUri,
  setTag,
  setTags,
  setTrackingUri,
  startRun,
  UnsafePathError,
} from '../../src/index.js'
import { child } from '../support/child.js'
import { canLoseRights, noRights } from '../support/no-rights.js'
import { tempDir } from '../support/temp-dir.js'

let root: string
let client: Client

beforeEach(async () => {
  await endRun()
  root = join(tempDir(), 'mlruns')
  setTrackingUri(root)
  client = createClient({ trackingUri: root })
})

const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-308, 5e-324, 1e22, 0.1]

describe('the active run', () => {
  it('does not cross between 50 runs at once, each with its own metrics', async () => {
    const runs = Array.from({ length: 50 }, (_, i) =>
      startRun({ runName: `run ${i}`, experimentName: 'many' }, async (run) => {
        for (let step = 0; step < 20; step++) {
          logMetric('loss', i * 1000 + step, step)
          if (step % 5 === 0) await new Promise((wake) => setTimeout(wake, Math.random() * 5))
          expect(activeRun()).toBe(run)
        }
        logParam('i', i)
        return run.runId
      }),
    )
    const ids = await Promise.all(runs)
    expect(new Set(ids).size).toBe(50)
    for (const [i, id] of ids.entries()) {
      const values = (await getMetricHistory(id, 'loss')).map(({ value }) => value)
      expect(values).toEqual(Array.from({ length: 20 }, (_, step) => i * 1000 + step))
      expect((await getRun(id)).data.params).toEqual({ i: String(i) })
    }
  })

  it('of an inner scope is the child of the outer one', async () => {
    const [outer, inner] = await startRun({}, async (run) => [run.runId, await startRun({}, (child) => child.runId)])
    expect((await getRun(inner as string)).data.tags['mlflow.parentRunId']).toBe(outer)
    expect(activeRun()).toBeUndefined()
  })

  it('refuses a second one unless it is nested, and is a stack', async () => {
    const first = await startRun()
    await expect(startRun()).rejects.toThrow(/nested: true/)
    const second = await startRun({ nested: true })
    expect(activeRun()).toBe(second)
    await endRun()
    expect(activeRun()).toBe(first)
    await endRun('FAILED')
    expect(activeRun()).toBeUndefined()
    expect((await getRun(first.runId)).info.status).toBe('FAILED')
    expect((await getRun(second.runId)).data.tags['mlflow.parentRunId']).toBe(first.runId)
  })

  it('is one, also when several start at once: those that come second are told, and mix no points', async () => {
    const train = async (runName: string, value: number) => {
      const { runId } = await startRun({ runName })
      logMetric('loss', value)
      await endRun()
      return runId
    }
    const [first, ...others] = await Promise.allSettled([train('A', 1), train('B', 2), train('C', 3)])
    for (const other of others)
      expect(other).toMatchObject({
        reason: expect.toSatisfy(
          (error) => error instanceof InvalidParameterError && /on its way: await it, or give/.test(error.message),
        ),
      })
    const runId = first?.status === 'fulfilled' ? first.value : ''
    expect((await getMetricHistory(runId, 'loss')).map(({ value }) => value)).toEqual([1])
    expect(await searchRuns()).toHaveLength(1)
  })

  it('starts beside others with a function, or nested', async () => {
    const starting = [startRun({}, (run) => run), startRun({ nested: true }), startRun({ nested: true })]
    await expect(startRun()).rejects.toThrow(/on its way/)
    starting.push(startRun({}, (run) => run))
    const runs = await Promise.all(starting)
    expect(new Set(runs.map(({ runId }) => runId)).size).toBe(4)
    await endRun()
    await endRun()
    expect(activeRun()).toBeUndefined()
  })

  it('may start once another start has failed', async () => {
    const failing = expect(startRun({ runId: 'f'.repeat(32) })).rejects.toThrow(NotFoundError)
    await expect(startRun()).rejects.toThrow(/on its way/)
    await failing
    await startRun()
    await endRun()
  })

  it('is waited for: a verb that comes before it says so', async () => {
    const starting = startRun()
    expect(() => logMetric('loss', 1)).toThrow(NoActiveRunError)
    expect(() => logParam('lr', 1)).toThrow(/a startRun\(\) is on its way: await it/)
    const run = await starting
    logMetric('loss', 1)
    await endRun()
    expect((await getMetricHistory(run.runId, 'loss')).map(({ value }) => value)).toEqual([1])
  })

  it('ends with the block that holds it', async () => {
    let held: Run
    {
      await using run = await startRun()
      held = run
      logMetric('loss', 1)
    }
    expect(activeRun()).toBeUndefined()
    expect((await getRun(held.runId)).info.status).toBe('FINISHED')
  })

  it('is needed by bare verbs', () => {
    expect(() => logMetric('loss', 1)).toThrow(NoActiveRunError)
    expect(() => setTag('a', 'b')).toThrow(/startRun/)
  })

  it('is not what a client starts', async () => {
    const run = await client.startRun()
    expect(activeRun()).toBeUndefined()
    await run.end()
  })
})

describe('what is logged', () => {
  it('comes back as it went in, odd numbers and big steps too', async () => {
    const { runId } = await startRun(
      { params: { lr: 0.1 }, tags: { team: 'growth' }, description: 'a note' },
      (run) => {
        for (const [step, value] of odd.entries()) logMetric('odd', value, { step, timestamp: 1000.9 + step })
        logMetric('big', 1, 2n ** 60n)
        logMetrics({ a: 1, b: 2, none: undefined }, 3)
        logParams({ flag: true, list: [1, 2], nothing: null, big: 10n })
        return run
      },
    )
    const points = await getMetricHistory(runId, 'odd')
    expect(points.map(({ value }) => value)).toEqual(odd)
    expect(points.map(({ timestamp }) => timestamp)).toEqual(odd.map((_, i) => 1000 + i))
    expect((await getMetricHistory(runId, 'big'))[0]?.step).toBe(2n ** 60n)
    const { data, info } = await getRun(runId)
    expect(data.params).toEqual({ lr: '0.1', flag: 'true', list: '[1,2]', big: '10' })
    expect(data.metrics).toMatchObject({ a: 1, b: 2 })
    expect(data.tags).toMatchObject({ team: 'growth', 'mlflow.note.content': 'a note', 'mlflow.source.type': 'LOCAL' })
    expect(data.tags['mlflow.user']).toMatch(/./)
    expect(data.tags['mlflow.runName']).toBe(info.runName)
  })

  it('is refused at the call when it is wrong, and leaves nothing half written', async () => {
    const run = await startRun()
    const bad: [string, () => void][] = [
      // First, as it was taken until some key was.
      ['metric key must be a string, not undefined', () => logMetric(undefined as never, 1)],
      ['../x', () => logMetric('../x', 1)],
      ['"\\\\"', () => logMetric('a\\b', 1)],
      ['must not be empty', () => logMetric('', 1)],
      ['250', () => logMetric('k'.repeat(251), 1)],
      ['must be a number, not "0.5"', () => logMetric('loss', '0.5' as never)],
      ['must be a number, not boolean', () => logMetric('loss', true as never)],
      ['"loss" must be a number, not a Promise: await it', () => logMetric('loss', Promise.resolve(1) as never)],
      ['not a Promise: await it', () => logMetrics({ loss: Promise.resolve(1) as never })],
      ['not a Float32Array of length 1: take its [0]', () => logMetric('loss', new Float32Array(1) as never)],
      ['not an Array of length 2', () => logMetric('loss', [1, 2] as never)],
      ['not an instance of Date', () => logMetric('loss', new Date() as never)],
      ['not an object', () => logMetric('loss', {} as never)],
      ['several go to logMetrics({', () => (logMetric as (metrics: unknown) => void)({ loss: 1 })],
      ['whole number', () => logMetric('loss', 1, 0.5)],
      ['past 2^53 a bigint', () => logMetric('loss', 1, 2 ** 60)],
      ['epoch milliseconds', () => logMetric('loss', 1, { timestamp: -1 })],
      ['0 or more (past 2^53 a bigint)', () => logMetric('loss', 1, { timestamp: 1.7e18 })],
      ['must be a number', () => logMetrics({ good: 1, bad: 'x' as never })],
      ['"#"', () => logMetrics({ good: 1, 'a#b': 2 })],
      ['no value', () => logParam('p', undefined)],
      ['no value', () => setTag('t', null)],
      ['tag key must be a string, not null', () => deleteTag(null as never)],
      ['tag key must be a string, not number', () => deleteTag(5 as never)],
      ['tag key must not be empty', () => deleteTag('')],
      ['"../x" is not a plain path', () => deleteTag('../x')],
      ['JSON cannot hold', () => logParam('p', circular())],
      ['param "p" cannot be kept as a Promise: await it', () => logParam('p', Promise.resolve(3))],
      ['tag "t" cannot be kept as a Promise: await it', () => setTag('t', Promise.resolve(3))],
      ['"p" cannot be kept as a Map: Object.fromEntries(map)', () => logParams({ p: new Map([['a', 1]]) })],
      ['"p" cannot be kept: a in it is a Promise: await it', () => logParam('p', { a: Promise.resolve(3) })],
      [
        '"p" cannot be kept: layers[1].sizes["by name"] in it is a Map: Object.fromEntries(map)',
        () => logParams({ p: { layers: [{}, { sizes: { 'by name': new Map() } }] } }),
      ],
      ['tag "t" cannot be kept: [0] in it is a Set: [...set]', () => setTag('t', [new Set([1])])],
      ['"p" cannot be kept as a Set: [...set]', () => logParam('p', new Set([1]))],
      ['"p" contains a NUL', () => logParam('p', 'a\0b')],
      ['"t" contains a NUL', () => setTag('t', '\0')],
      ['"loss" contains a NUL', () => logMetric('loss', 1, { dataset: { name: 'a\0', digest: 'd' } })],
      ['at most 250', () => setTag('mlflow.runName', 'n'.repeat(251))],
      ['one object', () => logParams(null as never)],
      ['one object', () => logParams([{ key: 'a', value: '1' }] as never)],
      ['one object, { key: value, … }, not a Map: Object', () => logMetrics(new Map([['a', 1]]) as never)],
      ['not a Map', () => setTags(new Map([['a', 'b']]) as never)],
      ['not a Set', () => setTags(new Set(['a']) as never)],
      ['not a Promise: await it', () => logParams(Promise.resolve({ a: 1 }) as never)],
      ['not a model id', () => logMetric('loss', 1, { modelId: '../x' })],
      ['{ name, digest }', () => logMetric('loss', 1, { dataset: { name: 'iris' } as never })],
      ['at most 500', () => logMetric('loss', 1, { dataset: { name: 'x'.repeat(501), digest: 'd' } })],
      ['no option stpe: did you mean step?', () => logMetric('loss', 1, { stpe: 3 } as never)],
      ['no option epoch: there are step,', () => logMetrics({ loss: 1 }, { step: 3, epoch: 1 } as never)],
      ['{ step: 3 }, not an array', () => logMetric('loss', 1, [3] as never)],
      ['not an instance of Map', () => logMetric('loss', 1, new Map([['step', 3]]) as never)],
    ]
    for (const [text, act] of bad) {
      expect(act, text).toThrow(InvalidParameterError)
      expect(act).toThrow(text)
    }
    await run.end()
    const { data } = await getRun(run.runId)
    expect(data.metrics).toEqual({})
    expect(data.params).toEqual({})
  })

  it('is all of a record or nothing of it', async () => {
    const run = await client.startRun({ params: { lr: 1 } })
    expect(() => run.logParams({ ok1: 1, bad: Symbol('s'), ok2: 2 })).toThrow(InvalidParameterError)
    expect(() => run.logParams({ ok1: 1, lr: 2 })).toThrow(ParamConflictError)
    expect(() => run.setTags({ ok1: 1, bad: Promise.resolve(1), ok2: 2 })).toThrow(/"bad" .* a Promise: await it/)
    run.logParams({ lr: 1, none: null, ok1: 3 })
    await run.end()
    const { data } = await client.getRun(run.runId)
    expect(data.params).toEqual({ lr: '1', ok1: '3' })
    expect(data.tags).not.toHaveProperty('ok1')
  })

  it('has no NUL, which PostgreSQL does not take, wherever it is given', async () => {
    const nul = 'a\0b'
    const run = await client.startRun()
    const { experimentId } = run
    const acts = [
      () => client.startRun({ runName: nul }),
      () => client.startRun({ description: nul }),
      () => client.startRun({ params: { nul } }),
      () => client.startRun({ experimentName: nul }),
      () => client.startRun({ runId: run.runId, runName: nul }),
      () => client.createRun(experimentId, { runName: nul }),
      () => client.createRun(experimentId, { tags: { nul } }),
      () => client.updateRun(run.runId, { runName: nul }),
      () => client.logBatch(run.runId, { params: { nul } }),
      () => client.createExperiment(nul),
      () => client.createExperiment('e', { tags: { nul } }),
      () => client.setExperimentTag(experimentId, 'nul', nul),
      () => client.createRegisteredModel(nul),
      () => client.createRegisteredModel('m', { description: nul }),
      () => client.updateModelVersion('m', 1, { description: nul }),
      () => client.setRegisteredModelTag('m', 'nul', nul),
      () => run.logInput({ name: nul, source: 's' }),
      () => run.logInput({ name: 'd', source: 's' }, { context: nul }),
    ]
    for (const act of acts) {
      const refused = (async () => act())()
      await expect(refused, String(act)).rejects.toThrow(InvalidParameterError)
      await expect(refused).rejects.toThrow(/contains a NUL character/)
    }
    await run.end()
    expect((await client.getRun(run.runId)).info.status).toBe('FINISHED')
  })

  it('says of half an emoji what is kept, and takes it again', async () => {
    const half = '😀'.slice(0, 1)
    const run = await client.startRun({ runName: half })
    run.logParam('p', half)
    await run.end()
    const again = await client.startRun({ runId: run.runId })
    again.logParam('p', half)
    await again.end()
    expect((await client.getRun(run.runId)).data).toMatchObject({ params: { p: '\ufffd' } })
    expect([run.runName, again.runName]).toEqual(['\ufffd', '\ufffd'])
  })

  it('has no half emoji in a name by which it is found again', async () => {
    for (const name of ['\ud800', 'a\udc00'])
      for (const made of [
        client.createExperiment(name),
        client.createRegisteredModel(name),
        client.setExperiment(name),
      ]) {
        await expect(made).rejects.toThrow(InvalidParameterError)
        await expect(made).rejects.toThrow(/half a character/)
      }
  })

  it('is looked for by a key that a metric can have', async () => {
    const { runId } = await client.startRun()
    for (const key of [undefined, '', 'a#b']) {
      const asked = client.getMetricHistory(runId, key as string)
      await expect(asked).rejects.toThrow(InvalidParameterError)
      await expect(asked).rejects.toThrow(/^(?:A|The) metric key /)
    }
  })

  it('keeps a param as it was first written', async () => {
    const run = await startRun({ params: { lr: 0.1 } })
    run.logParam('lr', '0.1')
    expect(() => run.logParam('lr', 0.2)).toThrow(ParamConflictError)
    await run.end()
    const again = await startRun({ runId: run.runId })
    expect(() => again.logParam('lr', 0.2)).toThrow(/"0.1".*"0.2"/)
    await again.end()
  })

  it('keeps a param as another handle of the same client wrote it, as long as one of them is open', async () => {
    const run = await client.startRun()
    const same = await client.startRun({ runId: run.runId })
    run.logParam('lr', 0.1)
    expect(() => same.logParam('lr', 0.2)).toThrow(/"0.1".*"0.2"/)
    await run.end()
    expect(() => same.logParams({ lr: 0.3 })).toThrow(ParamConflictError)
    same.logParam('lr', '0.1')
    await same.end()
    expect((await client.getRun(run.runId)).data.params).toEqual({ lr: '0.1' })
  })

  it('tells of a param that another process wrote otherwise by flush alone, with all the rest delivered', async () => {
    const run = await startRun()
    await client.logBatch(run.runId, { params: { lr: 1 } })
    run.logParam('lr', 2)
    run.logMetric('loss', 3)
    await expect(run.flush()).rejects.toThrow(ParamConflictError)
    expect(run.stats()).toMatchObject({ refused: 1, delivered: 1 })
    await run.end()
    expect((await getRun(run.runId)).data).toMatchObject({ params: { lr: '1' }, metrics: { loss: 3 } })
  })

  it('is cut when it is too long, and says so once', async () => {
    const warnings: string[] = []
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warnings.push(message) }
    const own = createClient({ trackingUri: root, logger })
    const run = await own.startRun()
    run.logParam('long', 'é'.repeat(6001))
    run.setTag('long', '😀'.repeat(8001))
    run.setTag('long', '😀'.repeat(8001))
    await run.end()
    const { data } = await own.getRun(run.runId)
    expect(data.params.long).toBe('é'.repeat(6000))
    expect([...(data.tags.long ?? '')]).toHaveLength(8000)
    expect(warnings).toHaveLength(2)
  })

  it('is not taken by a run that has ended', async () => {
    const run = await startRun()
    await run.end()
    expect(() => run.logMetric('loss', 1)).toThrow(/has ended/)
    expect(() => run.logParam('a', 1)).toThrow(run.runId)
  })
})

describe('a run that is resumed', () => {
  it('runs again, keeps what it has, and ends again', async () => {
    const first = await startRun({ runName: 'first' }, (run) => {
      logMetric('loss', 1, 0)
      return run
    })
    const again = await startRun({ runId: first.runId, runName: 'again', tags: { more: 'yes' } })
    expect((await getRun(first.runId)).info.status).toBe('RUNNING')
    logMetric('loss', 0.5, 1)
    await endRun()
    const { info, data } = await getRun(first.runId)
    expect(info).toMatchObject({ status: 'FINISHED', runName: 'again' })
    expect(data.tags).toMatchObject({ more: 'yes', 'mlflow.runName': 'again' })
    expect(again.runName).toBe('again')
    expect(await getMetricHistory(first.runId, 'loss')).toHaveLength(2)
  })

  it('is left as it ended when it has another value for a param of its start', async () => {
    const { runId, runName } = await client.startRun({ params: { lr: 1 } })
    await client.flush()
    const other = createClient({ trackingUri: root })
    await other.setTerminated(runId)
    const ended = await other.getRun(runId)
    const options = { runId, params: { lr: 2 }, runName: `not ${runName}`, tags: { more: 'yes' } }
    for (const again of [() => other.startRun(options), () => startRun(options, () => {})]) {
      await expect(again()).rejects.toThrow(ParamConflictError)
      expect(await other.getRun(runId)).toEqual(ended)
    }
    await expect(other.startRun({ runId, tags: { 'a\n': 1 } })).rejects.toThrow(/tag key "a\\n"/)
    expect(await other.getRun(runId)).toEqual(ended)
    await other.close()
  })

  it('must be there, and must not be deleted', async () => {
    await expect(startRun({ runId: 'f'.repeat(32) })).rejects.toThrow(NotFoundError)
    await expect(startRun({ runId: '../../etc' })).rejects.toThrow(InvalidParameterError)
    vi.stubEnv('MLFLOW_RUN_ID', 'my-run')
    const named = startRun()
    await expect(named).rejects.toThrow(NotFoundError)
    await expect(named).rejects.toThrow(/^MLFLOW_RUN_ID is set to "my-run": /)
    const { runId } = await startRun({}, (run) => run)
    await client.deleteRun(runId)
    await expect(startRun({ runId })).rejects.toThrow(/restoreRun/)
  })

  it('is told with the variable that names it, when it is that which is wrong', async () => {
    const { runId } = await startRun({}, (run) => run)
    await client.deleteRun(runId)
    for (const [id, why] of [
      [runId, `The run ${runId} is deleted; bring it back with restoreRun('${runId}')`],
      ['my run', '"my run" is not a run id'],
    ] as const) {
      vi.stubEnv('MLFLOW_RUN_ID', id)
      const named = startRun()
      await expect(named).rejects.toThrow(InvalidParameterError)
      await expect(named).rejects.toThrow(`MLFLOW_RUN_ID is set to "${id}": ${why}`)
    }
    vi.stubEnv('MLFLOW_RUN_ID', runId)
    await expect(startRun({ name: 'x' } as never)).rejects.toThrow(/^There is no option name/)
  })

  it.each<[unknown, RegExp]>([
    [{ name: 'x' }, /^There is no option name: did you mean runName\?$/],
    [{ run_name: 'x' }, /did you mean runName\?$/],
    [{ experiment: 'x' }, /did you mean experimentName\?$/],
    [{ experiment_id: '0' }, /did you mean experimentId\?$/],
    [{ log_system_metrics: true }, /^There is no option log_system_metrics: there are runName, runId, experimentName,/],
    [{ signal: 5 }, /^signal must be an AbortSignal, not 5$/],
    [{ params: { lr: Promise.resolve(1) } }, /^The param "lr" cannot be kept as a Promise: await it$/],
    [{ params: { 'a\n': 1 } }, /^The param key "a\\n" contains "\\n"/],
    [{ params: 'xy' }, /params or tags are given as one object, .* not "xy"$/],
    [{ params: ['a'] }, /are given as one object, .* not an Array of length 1/],
    [{ tags: { team: Symbol('s') } }, /^The tag "team" has no value that can be kept \(symbol\)$/],
  ])('does not start with %j', async (options, message) => {
    for (const starting of [
      startRun(options as never),
      startRun(options as never, () => {}),
      client.startRun(options as never),
    ]) {
      await expect(starting).rejects.toThrow(InvalidParameterError)
      await expect(starting).rejects.toThrow(message)
    }
    await expect(client.startRun('first' as never)).rejects.toThrow(/^startRun takes options, like .* not a text$/)
    expect(await searchRuns()).toEqual([])
  })

  it('starts and ends as it may, or not at all', async () => {
    await expect(startRun('first' as never)).rejects.toThrow(/takes options, like/)
    await expect(startRun(null as never)).rejects.toThrow(InvalidParameterError)
    await expect(startRun({}, 'body' as never)).rejects.toThrow(/takes a function/)
    expect(activeRun()).toBeUndefined()
    const { runId } = await startRun()
    await expect(endRun('DONE' as never)).rejects.toThrow(/must be one of FINISHED, FAILED, KILLED, not "DONE"$/)
    expect(activeRun()?.runId).toBe(runId)
    await expect(client.updateRun(runId, { status: 'DONE' as never })).rejects.toThrow(InvalidParameterError)
    await expect(client.setTerminated(runId, '5' as never)).rejects.toThrow(InvalidParameterError)
    expect((await client.updateRun(runId)).status).toBe('RUNNING')
  })

  it('is made by a client for whom its tag names, as in Python', async () => {
    expect((await client.createRun('0')).info.userId).toBe('unknown')
    expect((await client.createRun('0', { tags: { 'mlflow.user': 'ada' } })).info.userId).toBe('ada')
  })
})

describe('searches', () => {
  it.each([0, -1, 1.5, Number.NaN, '5'])('find no %j things at the most', async (maxResults) => {
    const options = { maxResults: maxResults as number }
    await expect(client.searchRuns(options)).rejects.toThrow(InvalidParameterError)
    await expect(client.searchExperiments(options)).rejects.toThrow(InvalidParameterError)
    await expect(client.searchRegisteredModels(options)).rejects.toThrow(InvalidParameterError)
    await expect(client.searchModelVersions(options)).rejects.toThrow(InvalidParameterError)
    await expect(client.searchLoggedModels({ ...options, experimentIds: ['0'] })).rejects.toThrow(/from 1/)
  })

  it('find all, when asked for any number', async () => {
    for (let i = 0; i < 3; i++) await client.createRun('0')
    expect(await client.searchRuns({ maxResults: Number.POSITIVE_INFINITY })).toHaveLength(3)
    expect(await client.searchRuns({ maxResults: 2 })).toHaveLength(2)
  })

  const first = async (found: AsyncIterable<unknown>) => found[Symbol.asyncIterator]().next()
  const searches: [string, (options: never) => Promise<unknown>][] = [
    ['searchRuns', (options) => client.searchRuns(options)],
    ['iterateRuns', (options) => first(client.iterateRuns(options))],
    ['searchExperiments', (options) => client.searchExperiments(options)],
    ['iterateExperiments', (options) => first(client.iterateExperiments(options))],
    ['searchRegisteredModels', (options) => client.searchRegisteredModels(options)],
    ['iterateRegisteredModels', (options) => first(client.iterateRegisteredModels(options))],
    ['searchModelVersions', (options) => client.searchModelVersions(options)],
    ['iterateModelVersions', (options) => first(client.iterateModelVersions(options))],
    ['searchLoggedModels', (options) => client.searchLoggedModels(options)],
    ['iterateLoggedModels', (options) => first(client.iterateLoggedModels(options))],
  ]

  it.each(searches)('find nothing by what is no option: %s', async (verb, search) => {
    await client.createRun('0')
    const bad: [unknown, RegExp][] = [
      ['metrics.auc > 0.5', new RegExp(`^${verb} takes options, like \\{ .* \\}, not a text$`)],
      [['0'], /not an array$/],
      [null, /not null$/],
      [{ filterString: 'metrics.auc > 0.5' }, /^There is no option filterString: did you mean filter\?$/],
      [{ filter_string: 'metrics.auc > 0.5' }, /^There is no option filter_string: did you mean filter\?$/],
      [{ order_by: [] }, /did you mean orderBy\?$/],
      [{ max_results: 5 }, /did you mean maxResults\?$/],
      [{ pages: 5 }, /^There is no option pages: there are .*filter, orderBy, maxResults, signal$/],
      [{ backgroud: true }, /^There is no option backgroud: there are .*signal$/],
      [{ filter: ['a'] }, /^filter must be a text, not an array$/],
      [{ orderBy: [null] }, /^orderBy\[0\] must be (?:a text|an object like \{ fieldName, ascending \}), not null$/],
    ]
    for (const [options, message] of bad) {
      const searching = search(options as never)
      await expect(searching, message.source).rejects.toThrow(InvalidParameterError)
      await expect(searching).rejects.toThrow(message)
    }
  })

  it('take what is left out as left out', async () => {
    await client.createRun('0')
    const { signal } = new AbortController()
    const none = { filter: undefined, orderBy: undefined, maxResults: undefined, signal }
    const found = await client.searchRuns({ ...none, experimentIds: undefined, experimentNames: undefined })
    expect(found).toHaveLength(1)
    await expect(client.searchRuns({ experiment_ids: ['0'] } as never)).rejects.toThrow(/did you mean experimentIds\?$/)
    await expect(client.searchRuns({ run_view_type: 'ALL' } as never)).rejects.toThrow(/did you mean viewType\?$/)
    expect(await client.searchLoggedModels({ ...none, experimentIds: ['0'] })).toEqual([])
  })

  it('take a list of keys and a known view', async () => {
    await expect(client.searchRuns({ orderBy: 'metrics.loss' as never })).rejects.toThrow(/orderBy must be a list/)
    await expect(client.searchLoggedModels({ experimentIds: '0' as never })).rejects.toThrow(
      /experimentIds must be a list/,
    )
    await expect(client.searchRuns({ viewType: 'EVERY' as never })).rejects.toThrow(
      /viewType must be one of .* not "EVERY"/,
    )
    await expect(client.searchExperiments({ viewType: 'EVERY' as never })).rejects.toThrow(/viewType/)
    const misspelt = { experimentIds: ['0'], orderBy: [{ fieldName: 'name', acsending: false } as never] }
    await expect(client.searchLoggedModels(misspelt)).rejects.toThrow('did you mean orderBy[0].ascending?')
  })
})

describe('experiments', () => {
  it('are made when they are set, once, and found by runs without names', async () => {
    const [one, two] = await Promise.all([setExperiment('exp'), setExperiment('exp')])
    expect(one.experimentId).toBe(two.experimentId)
    await startRun({}, () => {})
    expect(await searchRuns()).toHaveLength(1)
    expect((await searchRuns())[0]?.info.experimentId).toBe(one.experimentId)
    expect(await getExperimentByName('none')).toBeUndefined()
  })

  it('that are deleted say how to come back', async () => {
    const id = await client.createExperiment('gone')
    await client.deleteExperiment(id)
    await expect(setExperiment('gone')).rejects.toThrow(`restoreExperiment('${id}')`)
  })

  it('that are deleted after they were set say so, too', async () => {
    const { experimentId } = await setExperiment('gone soon')
    await client.deleteExperiment(experimentId)
    await expect(startRun()).rejects.toThrow(`restoreExperiment('${experimentId}')`)
  })
})

describe('artifacts', () => {
  const inRun = async <T>(body: (run: Run) => Promise<T>) => startRun({}, body)

  it('are kept by Python’s conventions', async () => {
    const dir = tempDir()
    mkdirSync(join(dir, 'plots/deep'), { recursive: true })
    for (const file of ['a.txt', 'plots/b.txt', 'plots/deep/c.txt']) writeFileSync(join(dir, file), file)
    const runId = await inRun(async (run) => {
      await run.logArtifact(join(dir, 'a.txt'), 'single')
      await run.logArtifact(join(dir, 'plots'))
      await run.logArtifacts(dir, 'all')
      await run.logArtifacts(`${dir}/**/*.txt`, 'globbed')
      await run.logText('héllo', 'notes/x.txt')
      await run.logJson({ a: [1, { b: null }] }, 'x.json')
      await run.logDict({ yes: 'no', list: [1, 'two'] }, 'x.yaml')
      await run.logFigure('<svg/>', 'f.svg')
      await run.logImage({ data: new Uint8Array(12), width: 2, height: 2 }, 'i.png')
      await run.logImage(
        { data: new Uint8Array(4), width: 2, height: 2, channels: 1 },
        { key: 'a/b', step: 3, timestamp: 5 },
      )
      await run.logTable([{ a: 1, b: 'x' }], 't.json')
      await run.logTable({ a: [2], c: [true] }, 't.json')
      return run.runId
    })
    const read = async (path: string) => readFileSync(await client.downloadArtifacts({ runId, path }), 'utf8')
    const paths = async (path?: string) => (await client.listArtifacts(runId, path)).map((file) => file.path)
    expect(await paths()).toEqual([
      'all',
      'f.svg',
      'globbed',
      'i.png',
      'images',
      'notes',
      'plots',
      'single',
      't.json',
      'x.json',
      'x.yaml',
    ])
    expect(await paths('globbed')).toEqual(['globbed/a.txt', 'globbed/plots'])
    expect(await read('plots/deep/c.txt')).toBe('plots/deep/c.txt')
    expect(await read('single/a.txt')).toBe('a.txt')
    expect(await read('notes/x.txt')).toBe('héllo')
    expect(await read('x.json')).toBe('{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ]\n}')
    expect(await read('x.yaml')).toBe("list:\n- 1\n- two\n'yes': 'no'\n")
    expect(JSON.parse(await read('t.json'))).toEqual({
      columns: ['a', 'b', 'c'],
      data: [
        [1, 'x', null],
        [2, null, true],
      ],
    })
    expect((await paths('images'))[0]).toMatch(/^images\/a~b\+step\+3\+timestamp\+5\+[0-9a-f-]{36}\.png$/)
    const { data } = await getRun(runId)
    expect(data.tags).toMatchObject({
      'mlflow.loggedImages': 'True',
      'mlflow.loggedArtifacts': '[{"path":"t.json","type":"table"}]',
    })
  })

  it('keep no table lost when rows are added at once', async () => {
    const runId = await inRun(async (run) => {
      await Promise.all(Array.from({ length: 20 }, (_, i) => run.logTable([{ i }], 'rows.json')))
      return run.runId
    })
    const file = await client.downloadArtifacts({ runId, path: 'rows.json' })
    expect(JSON.parse(readFileSync(file, 'utf8')).data).toHaveLength(20)
  })

  it.each(['../x', '/etc/x', 'a/../../x', '%2e%2e/x', '..%252fx', 'a\\..\\x', 'C:\\x', 'a\0b', 'a#b'])(
    'refuse the path %j and write nothing',
    async (path) => {
      await inRun(async (run) => {
        const error: Error = (await run.logText('x', path).catch((reason: Error) => reason)) as Error
        expect(error).toBeInstanceOf(UnsafePathError)
        expect(error.message).toContain(JSON.stringify(path))
        expect(await client.listArtifacts(run.runId)).toEqual([])
      })
    },
  )

  it('do not follow a link out of the folder that is sent', async () => {
    const dir = tempDir()
    mkdirSync(join(dir, 'in'))
    writeFileSync(join(dir, 'secret'), 's')
    symlinkSync(join(dir, 'secret'), join(dir, 'in/link'))
    await inRun(async (run) => {
      await expect(run.logArtifacts(join(dir, 'in'))).rejects.toThrow(UnsafePathError)
      expect(await client.listArtifacts(run.runId)).toEqual([])
    })
  })

  it.each([Symbol('f'), 10n, Object.create(null), 7, null])(
    'go to a file whose name is a text, not %o',
    async (file) => {
      await inRun(async (run) => {
        const verbs: ((name: never) => Promise<void>)[] = [
          (name) => run.logText('x', name),
          (name) => run.logJson({}, name),
          (name) => run.logDict({}, name),
          (name) => run.logFigure('<svg/>', name),
          (name) => run.logTable([{ a: 1 }], name),
        ]
        for (const log of verbs) {
          const logged = log(file as never)
          await expect(logged).rejects.toThrow(InvalidParameterError)
          await expect(logged).rejects.toThrow(/artifact path must be a relative path/)
        }
      })
    },
  )

  it('say what is missing', async () => {
    await inRun(async (run) => {
      await expect(run.logArtifact('/nowhere/at/all')).rejects.toThrow(NotFoundError)
      await expect(run.logArtifacts('/nowhere/*.txt')).rejects.toThrow(InvalidParameterError)
      await expect(run.logFigure('not a figure', 'a.svg')).rejects.toThrow(/logImage/)
      await expect(run.logTable([{ a: 1 }], 'a.parquet')).rejects.toThrow(/\.json/)
      await expect(run.logImage(new Uint8Array(3), 'x.png')).rejects.toThrow(/PNG/)
    })
  })

  it('say what in a value would be kept as {}, and keep none of it', async () => {
    const late = Promise.resolve(1)
    await inRun(async (run) => {
      for (const [act, message] of [
        [() => run.logJson(late, 'a.json'), 'The value for "a.json" cannot be kept as a Promise: await it'],
        [() => run.logDict(new Map([['a', 1]]), 'a.json'), 'cannot be kept as a Map: Object.fromEntries(map)'],
        [() => run.logJson({ a: [{ b: new Set([1]) }] }, 'a.json'), 'cannot be kept: a[0].b in it is a Set: [...set]'],
        [
          () => run.logTable([{ a: late }], 'a.json'),
          'The table for "a.json" cannot be kept: data[0][0] in it is a Prom',
        ],
        [() => run.logTable([new Map([['a', 1]]) as never], 'a.json'), 'Each row of a table is an object'],
        [() => run.logTable(late as never, 'a.json'), 'lists by column, not an instance of Promise'],
        [() => run.logInput({ name: 'd', source: late }), 'The source of a dataset cannot be kept as a Promise'],
        [
          () => run.logInput({ name: 'd', source: 's', profile: { n: late } }),
          'The profile of a dataset cannot be kept: n',
        ],
      ] as const) {
        const calling = act()
        await expect(calling).rejects.toThrow(InvalidParameterError)
        await expect(calling).rejects.toThrow(message)
      }
      expect(await client.listArtifacts(run.runId)).toEqual([])
    })
  })

  it('keep big whole numbers in tables as in JSON, as text', async () => {
    await inRun(async (run) => {
      await run.logTable([{ c: 2n ** 60n, at: new Date(0) }], 't.json')
      await run.logTable([{ c: 1n }], 't.json')
      const file = await client.downloadArtifacts({ runId: run.runId, path: 't.json' })
      expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
        columns: ['c', 'at'],
        data: [
          ['1152921504606846976', '1970-01-01T00:00:00.000Z'],
          ['1', null],
        ],
      })
    })
  })

  it('take no picture without a key, at no time, or of what are no bytes', async () => {
    const picture = { data: [1, 2, 3], width: 1, height: 1 }
    await inRun(async (run) => {
      for (const [act, message] of [
        [() => run.logImage(picture, { step: 1 } as never), 'The key of a picture must be a text that is not blank'],
        [
          () => run.logImage(picture, { key: 5 } as never),
          'The key of a picture must be a text that is not blank, not 5',
        ],
        [() => run.logImage(picture, { key: 'k', timestamp: Number.NaN }), 'timestamp must be epoch milliseconds'],
        [() => run.logImage(picture, { key: 'k', timestamp: new Date() as never }), 'timestamp must be epoch millis'],
        [() => run.logImage({ ...picture, data: [9, 300, -1] }, 'a.png'), 'from 0 to 255; data[1] is 300'],
        [() => run.logImage({ ...picture, data: [0, 1, 0.5] }, 'a.png'), 'from 0 to 255; data[2] is 0.5'],
        [() => run.logImage({ ...picture, data: Float32Array.of(0, 0.5, 1) as never }, 'a.png'), 'data[1] is 0.5'],
        [() => run.logImage({ ...picture, data: null as never }, 'a.png'), 'No values are no picture'],
      ] as const) {
        const calling = act()
        await expect(calling).rejects.toThrow(InvalidParameterError)
        await expect(calling).rejects.toThrow(message)
      }
      expect(await client.listArtifacts(run.runId)).toEqual([])
      await run.logImage(picture, 'a.png')
      await run.logImage({ ...picture, data: Float32Array.of(0, 128, 255) as never }, 'b.png')
    })
  })

  it('are named by paths, and a URL is told how to become one', async () => {
    await inRun(async (run) => {
      for (const log of [run.logArtifact, run.logArtifacts] as ((path: unknown) => Promise<void>)[])
        for (const [path, message] of [
          [pathToFileURL('/a.txt'), /not by a URL: fileURLToPath/],
          [null, /^The path of a file or folder must be a text that is not blank, not null$/],
          [['a.txt'], /not an array$/],
          ['', /not ""$/],
        ] as const) {
          const calling = log(path)
          await expect(calling).rejects.toThrow(InvalidParameterError)
          await expect(calling).rejects.toThrow(message)
        }
    })
  })

  it('that are nothing of the kind are bad input, each of them', async () => {
    const odd = null as never
    const picture = { data: new Uint8Array(3), width: 1, height: 1 }
    const outside = tempDir()
    mkdirSync(join(outside, 'in'))
    writeFileSync(join(outside, 'secret.txt'), '')
    await inRun(async (run) => {
      const attempts: (() => Promise<void>)[] = [
        () => run.logArtifact(odd),
        () => run.logArtifact('a\0b'),
        () => run.logArtifacts(odd),
        () => run.logArtifacts(''),
        () => run.logText('text', 'folder/'),
        () => run.logText('text', odd),
        () => run.logJson(circular(), 'a.yaml'),
        () => run.logJson({ call: () => 1 }, 'a.yaml'),
        () => run.logJson(circular(), 'a.json'),
        () => run.logFigure(odd, 'a.svg'),
        () => run.logImage(odd, 'a.png'),
        () => run.logImage(picture, odd),
        () => run.logTable(odd, 'a.json'),
        () => run.logTable({ a: odd }, 'a.json'),
        () => run.logInput(odd),
        () => run.logOutputs(odd),
        () => run.logOutputs('m-1' as never),
        () => run.logOutputs([odd]),
        () => run.logOutputs([{ modelId: `m-${'0'.repeat(32)}`, stpe: 3 } as never]),
        () => run.logCode({ dir: join(outside, 'in'), include: '../*.txt' }),
      ]
      for (const attempt of attempts)
        await expect(attempt(), String(attempt)).rejects.toMatchObject({ code: 'INVALID_PARAMETER_VALUE' })
    })
  })
})

describe('inputs and code', () => {
  it('are kept', async () => {
    const dir = tempDir()
    writeFileSync(join(dir, 'train.js'), '1')
    const { runId } = await startRun({}, async (run) => {
      const tags = { rows: { from: 1 }, at: new Date(0), none: undefined } as never
      await run.logInput({ name: 'iris', source: { uri: 'x.csv' }, schema: { a: 1 } }, { context: 'training', tags })
      await run.logCode({ dir, include: '**/*.js' })
      return run
    })
    const { inputs } = await getRun(runId)
    expect(inputs?.datasetInputs[0]).toMatchObject({
      dataset: { name: 'iris', source: '{"uri":"x.csv"}', sourceType: 'local', schema: '{"a":1}' },
    })
    expect(inputs?.datasetInputs[0]?.tags).toEqual({
      rows: '{"from":1}',
      at: '1970-01-01T00:00:00.000Z',
      'mlflow.data.context': 'training',
    })
    expect((await client.listArtifacts(runId, 'code')).map(({ path }) => path)).toEqual(['code/code.tgz'])
  })

  it('of a script in a folder of its repository are all that git tracks, from the root of that', async () => {
    const dir = tempDir()
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args])
    mkdirSync(join(dir, 'scripts'))
    writeFileSync(join(dir, 'scripts', 'train.js'), '1')
    writeFileSync(join(dir, 'net.js'), '2')
    git('init', '-q')
    git('add', '.')
    git('commit', '-q', '-m', 'first')
    const { runId } = await startRun({}, async (run) => {
      await run.logCode({ dir: join(dir, 'scripts') })
      return run
    })
    const kept: string[] = []
    await list({
      file: join(await client.downloadArtifacts({ runId, path: 'code' }), 'code.tgz'),
      onReadEntry: ({ path }) => void kept.push(path),
    })
    expect(kept.sort()).toEqual(['./net.js', './scripts/train.js'])
  })
})

it('startRun of a client takes no function, and drops none in silence', async () => {
  const start = client.startRun as (...args: unknown[]) => Promise<unknown>
  const before = (await client.searchRuns()).length
  for (const args of [[{}, () => 1], [() => 1], [undefined, () => 1], [{}, { nested: true }]]) {
    await expect(start(...args)).rejects.toThrow(InvalidParameterError)
    await expect(start(...args)).rejects.toThrow(/cairn\.startRun/)
  }
  expect(await client.searchRuns()).toHaveLength(before)
})

describe('the environment', () => {
  afterEach(() => vi.unstubAllEnvs())
  const quiet = () => {
    const warned: string[] = []
    const line = () => {}
    return { warned, logger: { debug: line, info: line, error: line, warn: (text: string) => void warned.push(text) } }
  }

  it('gives every run more tags, kept as setTag keeps them', async () => {
    vi.stubEnv('MLFLOW_RUN_CONTEXT', '{"team": "growth", "n": 1, "on": {"gpu": ["a", 2]}, "none": null}')
    const run = await createClient({ trackingUri: root }).startRun()
    const { tags } = (await client.getRun(run.runId)).data
    expect(tags).toMatchObject({ team: 'growth', n: '1', on: '{"gpu":["a",2]}' })
    expect(tags).not.toHaveProperty('none')
    await run.end()
  })

  it.each(['{bad', '[]', '"x"', '5'])(
    'starts runs also where MLFLOW_RUN_CONTEXT is %s, and says so once',
    async (text) => {
      vi.stubEnv('MLFLOW_RUN_CONTEXT', text)
      const { warned, logger } = quiet()
      const own = createClient({ trackingUri: root, logger })
      for (const run of [await own.startRun(), await own.startRun()]) await run.end()
      expect(warned).toEqual(['MLFLOW_RUN_CONTEXT is passed over: it must be a JSON object, like {"team": "growth"}'])
    },
  )

  it.each([257, 500, 501, 600])('names no experiment of %d characters that would have to be made', async (length) => {
    vi.stubEnv('MLFLOW_EXPERIMENT_NAME', 'e'.repeat(length))
    const starting = createClient({ trackingUri: root }).startRun()
    await expect(starting).rejects.toThrow(InvalidParameterError)
    await expect(starting).rejects.toThrow(`has ${length} characters; at most 256 are allowed`)
  })
})

describe('where things go', () => {
  it('is an address Cairn can speak to, or the way out', () => {
    expect(() => setTrackingUri('sqlite:///mlflow.db')).toThrow(/mlflow server --backend-store-uri/)
    expect(() => setTrackingUri('postgresql+psycopg2://u:secret@h/db')).toThrow(InvalidParameterError)
    for (const quoted of ['"http://u:secret@h:5000"', "'https://h'", '"http:/h"'])
      expect(() => setTrackingUri(quoted)).toThrow(/^(?!.*secret).*quotes/)
    expect(createClient({ trackingUri: '  http://127.0.0.1:9\n' }).getTrackingUri()).toBe('http://127.0.0.1:9')
    try {
      setTrackingUri('postgresql://u:secret@h/db')
    } catch (error) {
      expect(String(error)).not.toContain('secret')
    }
    expect(client.getTrackingUri()).toBe(root)
  })

  it.each(['ftp://host/x', 'http://', 'https://user:secret@'])(
    '%s is none, and a password in it is not shown',
    (uri) => {
      expect(() => createClient({ trackingUri: uri })).toThrow(InvalidParameterError)
      expect(() => createClient({ registryUri: uri })).toThrow(InvalidParameterError)
      expect(() => setTrackingUri(uri)).toThrow(/^(?!.*secret)/)
    },
  )

  it.each<[string, (uri: never) => void]>([
    ['setTrackingUri', setTrackingUri],
    ['setRegistryUri', setRegistryUri],
  ])('is no variable that is not set: %s says so and leaves the environment as it is', (_, set) => {
    for (const given of [undefined, null, 5, new URL('http://u:secret@h')]) {
      expect(() => set(given as never)).toThrow(InvalidParameterError)
      expect(() => set(given as never)).toThrow(
        /^(?!.*secret)The (?:tracking|registry)Uri must be a text, like '.\/mlruns' .*; if it comes from a variable, that one is not set$/,
      )
    }
    expect(process.env.MLFLOW_TRACKING_URI).toBe(root)
    expect([getTrackingUri(), getRegistryUri()]).toEqual([root, root])
  })

  it.each([
    ['undefined', /^The URI says "undefined": a variable was empty .*write \.\/undefined for a folder/],
    ['null', /^The URI says "null"/],
    ['undefined/mlruns', /"undefined"/],
    ['http://undefined:5000', /"undefined"/],
    ['https://null/mlflow', /"null"/],
    ['localhost:5000', /write http:\/\/localhost:5000, or \.\/localhost:5000 for a folder/],
    ['127.0.0.1:5000/', /write http:\/\/127\.0\.0\.1:5000, or/],
    ['http//localhost:5000', /^The colon after http is missing/],
    ['HTTPS;//u:secret@host', /^(?!.*secret)The colon after http is missing/],
    ['http://127.0.0.1:99999', /^The URI of the server names port 99999 of 127\.0\.0\.1: ports end at 65535$/],
    ['http://ann:secret@[::1]:70000/x', /^(?!.*secret).*port 70000 of \[::1\]: ports end/],
    ['http://ann:99999/secret@host', /^(?!.*(ann|secret)).*is no address/],
    ['http://u:secret@host:5000/x/#/experiments/0', /^(?!.*secret).*write http:\/\/host:5000\/x, .* follows the #$/],
    ['http://host:5000/?key=secret#/', /^(?!.*secret).*write http:\/\/host:5000, without what follows the \?$/],
    ['http://ann@corp.example:12345#secret@host:5000', /^(?!.*(12345|secret))An @ stands in the path .*%23/],
    ['mlflow.example.com:443/team?key=secret', /^(?!.*secret).*write http:\/\/mlflow\.example\.com:443, or/],
  ])('is not %s, by an option or the environment', (uri, message) => {
    for (const name of ['trackingUri', 'registryUri']) {
      expect(() => createClient({ [name]: uri })).toThrow(InvalidParameterError)
      expect(() => createClient({ [name]: uri })).toThrow(message)
    }
    for (const name of ['MLFLOW_TRACKING_URI', 'MLFLOW_REGISTRY_URI']) {
      vi.stubEnv(name, uri)
      expect(() => createClient(), name).toThrow(message)
      vi.unstubAllEnvs()
    }
  })

  it('may be a folder whose name looks like a variable that is not set, or has a colon', () => {
    for (const uri of ['./undefined', './127.0.0.1:5000', 'undefined.d'])
      expect(createClient({ trackingUri: uri }).getTrackingUri()).toBe(resolve(uri))
    const own = { localhost: async () => ({}) as never }
    expect(createClient({ trackingUri: 'localhost:5000', transports: own }).getTrackingUri()).toBe('localhost:5000')
  })

  it('is said once when it is the default, beside a database of Python’s', async () => {
    const dir = tempDir()
    writeFileSync(join(dir, 'mlflow.db'), '')
    const script = `import { createClient, endRun, startRun } from 'CAIRN'
      await startRun()
      await endRun()
      await startRun()
      await endRun()`
    const count = async (env = {}) =>
      (await child(script, { cwd: dir, env })).stderr.split('mlflow.db beside').length - 1
    expect(await count()).toBe(1)
    expect(await count({ MLFLOW_TRACKING_URI: join(dir, 'mlruns') })).toBe(0)
  })

  it('is no file, and no later try makes it one', async () => {
    const file = join(tempDir(), 'taken')
    writeFileSync(file, '')
    const refused = createClient({ trackingUri: file }).startRun()
    await expect(refused).rejects.toThrow(InvalidParameterError)
    await expect(refused).rejects.toMatchObject({ retryable: false, cause: { code: 'EEXIST' } })
    await expect(refused).rejects.toThrow(file)
  })

  it.skipIf(!canLoseRights)('says which folder it may not write (as root needs setpriv)', async () => {
    const dir = tempDir()
    mkdirSync(join(dir, 'ro'), { mode: 0o555 })
    chmodSync(dir, 0o777)
    const script = `import { createClient, PermissionDeniedError } from 'CAIRN'
      const error = await createClient({ trackingUri: '${dir}/ro/mlruns' }).startRun().catch((reason) => reason)
      console.log(error instanceof PermissionDeniedError, error.message)`
    const { stdout } = await child(script, { cwd: dir, ...noRights })
    expect(stdout).toMatch(/^true /)
    expect(stdout).toContain(join(dir, 'ro/mlruns'))
    expect(existsSync(join(dir, 'ro/mlruns'))).toBe(false)
  })

  it('leaves a relative store where it was when the process goes elsewhere', async () => {
    await logInRunThenMove()
    expect(existsSync(root)).toBe(true)
  })
})

async function logInRunThenMove() {
  const before = process.cwd()
  const run = await startRun()
  process.chdir(tempDir())
  try {
    run.logMetric('loss', 1)
    await logText('x', 'x.txt')
    await run.end()
  } finally {
    process.chdir(before)
  }
  expect((await getRun(run.runId)).data.metrics.loss).toBe(1)
}

function circular(): unknown {
  const value: { self?: unknown } = {}
  value.self = value
  return value
}
