import { expect, it } from 'vitest'
import {
  AlreadyExistsError,
  errorFromCode,
  InvalidParameterError,
  NotFoundError,
  ParamConflictError,
  UnavailableError,
} from '../../src/errors.js'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { withMeaning } from '../../src/transport/meant.js'
import type { Input, Transport } from '../../src/transport/transport.js'
import { tempDir } from '../support/temp-dir.js'

const SQL = '(sqlite3.IntegrityError) UNIQUE constraint failed'
const refusal = errorFromCode('BAD_REQUEST', SQL, { status: 400 })
const [RUN, MODEL, OTHER] = ['a'.repeat(32), `m-${'b'.repeat(32)}`, `m-${'c'.repeat(32)}`] as const

/** A server whose database refuses the first call of each operation that it has no answer for. */
function stand(answers: Record<string, unknown>, failure = refusal) {
  const asked: [string, unknown][] = []
  const inner = {
    close: async () => {},
    call: async (operation: string, input: unknown) => {
      const isFirst = asked.every(([one]) => one !== operation)
      asked.push([operation, input])
      if (answers[operation] instanceof Error) throw answers[operation]
      if (operation in answers) return answers[operation]
      if (isFirst) throw failure
      return {}
    },
  } as unknown as Transport
  return { transport: withMeaning(inner), asked }
}

it.each([
  ['deleted', 'An experiment "x" exists, deleted (id 5); bring it back with restoreExperiment(\'5\'), or choose'],
  ['active', 'An experiment "x" exists already (id 5); use that, or choose another name'],
])('a name that an experiment has, which is %s, is told without SQL', async (lifecycle_stage, said) => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url, spoolDir: tempDir() })
  const id = await client.createExperiment('x')
  if (lifecycle_stage === 'deleted') await client.deleteExperiment(id)
  const body = JSON.stringify({ error_code: 'RESOURCE_ALREADY_EXISTS', message: `Experiment(name=x): ${SQL}` })
  server.faults.add({ on: 'createExperiment', status: 400, body })
  const made = client.createExperiment('x')
  await expect(made).rejects.toThrow(AlreadyExistsError)
  await expect(made).rejects.toThrow(said.replaceAll('id 5', `id ${id}`).replace("'5'", `'${id}'`))
})

it('a name that a registered model has is told without SQL', async () => {
  const { transport } = stand({}, errorFromCode('RESOURCE_ALREADY_EXISTS', SQL, { status: 400 }))
  const renamed = transport.call('renameRegisteredModel', { name: 'a', new_name: 'b' })
  await expect(renamed).rejects.toMatchObject({
    constructor: AlreadyExistsError,
    message: 'A registered model "b" exists already; choose another name',
  })
})

it('an output that is there already is success, at another step it is told, and the others are written', async () => {
  const there = { run: { outputs: { model_outputs: [{ model_id: MODEL, step: 1 }] } } }
  const log = (models: Input<'logOutputs'>['models'], answers: object = there) => {
    const { transport, asked } = stand({ getRun: answers })
    return { done: transport.call('logOutputs', { run_id: RUN, models }), asked }
  }
  await expect(log([{ model_id: MODEL, step: 1 }]).done).resolves.toEqual({})
  const both = log([{ model_id: MODEL, step: 1 }, { model_id: OTHER }])
  await both.done
  expect(both.asked.at(-1)).toEqual(['logOutputs', { run_id: RUN, models: [{ model_id: OTHER }] }])
  const moved = log([{ model_id: OTHER }, { model_id: MODEL, step: 2 }])
  await expect(moved.done).rejects.toThrow(InvalidParameterError)
  await expect(moved.done).rejects.toThrow(`${MODEL} is an output at step 1 already and cannot be one at step 2 too`)
  await expect(log([{ model_id: OTHER }]).done).rejects.toBe(refusal)
})

it('an input that is there already is success', async () => {
  const { transport } = stand({
    getRun: { run: { inputs: { dataset_inputs: [], model_inputs: [{ model_id: MODEL }] } } },
  })
  await expect(transport.call('logInputs', { run_id: RUN, models: [{ model_id: MODEL }] })).resolves.toEqual({})
})

it('a param that has another value is told as where that is known before', async () => {
  const said = "Changing param values is not allowed. Params were already logged='[{…}]'"
  const params = [
    { key: 'a', value: '1' },
    { key: 'b', value: '2' },
  ]
  const { transport } = stand({ getRun: { run: { data: { params } } } }, new ParamConflictError(said, { status: 400 }))
  const logged = transport.call('logBatch', {
    run_id: RUN,
    params: [
      { key: 'a', value: '1' },
      { key: 'b', value: '3' },
    ],
  })
  await expect(logged).rejects.toMatchObject({
    constructor: ParamConflictError,
    message: expect.stringMatching(/^The param "b" is "2" already and cannot become "3"; log it under/),
  })
})

it('points whose logged model is not there say so, after one look at all', async () => {
  const { transport, asked } = stand({ getLoggedModel: new NotFoundError('no model'), logBatch: refusal })
  const point = (step: number) => ({ key: 'x', value: 1, timestamp: 5, step, model_id: MODEL })
  for (const metrics of [[point(0), point(1)], [point(2)]])
    await expect(transport.call('logBatch', { run_id: RUN, metrics })).rejects.toMatchObject({
      constructor: NotFoundError,
      message: `There is no logged model ${MODEL}: "x" names it; the run may have the points all the same`,
      retryable: false,
    })
  expect(asked.map(([operation]) => operation)).toEqual(['logBatch', 'getLoggedModel', 'logBatch'])
  // Which of several it is, parts tell.
  const both = [point(3), { ...point(4), model_id: OTHER }]
  await expect(transport.call('logBatch', { run_id: RUN, metrics: both })).rejects.toBe(refusal)
})

it('a link that may be there already is not refused for good by an outage', async () => {
  const outage = new UnavailableError('away')
  const { transport } = stand({ getRun: outage })
  await expect(transport.call('logInputs', { run_id: RUN, models: [{ model_id: MODEL }] })).rejects.toBe(outage)
})

it('what the look does not explain, and a look that fails, leave the words of the server', async () => {
  const point = { key: 'x', value: 1, timestamp: 5, step: 0, model_id: MODEL }
  for (const answers of [{ getLoggedModel: { model: {} } }, { getLoggedModel: new InvalidParameterError('no') }])
    await expect(stand(answers).transport.call('logBatch', { run_id: RUN, metrics: [point] })).rejects.toBe(refusal)
})
