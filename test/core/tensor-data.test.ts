import { describe, expect, it } from 'vitest'
import type { TensorData, TensorType } from '../../src/core/tensor.js'
import { dataAs, isNamedTensors, isRows, isTensorLike, tensor, typeOfData } from '../../src/core/tensor-data.js'
import { InvalidParameterError } from '../../src/errors.js'

it('rows, tensors and tensors by name are told apart', () => {
  const flat = { data: Float32Array.of(1), dims: [1], type: 'float32' }
  expect(
    [[{ a: 1 }], [[1]], [1], flat, { x: flat }, { x: [1] }, 5, null, {}, { x: 5 }].map((value) => [
      isRows(value),
      isTensorLike(value),
      isNamedTensors(value),
    ]),
  ).toEqual([
    [true, false, false],
    [false, true, false],
    [false, true, false],
    [false, true, false],
    [false, false, true],
    [false, false, true],
    [false, false, false],
    [false, false, false],
    [false, false, false],
    [false, false, false],
  ])
})

it('objects of another realm or class are no rows', () => {
  expect(isRows([new Date()])).toBe(false)
  expect(isRows([new Map()])).toBe(false)
  expect(isRows([Object.create(null)])).toBe(true)
})

it('data has the type that numpy would give it', () => {
  const cases: [TensorData, TensorType][] = [
    [Float32Array.of(1), 'float32'],
    [BigUint64Array.of(1n), 'uint64'],
    [[1, 2], 'int64'],
    [[1, 0.5], 'float64'],
    [[1n, 2], 'int64'],
    [[true], 'bool'],
    [['a'], 'string'],
  ]
  for (const [data, type] of cases) expect(typeOfData(data)).toBe(type)
  expect(() => typeOfData([1, 'a'])).toThrow(InvalidParameterError)
})

describe('a tensor', () => {
  it('of nested arrays is flattened row by row', () => {
    expect(tensor([[[1, 2]], [[3, 4]]])).toEqual({ data: [1, 2, 3, 4], dims: [2, 1, 2], type: 'int64' })
    expect(tensor([[], []])).toMatchObject({ data: [], dims: [2, 0] })
  })

  it.each([
    [[[1], 2]],
    [[[1], [[2]]]],
    [[1, null]],
    [[1, undefined]],
    [{ data: [1], dims: [-1], type: 'int64' }],
    [{ data: [1], dims: [1], type: 'complex' }],
    [{ data: [1, 2], dims: [1], type: 'int64' }],
  ])('%j is refused', (value) => {
    expect(() => tensor(value as never)).toThrow(InvalidParameterError)
  })
})

it('data is converted when every value fits', () => {
  expect(dataAs([1, 2], 'float32')).toEqual(Float32Array.of(1, 2))
  expect(dataAs(Float64Array.of(1.5), 'float32')).toEqual(Float32Array.of(1.5))
  expect(dataAs([1, 2n], 'int64')).toEqual(BigInt64Array.of(1n, 2n))
  expect(dataAs([true, false], 'bool')).toEqual(Uint8Array.of(1, 0))
  expect(dataAs([1n], 'float64')).toEqual(Float64Array.of(1))
  expect(dataAs(['a'], 'string')).toEqual(['a'])
  const same = Float32Array.of(1)
  expect(dataAs(same, 'float32')).toBe(same)
})

it.each<[TensorData, TensorType]>([
  [[0.5], 'int32'],
  [[300], 'uint8'],
  [[-1], 'uint64'],
  [['1'], 'float32'],
  [[1], 'string'],
  [[2], 'bool'],
  [[Number.NaN], 'int64'],
  [[1], 'float16'],
])('%j does not become %s', (data, type) => {
  expect(() => dataAs(data, type)).toThrow(InvalidParameterError)
})
