import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Client, createClient } from '../../src/client.js'
import { InvalidParameterError, NotFoundError } from '../../src/errors.js'
import type { Run } from '../../src/run/handle.js'
import { answering, asJson } from '../support/answering.js'
import { tempDir } from '../support/temp-dir.js'

let client: Client
let run: Run
beforeEach(async () => {
  client = createClient({ trackingUri: tempDir(), cacheDir: tempDir(), spoolDir: tempDir() })
  run = await client.startRun()
})
afterEach(() => client.close())

/** By the place of their options. */
const verbs: readonly (readonly (keyof Client & string)[])[] = [
  ['pruneCache'],
  [
    ...(['createExperiment', 'getExperiment', 'getExperimentByName', 'deleteExperiment', 'restoreExperiment'] as const),
    ...(['setExperiment', 'getRun', 'createRun', 'updateRun', 'deleteRun', 'restoreRun', 'getLoggedModel'] as const),
    ...(['deleteLoggedModel', 'createRegisteredModel', 'getRegisteredModel', 'updateRegisteredModel'] as const),
    ...(['deleteRegisteredModel', 'getStageHistory', 'loadModel', 'downloadArtifacts'] as const),
  ],
  [
    ...(['renameExperiment', 'setExperimentTags', 'deleteExperimentTag', 'getMetricHistory', 'setTerminated'] as const),
    ...(['iterateMetricHistory', 'logBatch', 'setLoggedModelTags', 'logLoggedModelParams'] as const),
    ...([
      'renameRegisteredModel',
      'getLatestVersions',
      'deleteRegisteredModelTag',
      'deleteRegisteredModelAlias',
    ] as const),
    ...(['getModelVersionByAlias', 'registerModel', 'createModelVersion', 'getModelVersion'] as const),
    ...(['updateModelVersion', 'deleteModelVersion', 'rollback', 'approveModelVersion'] as const),
    ...(['rejectModelVersion', 'getApprovals', 'saveModel', 'packModel', 'listArtifacts'] as const),
  ],
  [
    ...(['setExperimentTag', 'setRegisteredModelTag', 'setRegisteredModelAlias'] as const),
    ...(['deleteModelVersionTag', 'transitionStage'] as const),
  ],
  ['setModelVersionTag'],
]
const runVerbs: readonly (readonly (keyof Run & string)[])[] = [
  ['logCode'],
  ['logInput', 'logOutputs', 'logModel'],
  ['logArtifact', 'logArtifacts', 'logText', 'logJson', 'logDict', 'logFigure', 'logImage', 'logTable'],
]

async function call(of: object, verb: string, given: readonly unknown[]): Promise<unknown> {
  const answer: unknown = (of as Record<string, (...given: readonly unknown[]) => unknown>)[verb]?.(...given)
  if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) return answer
  for await (const _ of answer as AsyncIterable<unknown>);
}

/** These pass over a name that is near none of theirs, as a whole entity fits their options. */
const fitting = [
  ...['createExperiment', 'createRun', 'updateRun', 'setTerminated', 'createRegisteredModel'],
  ...['updateRegisteredModel', 'registerModel', 'createModelVersion', 'updateModelVersion'],
]
/** These pass over a number, which `map` hands over. */
const mapped = [
  ...['getExperiment', 'getExperimentByName', 'deleteExperiment', 'restoreExperiment', 'setExperiment', 'getRun'],
  ...['deleteRun', 'restoreRun', 'getLoggedModel', 'deleteLoggedModel', 'getRegisteredModel', 'deleteRegisteredModel'],
  ...['getStageHistory', 'logOutputs'],
]

async function refuses(of: object, verb: string, place: number): Promise<void> {
  const first = Array.from({ length: place }, () => 'x')
  for (const [options, message] of [
    fitting.includes(verb)
      ? [{ sigal: 1 }, /^There is no option sigal: did you mean signal\?$/]
      : [{ unheardOf: 1 }, /^There is no option unheardOf: there are (?!.*\b(?:again|background)\b)/],
    [
      mapped.includes(verb) ? true : 5,
      new RegExp(`^${verb} takes options, like \\{ .* \\}, not a (?:number|boolean)$`),
    ],
    [new AbortController().signal, /not an instance of AbortSignal$/],
    [{ signal: 5 }, verb === 'pruneCache' ? /./ : /^signal must be an AbortSignal, not 5$/],
  ] as const) {
    if (verb === 'pruneCache' && typeof options === 'object' && 'signal' in options) continue
    const calling = call(of, verb, [...first, options])
    await expect(calling, verb).rejects.toThrow(InvalidParameterError)
    await expect(calling, verb).rejects.toThrow(message)
  }
}

describe('options that a verb does not have', () => {
  it.each(verbs.flatMap((of, place) => of.map((verb) => [verb, place] as const)))(
    'are refused by %s of a client',
    (verb, place) => refuses(client, verb, place),
  )

  it.each(runVerbs.flatMap((of, place) => of.map((verb) => [verb, place] as const)))(
    'are refused by %s of a run',
    (verb, place) => refuses(run, verb, place),
  )

  it('are refused by every verb that there is', () => {
    const elsewhere =
      /^(?:search|iterate(?!MetricHistory)|get(?:Tracking|Registry)Uri|startRun|sync|deliverSpool|flush)|^(?:on|doctor|cacheInfo|close)$/
    expect(verbs.flat().sort()).toEqual(
      Object.keys(client)
        .filter((verb) => !elsewhere.test(verb))
        .sort(),
    )
    const withOptions = Object.keys(run).filter((verb) => /^log(?!Metrics?$|Params?$)/.test(verb))
    expect(runVerbs.flat().sort()).toEqual(withOptions.sort())
  })

  it.each<[string, string, (client: Client, run: Run) => Promise<unknown>]>([
    ['createRun', 'runNam: did you mean runName', (client) => client.createRun('0', { runNam: 'x' } as never)],
    ['createRun', 'name: did you mean runName', (client) => client.createRun('0', { name: 'x' } as never)],
    [
      'updateRun',
      'end_time: did you mean endTime',
      (client, { runId }) => client.updateRun(runId, { end_time: 1 } as never),
    ],
    [
      'setTerminated',
      'endtime: did you mean endTime',
      (client, { runId }) => client.setTerminated(runId, 'FAILED', { endtime: 1 } as never),
    ],
    [
      'logBatch',
      'metric: did you mean metrics',
      (client, { runId }) => client.logBatch(runId, { metric: [] } as never),
    ],
    [
      'logBatch',
      'setp: did you mean step',
      (client, { runId }) => client.logBatch(runId, { metrics: [{ key: 'a', value: 1, setp: 2 } as never] }),
    ],
    [
      'transitionStage',
      'archiveExistingVersions: did you mean archiveExisting',
      (client) => client.transitionStage('m', 1, 'Production', { archiveExistingVersions: true } as never),
    ],
    [
      'transitionStage',
      'requireMetric.mim: did you mean requireMetric.min',
      (client) =>
        client.transitionStage('m', 1, 'Production', { requireMetric: [{ key: 'auc', max: 1, mim: 0.9 } as never] }),
    ],
    [
      'registerModel',
      'awaitRegistrationFor: did you mean awaitRegistrationMs',
      (client) => client.registerModel('models:/m-1', 'm', { awaitRegistrationFor: 1 } as never),
    ],
    [
      'loadModel',
      'batch.maxsize: did you mean batch.maxSize',
      (client) => client.loadModel('models:/m/1', { batch: { maxsize: 1 } as never }),
    ],
    ['logModel', 'artifact_path: did you mean name', (_, run) => run.logModel({}, { artifact_path: 'm' } as never)],
    [
      'logInput',
      'sourcetype: did you mean sourceType',
      (_, run) => run.logInput({ name: 'd', source: 's', sourcetype: 'http' } as never),
    ],
    [
      'logImage',
      'stpe: did you mean step',
      (_, run) => run.logImage(new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), { key: 'k', stpe: 3 } as never),
    ],
  ])('are told by %s with the one that was meant: %s', async (_, message, act) => {
    const calling = act(client, run)
    await expect(calling).rejects.toThrow(InvalidParameterError)
    await expect(calling).rejects.toThrow(`There is no option ${message}?`)
  })
})

it.each<[string, (client: Client, run: Run, tags: never) => Promise<unknown>]>([
  ['startRun', (client, _, tags) => client.startRun({ tags })],
  ['createRun', (client, _, tags) => client.createRun('0', { tags })],
  ['createExperiment', (client, _, tags) => client.createExperiment('e', { tags })],
  ['setExperimentTags', (client, _, tags) => client.setExperimentTags('0', tags)],
  ['createRegisteredModel', (client, _, tags) => client.createRegisteredModel('m', { tags })],
  ['registerModel', (client, _, tags) => client.registerModel('models:/m-1', 'm', { tags })],
  ['createModelVersion', (client, _, tags) => client.createModelVersion('m', 'file:///m', { tags })],
  ['logInput', (_, run, tags) => run.logInput({ name: 'd', source: 's' }, { tags })],
  ['logModel', (_, run, tags) => run.logModel({}, { name: 'm', tags })],
  ['logModel, as params', (_, run, params) => run.logModel({}, { name: 'm', params })],
])('tags that are no record are refused by %s, and make nothing', async (_, act) => {
  for (const [tags, given] of [
    ['xy', /not (?:"xy"|a text)$/],
    [['a'], /not an (?:Array of length 1|array)/],
    [Promise.resolve({}), /not an? (?:instance of )?Promise: await it$/],
    [Object.assign(Promise.resolve({}), { team: 'a' }), /not an? (?:instance of )?Promise: await it$/],
  ]) {
    const calling = act(client, run, tags as never)
    await expect(calling).rejects.toThrow(InvalidParameterError)
    await expect(calling).rejects.toThrow(given as RegExp)
  }
  expect(await client.searchRuns()).toHaveLength(1)
  const experiments = await client.searchExperiments()
  expect(experiments).toMatchObject([{ name: 'Default', tags: {} }])
  expect(await client.searchRegisteredModels()).toEqual([])
})

it.each([
  [{ nested: 'no' }, 'nested must be true or false, not "no"'],
  [{ description: 5 }, 'description must be a text, not 5'],
])('startRun does not take %j', async (options, message) => {
  await expect(client.startRun(options as never)).rejects.toThrow(message)
  expect(await client.searchRuns()).toHaveLength(1)
})

it.each<[string, RegExp, (client: Client, id: string, given: never) => Promise<unknown>, unknown]>([
  ['registerModel', /must be the URI of its files, a text/, (client, _, uri) => client.registerModel(uri, 'm'), null],
  ['registerModel', /must be the URI of its files, a text/, (client, _, uri) => client.registerModel(uri, 'm'), 5],
  ['logBatch', /^logBatch takes a batch, .*, not null$/, (client, id, batch) => client.logBatch(id, batch), null],
  [
    'logBatch',
    /^A point of a batch is an object, .*, not null$/,
    (client, id, batch) => client.logBatch(id, batch),
    { metrics: [null] },
  ],
  [
    'logBatch',
    /^metrics must be a list of points, like \[ … \], not an object$/,
    (client, id, batch) => client.logBatch(id, batch),
    { metrics: { a: 1 } },
  ],
  [
    'setExperiment',
    /^setExperiment takes a name, or \{ experimentId \}$/,
    (client, _, one) => client.setExperiment(one),
    { name: 'x' },
  ],
  ['setExperiment', /takes a name/, (client, _, one) => client.setExperiment(one), null],
  [
    'searchRuns',
    /^An experiment id must be a text, not number$/,
    (client, _, options) => client.searchRuns(options),
    { experimentIds: [0] },
  ],
  ['getRun', /^A run id must be a text, not null$/, (client, _, id) => client.getRun(id), null],
  ['setExperimentTags', /not null$/, (client, _, tags) => client.setExperimentTags('0', tags), null],
])('%s says in place of a TypeError: %s', async (_, message, act, given) => {
  const calling = act(client, run.runId, given as never)
  await expect(calling).rejects.toThrow(InvalidParameterError)
  await expect(calling).rejects.toThrow(message)
})

it('whole entities are taken as options that they fit', async () => {
  const { info } = await client.getRun(run.runId)
  const made = await client.createRun('0', info)
  expect(made.info).toMatchObject({ runName: info.runName, startTime: info.startTime })
  expect(await client.updateRun(made.info.runId, { ...info, runName: 'other' })).toMatchObject({ runName: 'other' })
  await client.setTerminated(made.info.runId, 'FINISHED', { ...info, endTime: 7 })
  expect((await client.getRun(made.info.runId)).info.endTime).toBe(7)
  const experiment = await client.getExperiment(await client.createExperiment('e', { tags: { a: 'b' } }))
  const again = await client.createExperiment('f', { ...experiment, artifactLocation: undefined })
  expect((await client.getExperiment(again)).tags).toMatchObject({ a: 'b' })
  const model = await client.createRegisteredModel('m', { description: 'words', tags: { a: 'b' } })
  const twin = await client.createRegisteredModel('twin', model)
  expect(twin).toMatchObject({ description: 'words', tags: { a: 'b' } })
  expect(await client.updateRegisteredModel('twin', { ...model, description: 'more' })).toMatchObject({
    description: 'more',
  })
  const version = await client.createModelVersion('m', 's3://bucket/x', { description: 'first', tags: { a: 'b' } })
  const copy = await client.createModelVersion('twin', 's3://bucket/x', version)
  expect(copy).toMatchObject({ name: 'twin', description: 'first', tags: { a: 'b' } })
  expect(await client.updateModelVersion('twin', copy.version, version)).toMatchObject({ description: 'first' })
  expect(await client.registerModel('s3://bucket/x', 'twin', version)).toMatchObject({ description: 'first' })
})

it('the index that map hands over is no options', async () => {
  const { getRun } = client as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>
  expect(await Promise.all([run.runId, run.runId].map(getRun!))).toHaveLength(2)
})

it('a signal that is aborted is heard where there is nothing to do', async () => {
  const signal = AbortSignal.abort(new Error('mine'))
  await expect(client.logBatch(run.runId, {}, { signal })).rejects.toThrow('mine')
  await expect(client.deliverSpool({ signal })).rejects.toThrow('mine')
  await expect(client.deliverSpool({ signal, dryRun: true })).rejects.toThrow('mine')
})

it('options that are left out, and a signal everywhere, are taken', async () => {
  const { signal } = new AbortController()
  const made = await client.createRun('0', { runName: undefined, signal })
  await client.logBatch(made.info.runId, { metrics: [{ key: 'loss', value: 1, step: 2 }] }, undefined)
  const points = await client.getMetricHistory(made.info.runId, 'loss', { signal })
  await client.logBatch(made.info.runId, { metrics: points }, { signal })
  await client.pruneCache({ maxBytes: 0, signal } as never)
  await run.logText('a', 'a.txt', { signal, onProgress: () => {} })
  for (const concurrency of [Number.POSITIVE_INFINITY, null as never])
    expect(await client.downloadArtifacts(run, { dstPath: tempDir(), concurrency })).not.toBe('')
  expect((await client.updateRun(made.info.runId, {})).runName).toBe(made.info.runName)
})

describe('values that an option cannot have', () => {
  const model = { dir: '.', module: 'm.mjs' }
  const logModel = (options: object) => run.logModel(model, { name: 'm', flavor: 'node', ...options } as never)
  const loadModel = (options: object) => client.loadModel('models:/m/1', options as never)

  it.each<[string, () => Promise<unknown>]>([
    [
      'signature must be a signature, as inferSignature makes it (with toJSON), not 5',
      () => logModel({ signature: 5 }),
    ],
    ['inferSignature makes it (with toJSON), not an object', () => logModel({ signature: { inputs: [] } })],
    ['code must be a list of paths, like [ … ], not a number', () => logModel({ code: 5 })],
    ['code must be a text that is not blank, not ""', () => logModel({ code: '' })],
    ['code[1] must be a text that is not blank, not 5', () => logModel({ code: ['src', 5] })],
    ['dependencies must be an object of version ranges, not a number', () => logModel({ dependencies: 5 })],
    ['dependencies[0] must be a text that is not blank, not 5', () => logModel({ dependencies: [5] })],
    ['params must be an object of values, not a text', () => logModel({ params: 'x' })],
    ['tags must be an object of texts, not a number', () => logModel({ tags: 5 })],
    ['params must be an object of values, not an instance of Map', () => logModel({ params: new Map([['a', 1]]) })],
    ['signature must be', () => client.saveModel(model, 'x', { signature: 5 as never })],
    ['code must be', () => client.saveModel(model, 'x', { code: 5 as never })],
    ['onProgress must be a function, not 5', () => logModel({ onProgress: 5 })],
    ['onProgress must be a function', () => run.logText('t', 't.txt', { onProgress: 5 as never })],
    ['onProgress must be a function', () => run.logCode({ onProgress: 'x' as never })],
    ['onProgress must be a function', () => loadModel({ onProgress: {} })],
    ['onProgress must be a function', () => client.downloadArtifacts('x', { onProgress: 5 as never })],
    ['allowCode must be true or false, not "no"', () => loadModel({ allowCode: 'no' })],
    ['replay must be true or false, not "yes"', () => loadModel({ replay: 'yes' })],
    ['replay.tolerance must be a number from 0, not "1"', () => loadModel({ replay: { tolerance: '1' } })],
    ['batch must be true or false, not 5', () => loadModel({ batch: 5 })],
    ['batch.maxSize must be a whole number from 1, not 0', () => loadModel({ batch: { maxSize: 0 } })],
    ['batch.maxWaitMs must be a number of milliseconds from 0', () => loadModel({ batch: { maxWaitMs: '5' } })],
    ['offline is "never", "fallback" or "only", not true', () => loadModel({ offline: true })],
    ['verify is "changed" or "always", not false', () => loadModel({ verify: false })],
    ['archiveExisting must be', () => client.transitionStage('m', 1, 'Staging', { archiveExisting: 'no' as never })],
    ['dstPath must be a text that is not blank, not ""', () => client.downloadArtifacts('x', { dstPath: '' })],
    ['dstPath must be a text', () => client.downloadArtifacts('x', { dstPath: 5 as never })],
    ['concurrency must be a whole number from 1, not 0', () => client.downloadArtifacts('x', { concurrency: 0 })],
    ['There is no option dst: there are dstPath,', () => client.downloadArtifacts('x', { dst: 'y' } as never)],
    ['context must be a text, not 5', () => run.logInput({ name: 'd', source: 's' }, { context: 5 as never })],
    ['tags must be an object', () => run.logInput({ name: 'd', source: 's' }, { tags: 5 as never })],
    ['did you mean schema?', () => run.logInput({ name: 'd', source: 's', schma: 1 } as never)],
    ['dir must be a text that is not blank, not 5', () => run.logCode({ dir: 5 as never })],
    ['maxBytes is a number from 0, not "x"', () => client.pruneCache({ maxBytes: 'x' as never })],
    ...(['loadModel', 'pruneCache', 'logCode'] as const).map((verb): [string, () => Promise<unknown>] => [
      `${verb} takes options`,
      () => call(verb === 'logCode' ? run : client, verb, verb === 'loadModel' ? ['models:/m/1', null] : [null]),
    ]),
  ])('are refused, and told: %s', async (message, act) => {
    const calling = act()
    await expect(calling).rejects.toThrow(InvalidParameterError)
    await expect(calling).rejects.toThrow(message)
    expect(await client.searchLoggedModels({ experimentIds: [run.experimentId] })).toHaveLength(0)
  })
})

it.each<[string, unknown]>([
  ['without a prototype', Object.create(null)],
  ['whose toString throws', { toString: () => expect.fail('asked for its text') }],
])('an object %s is refused as any other, where it stands for a number or a text', async (_, odd) => {
  const given = odd as never
  const picture = { data: [0], width: 1, height: 1, channels: 1 } as const
  const calls: readonly (() => unknown)[] = [
    () => run.logMetric('loss', 1, { step: given }),
    () => run.logMetrics({ loss: 1 }, { timestamp: given }),
    () => run.logImage(picture, { key: 'k', step: given }),
    () => run.logImage({ ...picture, width: given }, 'a.png'),
    () => run.logImage({ ...picture, data: [given] }, 'a.png'),
    () => run.logText('', given),
    () => run.logModel({}, { name: 'm', step: given }),
    () => client.searchRuns({ maxResults: given }),
    () => client.setExperiment(given),
    () => client.getModelVersion('m', given),
    () => client.setRegisteredModelAlias('m', given, 1),
    () => client.transitionStage('m', 1, given),
    () => client.getLoggedModel(given),
    () => client.loadModel(given),
    () => client.pruneCache({ maxBytes: given }),
  ]
  for (const one of calls)
    await expect((async () => one())(), String(one)).rejects.toBeInstanceOf(InvalidParameterError)
})

it('an experiment of the environment that is not there is named by its variable', async () => {
  vi.stubEnv('MLFLOW_EXPERIMENT_ID', '404')
  try {
    await using other = createClient({ trackingUri: tempDir() })
    const starting = other.startRun()
    await expect(starting).rejects.toBeInstanceOf(NotFoundError)
    await expect(starting).rejects.toThrow(/^MLFLOW_EXPERIMENT_ID is set to "404": /)
    const server = await answering((_, to) =>
      asJson(to, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'none' }, 404, { 'x-request-id': 'r7' }),
    )
    await using remote = createClient({ trackingUri: server.url, spoolDir: tempDir() })
    await expect(remote.startRun()).rejects.toMatchObject({
      message: expect.stringMatching(/^MLFLOW_EXPERIMENT_ID is set to "404": /),
      status: 404,
      requestId: 'r7',
      url: expect.stringContaining(server.url),
    })
  } finally {
    vi.unstubAllEnvs()
  }
})

it('raw pixels have three channels where those are left undefined', async () => {
  const picture = { data: [0, 0, 0], width: 1, height: 1, channels: undefined }
  await expect(run.logImage(picture, 'a.png')).resolves.toBeUndefined()
})
