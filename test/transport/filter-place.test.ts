import { expect, it } from 'vitest'
import { errorFromCode, InvalidParameterError, UnavailableError } from '../../src/errors.js'
import { withFilterPlace } from '../../src/transport/filter-place.js'
import { withRetry } from '../../src/transport/retry.js'
import type { Transport } from '../../src/transport/transport.js'
import { fakeClock } from '../support/fake-clock.js'

const failing = (error: Error): Transport =>
  withFilterPlace({ call: () => Promise.reject(error), close: async () => {} })

const search = (transport: Transport, filter: string) =>
  transport.call('searchRuns', { experiment_ids: ['0'], filter }).catch((error: unknown) => error)

const refusal = new InvalidParameterError('Invalid clause(s) in filter string', {
  status: 400,
  requestId: 'abc',
  url: 'http://127.0.0.1/x',
})

it('a filter that the server refuses is shown where it broke, with what the server said', async () => {
  const error = await search(failing(refusal), 'metrics.auc >> 0.8')
  expect(error).toBeInstanceOf(InvalidParameterError)
  expect(error).toMatchObject({ status: 400, requestId: 'abc', url: 'http://127.0.0.1/x', cause: refusal })
  expect((error as Error).message).toContain('metrics.auc >> 0.8\n')
  expect((error as Error).message).toMatch(/^ +\^$/m)
  expect((error as Error).message).toContain('The server says: Invalid clause(s) in filter string')
})

it('where our grammar sees nothing wrong, the words of the server stand', async () => {
  expect(await search(failing(refusal), 'metrics.auc > 0.8')).toBe(refusal)
  expect(
    await failing(refusal)
      .call('getRun', { run_id: 'a' })
      .catch((error: unknown) => error),
  ).toBe(refusal)
})

it('another failure is not about the filter', async () => {
  const away = new UnavailableError('away')
  expect(await search(failing(away), 'metrics.auc >> 0.8')).toBe(away)
})

it('a stumble that passes refuses no search, which the server may know better than we do', async () => {
  const stumble = errorFromCode('INTERNAL_ERROR', 'upstream connect error', { status: 500 })
  let tries = 0
  const call = async (..._: unknown[]) => {
    if (++tries === 1) throw stumble
    return { models: [] } as never
  }
  const transport = withFilterPlace({ call, close: async () => {} })
  const input = { experiment_ids: ['0'], filter: "experiment_id = '1'" }
  expect(await transport.call('searchLoggedModels', input)).toEqual({ models: [] })
})

it('what makes the server stumble is refused after one try, where our grammar does not know it', async () => {
  const stumble = errorFromCode('INTERNAL_ERROR', "type object 'SqlLoggedModel' has no attribute 'foo'", {
    status: 500,
  })
  let tries = 0
  const call = async () => {
    tries++
    throw stumble
  }
  const transport = withRetry(withFilterPlace({ call, close: async () => {} }), { clock: fakeClock() })
  for (const asked of [
    transport.call('searchLoggedModels', { experiment_ids: ['0'], filter: "foo = 'x'" }),
    transport.call('searchLoggedModels', { experiment_ids: ['0'], order_by: [{ field_name: 'foo' }] }),
    transport.call('searchRuns', { experiment_ids: ['0'], order_by: ['foo'] }),
    // A database takes no key twice, where a file store does.
    transport.call('searchRuns', { experiment_ids: ['0'], order_by: ['created', 'metrics.a', 'start_time DESC'] }),
  ])
    await expect(asked).rejects.toMatchObject({
      constructor: InvalidParameterError,
      code: 'INVALID_PARAMETER_VALUE',
      status: 500,
      retryable: false,
      message: expect.stringContaining("The server says: type object 'SqlLoggedModel'"),
    })
  // Each once more: what is refused here may be known there, and the stumble have passed.
  expect(tries).toBe(8)
  await expect(transport.call('searchRuns', { experiment_ids: ['0'], filter: "tags.a = '1'" })).rejects.toBe(stumble)
  expect(tries).toBe(16)
})
