import { expect, it } from 'vitest'
import { modelTimes } from '../../src/run/model-times.js'

const at = { keys: ['a'], step: 0, timestamp: 5, ofModel: true }
const plain = { ...at, ofModel: false }

it('a metric of models has one value for each step and millisecond', () => {
  const { timeOf } = modelTimes()
  expect([timeOf(at), timeOf(at), timeOf(at)]).toEqual([5, 6, 7])
  expect(timeOf({ ...at, timestamp: 6 })).toBe(8)
  expect(timeOf({ ...at, timestamp: 20 })).toBe(20)
  expect(timeOf({ ...at, step: 1 })).toBe(5)
  expect(timeOf({ ...at, keys: ['b'] })).toBe(5)
  expect(timeOf({ ...at, step: 1, keys: ['a', 'b', 'c'] })).toBe(6)
  expect(timeOf({ ...at, step: 1, keys: ['c'], timestamp: 6 })).toBe(7)
})

it('what is logged without a model while its metric is ahead of the clock comes after it', () => {
  const { timeOf } = modelTimes()
  expect(timeOf(plain)).toBe(5)
  for (let i = 0; i < 10; i++) timeOf(at)
  expect([timeOf(plain), timeOf(plain), timeOf(at)]).toEqual([15, 16, 17])
  expect([timeOf({ ...plain, step: 1 }), timeOf({ ...plain, keys: ['b'] })]).toEqual([5, 5])
  expect([timeOf({ ...plain, keys: ['a', 'b'] }), timeOf({ ...plain, keys: ['b'] })]).toEqual([18, 19])
  expect([timeOf({ ...plain, timestamp: 30 }), timeOf({ ...plain, timestamp: 31 })]).toEqual([30, 31])
})

it('no metric is more than ten seconds ahead of the clock, nor earlier than before', () => {
  const { timeOf } = modelTimes()
  for (let i = 0; i < 20_000; i++) timeOf(at)
  expect([timeOf(at), timeOf(plain), timeOf({ ...plain, timestamp: 6 })]).toEqual([10_005, 10_005, 10_006])
})
