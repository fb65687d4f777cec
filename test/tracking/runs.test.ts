import { describe, expect, it } from 'vitest'
import { errorFromCode, InvalidParameterError, ParamConflictError } from '../../src/errors.js'
import { experiments } from '../../src/tracking/experiments.js'
import { runs } from '../../src/tracking/runs.js'
import type { Transport } from '../../src/transport/transport.js'

const RUN_ID = 'a'.repeat(32)
const MODEL_ID = `m-${'b'.repeat(32)}`

/** The verbs on a server that answers as it is told, and what it was asked. */
function stand(answer: (operation: string, input: never) => unknown) {
  const asked: { operation: string; input: Record<string, unknown> }[] = []
  const backend = {
    close: async () => {},
    call: async (operation: string, input: never) => {
      asked.push({ operation, input })
      return answer(operation, input)
    },
  } as unknown as Transport
  const transport = async () => backend
  const rules = { truncate: false, warn: () => {} }
  const verbs = runs({ transport, experiments: experiments(transport), defaultExperimentIds: () => [], rules })
  return { verbs, asked }
}

describe('when a run began or ended', () => {
  const info = { run_id: RUN_ID, experiment_id: '0' }
  const run = { info, data: { metrics: [], params: [], tags: [] } }

  it('is cut to whole milliseconds, and may be a Date', async () => {
    const { verbs, asked } = stand((operation) => (operation === 'createRun' ? { run } : { run_info: info }))
    await verbs.createRun('0', { startTime: 1_700_000_000_000.5 })
    await verbs.createRun('0', { startTime: new Date(5) })
    await verbs.updateRun(RUN_ID, { endTime: 7.9 })
    await verbs.setTerminated(RUN_ID, 'FAILED', { endTime: new Date(9) })
    await verbs.updateRun(RUN_ID, { status: 'KILLED' })
    const times = asked.map(({ input }) => input.start_time ?? input.end_time)
    expect(times).toEqual([1_700_000_000_000, 5, 7, 9, undefined])
  })

  it('is refused where it is no time, before anything is sent', async () => {
    const { verbs, asked } = stand(() => ({}))
    for (const wrong of [Number.NaN, Infinity, 1e21, '5', 2n, new Date(Number.NaN)] as number[])
      for (const verb of [
        verbs.createRun('0', { startTime: wrong }),
        verbs.updateRun(RUN_ID, { endTime: wrong }),
        verbs.setTerminated(RUN_ID, 'FINISHED', { endTime: wrong }),
      ])
        await expect(verb).rejects.toThrow(InvalidParameterError)
    expect(asked).toEqual([])
  })
})

describe('params of a logged model that a database refuses', () => {
  function model(before: Record<string, string>) {
    const there = new Map(Object.entries(before))
    const { verbs } = stand((operation, { params = [] }: { params?: { key: string; value: string }[] }) => {
      if (operation === 'getLoggedModel')
        return { model: { data: { params: [...there].map(([key, value]) => ({ key, value })) } } }
      if (params.some(({ key }) => there.has(key)))
        throw errorFromCode('BAD_REQUEST', '(sqlite3.IntegrityError) UNIQUE constraint failed', { status: 400 })
      for (const { key, value } of params) there.set(key, value)
      return {}
    })
    return { verbs, there }
  }

  it('are those that it has already: the others are written', async () => {
    const { verbs, there } = model({ a: '1' })
    await verbs.logLoggedModelParams(MODEL_ID, { a: 1, b: 2 })
    await verbs.logLoggedModelParams(MODEL_ID, { a: 1, b: 2 })
    expect(Object.fromEntries(there)).toEqual({ a: '1', b: '2' })
  })

  it('conflict where the value is another', async () => {
    const { verbs, there } = model({ a: '1' })
    await expect(verbs.logLoggedModelParams(MODEL_ID, { b: 2, a: 3 })).rejects.toThrow(ParamConflictError)
    expect(Object.fromEntries(there)).toEqual({ a: '1' })
  })
})
