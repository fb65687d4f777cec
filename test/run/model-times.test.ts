import { expect, it } from 'vitest'
import { modelTimes } from '../../src/run/model-times.js'

const at = { modelId: 'm-1', keys: ['a'], step: 0, timestamp: 5 }

it('a metric of a model has one value for each step and millisecond', () => {
  const timeOf = modelTimes()
  expect([timeOf(at), timeOf(at), timeOf(at)]).toEqual([5, 6, 7])
  expect(timeOf({ ...at, timestamp: 6 })).toBe(8)
  expect(timeOf({ ...at, timestamp: 20 })).toBe(20)
  expect(timeOf({ ...at, step: 1 })).toBe(5)
  expect([timeOf({ ...at, modelId: 'm-2' }), timeOf({ ...at, keys: ['b'] })]).toEqual([5, 5])
  expect(timeOf({ ...at, keys: ['a', 'b', 'c'] })).toBe(6)
  expect(timeOf({ ...at, keys: ['c'], timestamp: 6 })).toBe(7)
})
