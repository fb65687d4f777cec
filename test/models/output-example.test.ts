import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelOutput } from '../../src/core/tensor.js'
import { IntegrityError, InvalidParameterError } from '../../src/errors.js'
import { compareOutputs, readOutput, writeOutput } from '../../src/models/output-example.js'

const float = (...values: number[]) => ({
  data: Float32Array.from(values),
  dims: [values.length],
  type: 'float32' as const,
})
const refuses = (expected: ModelOutput, actual: ModelOutput, message: string, tolerance?: number) => {
  expect(() => compareOutputs(expected, actual, tolerance)).toThrow(IntegrityError)
  expect(() => compareOutputs(expected, actual, tolerance)).toThrow(message)
}

describe('outputs agree', () => {
  it('when they differ by less than the tolerance', () => {
    compareOutputs([{ y: 1 }], [{ y: 1 + 9e-6 }])
    compareOutputs([{ y: 1000 }], [{ y: 1000.009 }])
    compareOutputs(float(1, 2), float(1.000001, 2))
    compareOutputs([{ y: 1 }], [{ y: 1.4 }], 0.5)
  })

  it('when both are NaN, or the same infinity', () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    compareOutputs([{ y: odd }], [{ y: odd }])
    compareOutputs(float(...odd), float(...odd))
  })

  it('when a value near zero is off by the rounding of its neighbours', () => {
    compareOutputs(float(1, 1e-9), float(1, 3e-9))
  })
})

describe('the first value that differs is named', () => {
  it('in rows', () => {
    refuses(
      [{ y: 1, z: [1, 2] }],
      [{ y: 1, z: [1, 2.1] }],
      'output[0].z[1] was 2 and is 2.1, a difference of 0.10000000000000009 (tolerance 0.00001, relative)',
    )
    refuses([{ y: 'a' }], [{ y: 'b' }], 'output[0].y was "a" and is "b"')
    refuses([{ y: 1 }], [{ y: '1' }], 'output[0].y was 1 and is "1"')
    refuses([{ y: 1 }], [{}], 'output[0].y was 1 and is nothing')
    refuses([{ y: 1 }], [{ y: 1 }, { y: 1 }], 'output.length was 1 and is 2')
  })

  it('in tensors, with type and shape', () => {
    refuses(float(1, 2, 3), float(1, 2, 3.1), 'output.data[2] was 3')
    refuses({ a: float(1) }, { a: { ...float(1), dims: [1, 1] } }, 'output.a.dims')
    refuses({ a: float(1) }, { b: float(1) }, 'output.a was')
  })

  it('when one is not a number', () => {
    refuses([{ y: 1 }], [{ y: Number.NaN }], 'is NaN')
    refuses([{ y: Number.POSITIVE_INFINITY }], [{ y: Number.NEGATIVE_INFINITY }], 'was Infinity and is -Infinity')
    refuses([{ y: Number.POSITIVE_INFINITY }], [{ y: 1e308 }], 'was Infinity')
  })

  it('down to the last bit when the tolerance is zero', () => {
    compareOutputs(float(1), float(1), 0)
    refuses([{ y: 1 }], [{ y: 1 + Number.EPSILON }], 'output[0].y', 0)
    for (const tolerance of [-1, Number.NaN])
      expect(() => compareOutputs([], [], tolerance)).toThrow(InvalidParameterError)
  })
})

it('whole numbers of 64 bits are compared exactly', () => {
  const ids = (value: bigint) => ({ data: BigInt64Array.of(value), dims: [1], type: 'int64' as const })
  compareOutputs(readOutput(writeOutput(ids(2n ** 60n)), 'x'), ids(2n ** 60n))
  refuses(ids(2n ** 60n), ids(2n ** 60n + 1n), '1152921504606846977')
})

it('an output kept as text agrees with itself', () => {
  const value = fc.oneof(fc.double(), fc.string(), fc.boolean(), fc.bigInt(), fc.array(fc.double(), { maxLength: 3 }))
  const rows = fc.array(fc.dictionary(fc.string(), value, { maxKeys: 4 }), { maxLength: 4 })
  const tensors = fc.dictionary(
    fc.string(),
    fc.float32Array().map((data) => ({ data, dims: [data.length], type: 'float32' as const })),
    { maxKeys: 3 },
  )
  fc.assert(
    fc.property(fc.oneof<fc.Arbitrary<ModelOutput>[]>(rows, tensors), (output) => {
      compareOutputs(readOutput(writeOutput(output), 'x'), output, 0)
    }),
  )
  expect(() => readOutput('{', 'output.json')).toThrow(IntegrityError)
})
