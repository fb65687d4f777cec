import fc from 'fast-check'
import { expect, it } from 'vitest'
import { metricRing } from '../../src/core/ring.js'

const point = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.double(),
  step: fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 62n })),
  timestamp: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 62n })),
  extras: fc.option(fc.record({ modelId: fc.constant('m-1') }), { nil: undefined }),
})

it('gives back every point as it went in, in order, over any takes and growths', () => {
  const act = fc.oneof(
    point,
    fc.nat({ max: 4 }).map((take) => ({ take })),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
      const ring = metricRing(4)
      const put: unknown[] = []
      const taken: unknown[] = []
      for (const one of acts) {
        if ('take' in one) taken.push(...ring.take(one.take))
        else {
          if (ring.size === ring.capacity) ring.grow(ring.capacity * 2)
          const { key, value, step, timestamp, extras } = one
          ring.put(ring.keyIndex(key) < 0 ? ring.addKey(key) : ring.keyIndex(key), value, step, timestamp, extras)
          put.push({ key, value, step, timestamp, ...(extras && { model_id: 'm-1' }) })
        }
      }
      taken.push(...ring.take(ring.size))
      expect(taken).toEqual(put)
      expect(ring.size).toBe(0)
    }),
  )
})

it('keeps the odd numbers bit for bit', () => {
  const ring = metricRing(8)
  const odd = [Number.NaN, -0, 1e-308, 5e-324, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of odd) ring.put(ring.keyIndex('x') < 0 ? ring.addKey('x') : 0, value, 0, 1)
  expect(ring.take(8).map(({ value }) => value)).toEqual(odd)
})
