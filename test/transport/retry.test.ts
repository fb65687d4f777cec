import { describe, expect, it, vi } from 'vitest'
import { AlreadyExistsError, errorFromCode, InvalidParameterError, NotFoundError } from '../../src/errors.js'
import { explained } from '../../src/transport/aftermath.js'
import { protocol } from '../../src/transport/protocol.js'
import { repeats } from '../../src/transport/repeats.js'
import { type RetryEvent, withRetry } from '../../src/transport/retry.js'
import type { Operation, Transport } from '../../src/transport/transport.js'
import { fakeClock } from '../support/fake-clock.js'
import { type Mishap, scriptedStore } from '../support/scripted-store.js'

function made(kind: 'database' | 'files' = 'database') {
  const store = scriptedStore(kind)
  const clock = fakeClock()
  const long: RetryEvent[] = []
  const over: Operation[] = []
  let id = 0
  const transport = withRetry(store.transport, {
    clock,
    newId: () => `op-${++id}`,
    onLong(event) {
      long.push(event)
      return () => void over.push(event.operation)
    },
  })
  return { store, clock, long, over, transport }
}

const points = (...values: number[]) => values.map((value, step) => ({ key: 'm', value, step, timestamp: 5 }))

describe('a batch of metrics', () => {
  const mishaps: Mishap[][] = [
    ['not sent'],
    ['lost'],
    ['answer lost'],
    ['half'],
    ['answer lost', 'answer lost', 'lost'],
    ['throttled', 'half', 'not sent', 'answer lost'],
  ]
  for (const kind of ['database', 'files'] as const)
    it.each(mishaps.map((list) => [list.join(', ')]))(`arrives once each in ${kind} after: %s`, async (list) => {
      const { store, transport } = made(kind)
      const metrics = points(1, Number.NaN, 3, Number.NaN, 5, 6, 7)
      store.next('logBatch', ...(list.split(', ') as Mishap[]))
      await transport.call('logBatch', { run_id: 'r', metrics, tags: [{ key: 't', value: '1' }] })
      const order = (a: { step?: number | bigint }, b: { step?: number | bigint }) => Number(a.step) - Number(b.step)
      expect(store.rows.toSorted(order as never)).toEqual(metrics)
      expect(store.tags.get('t')).toBe('1')
    })

  it('with NaN goes in two, so that no other point is refused with it', async () => {
    const { store, transport } = made()
    await transport.call('logBatch', {
      run_id: 'r',
      metrics: points(1, Number.NaN),
      params: [{ key: 'p', value: '1' }],
    })
    expect(store.named('logBatch').map(({ input }) => input)).toEqual([
      { run_id: 'r', metrics: points(1), params: [{ key: 'p', value: '1' }] },
      { run_id: 'r', metrics: [{ key: 'm', value: Number.NaN, step: 1, timestamp: 5 }] },
    ])
  })

  it('is sent again as it was where a database sorts out doubles, without a look', async () => {
    const { store, transport } = made()
    store.next('logBatch', 'answer lost')
    await transport.call('logBatch', { run_id: 'r', metrics: points(1, 2) })
    expect(store.calls.map(({ operation }) => operation)).toEqual(['logBatch', 'logBatch'])
    expect(store.calls[0]).toEqual(store.calls[1])
  })

  it('single points are kept once, too', async () => {
    for (const kind of ['database', 'files'] as const)
      for (const value of [1, Number.NaN]) {
        const { store, transport } = made(kind)
        store.next('logMetric', 'answer lost', 'answer lost')
        await transport.call('logMetric', { run_id: 'r', key: 'm', value, timestamp: 5, step: 1 })
        expect(store.rows).toHaveLength(1)
      }
  })
})

describe('what would be made twice', () => {
  it.each(['not sent', 'lost', 'answer lost', 'throttled'] as const)('is one run after: %s', async (mishap) => {
    const { store, transport } = made()
    await transport.call('createRun', { experiment_id: '1' })
    store.next('createRun', mishap, mishap)
    const { run } = await transport.call('createRun', { experiment_id: '1', tags: [{ key: 'a', value: 'b' }] })
    expect(store.runs).toHaveLength(2)
    expect(run.info.run_id).toBe('r1')
    expect(run.data.tags).toContainEqual({ key: 'cairn.op_id', value: 'op-2' })
  })

  it('is one version after a lost answer', async () => {
    const { store, transport } = made()
    store.next('createModelVersion', 'answer lost')
    const { model_version } = await transport.call('createModelVersion', { name: 'm', source: 's' })
    expect(store.versions).toHaveLength(1)
    expect(model_version.version).toBe('1')
  })

  it('keeps the operation id that the caller gave', async () => {
    const { store, transport } = made()
    const tags = [{ key: 'cairn.op_id', value: 'mine' }]
    await transport.call('createRun', { experiment_id: '1', tags })
    expect(store.calls[0]?.input).toEqual({ experiment_id: '1', tags })
  })
})

describe('a refusal', () => {
  it('that only says the first try counted is a success', async () => {
    const { store, transport } = made()
    store.next('createExperiment', 'answer lost')
    expect(await transport.call('createExperiment', { name: 'e' })).toEqual({ experiment_id: 'id of e' })
    await transport.call('setTag', { run_id: 'r', key: 't', value: '1' })
    store.next('deleteTag', 'answer lost')
    expect(await transport.call('deleteTag', { run_id: 'r', key: 't' })).toEqual({})
  })

  it('of something in front of the server, which knows no such address, says nothing of what was removed', async () => {
    const no = new NotFoundError('default backend - 404', { status: 404, code: 'ENDPOINT_NOT_FOUND' })
    for (const [refusal, answer] of [
      [no, undefined],
      [new NotFoundError('No model m', { status: 404 }), {}],
    ] as const)
      expect(
        await explained('deleteRegisteredModel', { name: 'm' }, refusal, {
          transport: scriptedStore('files').transport,
          options: {},
        }),
      ).toEqual(answer)
  })

  it('without an ambiguous try before it is a refusal', async () => {
    const { store, transport } = made()
    await transport.call('createExperiment', { name: 'e' })
    store.next('createExperiment', 'not sent')
    await expect(transport.call('createExperiment', { name: 'e' })).rejects.toThrow('e')
    await expect(transport.call('deleteTag', { run_id: 'r', key: 't' })).rejects.toBeInstanceOf(NotFoundError)
  })

  it('ends the tries at once', async () => {
    const { store, transport, clock } = made()
    store.next('logBatch', 'refused')
    await expect(transport.call('logBatch', { run_id: 'r' })).rejects.toBeInstanceOf(InvalidParameterError)
    expect(clock.sleeps).toEqual([])
  })
})

describe('a server that stumbles at each try', () => {
  const stumble = errorFromCode('INTERNAL_ERROR', 'Internal Server Error', { status: 500 })

  /** One that answers as it is told, and what it was asked. */
  function answering(answers: { readonly [operation: string]: (input: never, time: number) => unknown }) {
    const asked: string[] = []
    const call = async (operation: string, input: never) => {
      asked.push(operation)
      return answers[operation]?.(input, asked.filter((one) => one === operation).length)
    }
    const inner = { call, close: async () => {} } as unknown as Transport
    return { asked, transport: withRetry(inner, { clock: fakeClock() }) }
  }
  const fails = () => {
    throw stumble
  }

  it.each([
    ['deleteTag', { run_id: 'r', key: 'a' }, 'getRun', { run: { data: { tags: [{ key: 'a/b', value: '1' }] } } }],
    ['deleteRegisteredModelTag', { name: 'm', key: 'a' }, 'getRegisteredModel', { registered_model: { tags: [] } }],
    [
      'deleteModelVersionTag',
      { name: 'm', version: '1', key: 'a' },
      'getModelVersion',
      { model_version: { tags: [] } },
    ],
  ] as const)('over a tag that is not there has nothing to remove: %s', async (operation, input, look, found) => {
    const { asked, transport } = answering({ [operation]: fails, [look]: () => found })
    expect(await transport.call(operation as 'deleteTag', input as never)).toEqual({})
    expect(asked).toEqual([operation, look])
  })

  it('has renamed a registered model only where the old name is gone', async () => {
    const rename = (there: readonly string[], made = (_: string) => 1) =>
      answering({
        renameRegisteredModel(_, time) {
          if (time === 1) throw stumble
          throw new AlreadyExistsError('new is taken', { status: 400 })
        },
        getRegisteredModel({ name }: { name: string }) {
          if (!there.includes(name)) throw new NotFoundError(name, { status: 404 })
          return { registered_model: { name, creation_timestamp: made(name) } }
        },
      }).transport.call('renameRegisteredModel', { name: 'old', new_name: 'new' })
    expect(await rename(['new'])).toMatchObject({ registered_model: { name: 'new' } })
    await expect(rename(['old', 'new'])).rejects.toMatchObject({
      constructor: stumble.constructor,
      status: 500,
      retryable: false,
      cause: stumble,
      message: expect.stringMatching(/^Internal Server Error\. .*both "old" and "new" exist now/),
    })
    // Another model, which had the name before.
    await expect(rename(['old', 'new'], (name) => name.length + Number(name === 'old'))).rejects.toThrow(
      AlreadyExistsError,
    )
  })

  it('over the state of a thing, as a rename of a deleted experiment, refuses it', async () => {
    const error = errorFromCode('INVALID_STATE', 'Cannot rename a non-active experiment.', { status: 500 })
    const { asked, transport } = answering({
      updateExperiment() {
        throw error
      },
    })
    await expect(transport.call('updateExperiment', { experiment_id: '1', new_name: 'n' })).rejects.toBe(error)
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(asked).toHaveLength(1)
  })

  it('over the rename of a deleted experiment, without a word of that, is asked for it', async () => {
    const rename = (lifecycle_stage: string) =>
      answering({
        updateExperiment(_, time) {
          if (time === 1 || lifecycle_stage === 'deleted') throw stumble
          return {}
        },
        getExperiment: () => ({ experiment: { experiment_id: '1', lifecycle_stage } }),
      })
    const [deleted, active] = [rename('deleted'), rename('active')]
    const input = { experiment_id: '1', new_name: 'n' }
    await expect(deleted.transport.call('updateExperiment', input)).rejects.toThrow(
      new InvalidParameterError("The experiment 1 is deleted; bring it back with restoreExperiment('1') to rename it"),
    )
    expect(deleted.asked).toEqual(['updateExperiment', 'getExperiment'])
    expect(await active.transport.call('updateExperiment', input)).toEqual({})
  })
})

it('a call that is not through after seconds is told once, and that it is over; a quick one never', async () => {
  const { store, transport, clock, long, over } = made()
  const tag = { run_id: 'r', key: 'a', value: '1' }
  store.next('setTag', 'not sent', 'not sent')
  await transport.call('setTag', tag)
  expect(long).toEqual([])
  for (const nth of [1, 2]) {
    store.next('setTag', 'not sent', 'not sent', 'not sent', 'not sent')
    await transport.call('setTag', tag)
    expect(over).toHaveLength(nth)
  }
  expect(clock.sleeps).toHaveLength(10)
  expect(long).toMatchObject([{ operation: 'setTag' }, { operation: 'setTag' }])
})

describe('a server that asks to wait', () => {
  it('is waited for as long as it asks', async () => {
    const { store, transport, clock } = made()
    store.next('setTag', 'throttled')
    await transport.call('setTag', { run_id: 'r', key: 'a', value: '1' })
    expect(clock.sleeps).toEqual([7_500])
  })

  it('is not asked by another call meanwhile', async () => {
    const store = scriptedStore('database')
    let now = 0
    const waits: (() => void)[] = []
    const clock = {
      now: () => now,
      random: () => 0,
      sleep: () => new Promise<void>((resolve) => void waits.push(resolve)),
    }
    const transport = withRetry(store.transport, { clock })
    store.next('setTag', 'throttled')
    const first = transport.call('setTag', { run_id: 'r', key: 'a', value: '1' })
    await vi.waitFor(() => expect(waits).toHaveLength(1))
    const second = transport.call('setTag', { run_id: 'r', key: 'b', value: '2' })
    await vi.waitFor(() => expect(waits).toHaveLength(2))
    expect(store.calls).toHaveLength(1)
    now = 7_000
    for (const over of waits) over()
    await Promise.all([first, second])
    expect(store.calls).toHaveLength(3)
  })
})

it('every operation of the table says what a second time does', () => {
  expect(Object.keys(repeats).sort()).toEqual(Object.keys(protocol).sort())
  for (const [operation, { method }] of Object.entries(protocol))
    if (method === 'GET') expect(repeats[operation as keyof typeof repeats], operation).toBe('reads')
})

it('a call that is aborted rejects with the reason', async () => {
  const { transport } = made()
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await expect(transport.call('setTag', { run_id: 'r', key: 'a', value: '1' }, { signal })).rejects.toBe(reason)
})
