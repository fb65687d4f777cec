import { describe, expect, it } from 'vitest'
import { inferSignature } from '../../src/core/infer-signature.js'
import type { ModelInput, Tensor } from '../../src/core/tensor.js'
import { InvalidParameterError, SignatureMismatchError } from '../../src/errors.js'
import { ask, type GraphPort, type Tensors } from '../../src/models/tensors.js'

const port = (name: string, shape?: number[], type: GraphPort['type'] = 'float32'): GraphPort => ({ name, type, shape })

/** What a graph with these inputs is fed, for this input. */
async function fed(
  inputs: GraphPort[],
  input: ModelInput,
  columns?: readonly Record<string, unknown>[],
): Promise<Tensors> {
  let feeds: Tensors = {}
  const run = async (given: Tensors) => {
    feeds = given
    return {}
  }
  await ask({ inputs, schema: columns && inferSignature(columns).inputs, run }, input)
  return feeds
}

const answering = (outputs: Tensors) => ({ inputs: [port('x')], run: async () => outputs })
const tensor = (data: Tensor['data'], dims: number[], type: Tensor['type'] = 'float32'): Tensor => ({
  data,
  dims,
  type,
})

describe('rows become', () => {
  it('one tensor, columns in the order of the signature', async () => {
    const feeds = await fed(
      [port('x', [-1, 2])],
      [
        { b: 2, a: 1 },
        { a: 3, b: 4 },
      ],
      [{ a: 0, b: 0 }],
    )
    expect(feeds).toEqual({ x: tensor(Float32Array.of(1, 2, 3, 4), [2, 2]) })
  })

  it('one tensor for each input that has the name of a column', async () => {
    const feeds = await fed([port('a', [-1, 1]), port('b', [-1]), port('c', [-1, 2])], [{ c: [3, 4], b: 2, a: 1 }])
    expect(feeds).toEqual({
      a: tensor(Float32Array.of(1), [1, 1]),
      b: tensor(Float32Array.of(2), [1]),
      c: tensor(Float32Array.of(3, 4), [1, 2]),
    })
  })

  it('a tensor of more dimensions, from nested arrays or flat data', async () => {
    const image = [
      [1, 2],
      [3, 4],
    ]
    const expected = { image: tensor(Float32Array.of(1, 2, 3, 4), [1, 2, 2]) }
    expect(await fed([port('image', [-1, 2, 2])], [{ image }])).toEqual(expected)
    expect(await fed([port('image', [-1, -1, -1])], [{ image }])).toEqual(expected)
    expect(await fed([port('image', [-1, 2, 2])], [{ image: Float32Array.of(1, 2, 3, 4) }])).toEqual(expected)
  })

  it('NaN where a number is missing, and an error where the type has none', async () => {
    const rows = [{ a: null, b: 1 }]
    expect(await fed([port('x', [-1, 2])], rows, [{ a: 1, b: 1 }])).toEqual({
      x: tensor(Float32Array.of(Number.NaN, 1), [1, 2]),
    })
    await expect(fed([port('x', [-1, 2], 'int64')], rows, [{ a: 1, b: 1 }])).rejects.toThrow(
      'column "a": int64 has no missing value',
    )
  })

  it('an error where names or sizes do not fit', async () => {
    await expect(fed([port('x', [-1, 2])], [{ a: 1, b: 2 }])).rejects.toThrow(SignatureMismatchError)
    await expect(fed([port('x'), port('y')], [{ x: 1, z: 2 }])).rejects.toThrow('no key "y"')
    await expect(fed([port('x', [-1, 3])], [{ a: 1, b: 2 }], [{ a: 1, b: 1 }])).rejects.toThrow('give 2')
    await expect(fed([port('x', [-1, -1])], [{ x: [1] }, { x: [1, 2] }])).rejects.toThrow('Row 1')
    await expect(fed([port('x', [-1, 1])], [{ x: 'text' }])).rejects.toThrow('float32 cannot hold')
  })
})

describe('tensors are fed', () => {
  it('by name, or alone to the only input', async () => {
    const expected = { x: tensor(Float32Array.of(1, 2), [1, 2]) }
    expect(await fed([port('x', [-1, 2])], [[1, 2]])).toEqual(expected)
    expect(await fed([port('x', [-1, 2])], { x: [[1, 2]] })).toEqual(expected)
    expect(await fed([port('x', [-1, 2])], { features: [[1, 2]] })).toEqual(expected)
    await expect(fed([port('x'), port('y')], { x: [1] })).rejects.toThrow('"y" is missing')
    await expect(fed([port('x'), port('y')], [1])).rejects.toThrow('name them')
    await expect(fed([port('x', [-1, 2])], [[1]])).rejects.toThrow('expected shape [-1, 2], got [1, 1]')
  })
})

describe('answers to rows', () => {
  const two = [{ x: 1 }, { x: 2 }]

  it('have a value per row, an array, or nested ones', async () => {
    const outputs = {
      flat: tensor(Float32Array.of(1, 2), [2]),
      column: tensor(BigInt64Array.of(3n, 2n ** 60n), [2, 1], 'int64'),
      wide: tensor(Float32Array.of(1, 2, 3, 4), [2, 2]),
      deep: tensor(Uint8Array.of(1, 0, 0, 1), [2, 1, 2], 'bool'),
    }
    expect(await ask(answering(outputs), two)).toEqual([
      { flat: 1, column: 3, wide: [1, 2], deep: [[true, false]] },
      { flat: 2, column: 2n ** 60n, wide: [3, 4], deep: [[false, true]] },
    ])
  })

  it('that cannot be told apart by row are refused', async () => {
    await expect(ask(answering({ y: tensor(Float32Array.of(1, 2, 3), [3]) }), two)).rejects.toThrow(
      InvalidParameterError,
    )
    expect(await ask(answering({ y: tensor(Float32Array.of(1), []) }), [{ x: 1 }])).toEqual([{ y: 1 }])
  })
})

it('one tensor is answered by one, or by all outputs by name', async () => {
  const y = tensor(Float32Array.of(1), [1])
  expect(await ask(answering({ y }), [1])).toBe(y)
  expect(await ask(answering({ y, z: y }), [1])).toEqual({ y, z: y })
  expect(await ask(answering({ y }), { x: [1] })).toEqual({ y })
})
