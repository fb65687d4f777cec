import { describe, expect, it } from 'vitest'
import { checkInput } from '../../src/core/check-input.js'
import { inferSignature } from '../../src/core/infer-signature.js'
import type { Column } from '../../src/core/schema.js'
import { parseSignature, signature } from '../../src/core/signature.js'
import type { ModelInput } from '../../src/core/tensor.js'
import { SignatureMismatchError } from '../../src/errors.js'

const people = inferSignature([
  { age: 41, score: 0.5, plan: 'pro' },
  { age: 42, score: 1.5, plan: null },
])
const typed = (column: object) =>
  signature({ inputs: { kind: 'columns', columns: [{ name: 'x', required: true, ...column } as Column] } })

const refuses = (given: Parameters<typeof checkInput>[0], input: unknown, message: RegExp | string) => {
  expect(() => checkInput(given, input as ModelInput)).toThrow(SignatureMismatchError)
  expect(() => checkInput(given, input as ModelInput)).toThrow(message)
}

describe('rows', () => {
  it('come back with the columns of the signature, in its order, and null where an optional one is absent', () => {
    const checked = checkInput(people, [{ extra: 1, score: 2, age: 3 }])
    expect(checked).toEqual([{ age: 3, score: 2, plan: null }])
    expect(Object.keys((checked as object[])[0] ?? {})).toEqual(['age', 'score', 'plan'])
    expect(checkInput(people, [])).toEqual([])
  })

  it('are refused by row, column, what was expected and what came', () => {
    refuses(
      people,
      [
        { age: 1, score: 1 },
        { age: 1.5, score: 1 },
      ],
      'Row 1, column "age": expected long (a whole number of 64 bits), got the number 1.5',
    )
    refuses(people, [{ age: '41', score: 1 }], 'got the text "41"')
    refuses(people, [{ score: 1 }], 'Row 0, column "age": it is required')
    refuses(people, [{ age: null, score: 1 }], 'got null')
    refuses(people, [{ age: 1, score: 1, plan: 5 }], 'column "plan": expected string')
    refuses(people, 'text', 'expected rows of age, score, plan')
    refuses(people, null, 'got null')
    refuses(people, [1, 2], 'expected rows of 3 columns')
  })

  it('do not take inherited names for values', () => {
    refuses(typed({ name: 'constructor', type: 'string' }), [{}], 'it is required')
  })

  it.each<[string, object, unknown[], unknown[]]>([
    ['integer', { type: 'integer' }, [1, -(2 ** 31), 5n], [2 ** 31, 1.5, '1', true, Number.NaN]],
    ['long', { type: 'long' }, [1, 2 ** 40, 2n ** 62n], [2 ** 60, 2n ** 63n, 0.5, '1']],
    ['float', { type: 'float' }, [1, 0.1, Number.NaN, Number.POSITIVE_INFINITY], ['1', false]],
    ['double', { type: 'double' }, [1, 0.1, Number.NaN], ['1', null]],
    ['boolean', { type: 'boolean' }, [true], [1, 'true']],
    ['string', { type: 'string' }, ['', 'x'], [1, ['x']]],
    ['binary', { type: 'binary' }, [Buffer.from('x')], ['x', [1]]],
    [
      'datetime',
      { type: 'datetime' },
      [new Date(), '2024-01-01', '2024-01-01T10:00:00.5Z'],
      ['yesterday', 5, new Date('x')],
    ],
    ['array', { type: 'array', items: { type: 'double' } }, [[], [1, 2], Float32Array.of(1)], [1, ['a'], [null]]],
    ['map', { type: 'map', values: { type: 'long' } }, [{}, { a: 1 }], [{ a: 'x' }, [1]]],
    [
      'object',
      { type: 'object', properties: { a: { type: 'long', required: true }, b: { type: 'string', required: false } } },
      [{ a: 1 }, { a: 1, b: 'x', c: 0 }],
      [{ b: 'x' }, { a: 'x' }, 5],
    ],
    ['any', { type: 'any' }, [1, 'x', { a: [] }], []],
  ])('%s holds what it can and nothing wider', (_, column, good, bad) => {
    for (const x of good) expect(() => checkInput(typed(column), [{ x }])).not.toThrow()
    for (const x of bad) expect(() => checkInput(typed(column), [{ x }])).toThrow(SignatureMismatchError)
  })

  it('widen whole numbers', () => {
    expect(checkInput(typed({ type: 'double' }), [{ x: 5n }])).toEqual([{ x: 5 }])
  })

  it('of one column without a name take whatever it is called', () => {
    const lone = parseSignature({ inputs: '[{"type": "string"}]' })
    expect(checkInput(lone, [{ text: 'a' }])).toEqual([{ text: 'a' }])
    expect(checkInput(lone, ['a', 'b'])).toEqual(['a', 'b'])
    refuses(lone, [1], 'expected string')
  })

  it('may also come as a tensor with a value per column', () => {
    const numbers = inferSignature([{ a: 1, b: 0.5 }])
    expect(checkInput(numbers, [[1, 2]])).toEqual([[1, 2]])
    refuses(numbers, [[1, 2, 3]], 'expected rows of 2 columns')
    refuses(numbers, [[0.5, 2]], 'Row 0, column 0: expected long')
  })
})

describe('tensors', () => {
  const one = parseSignature({ inputs: '[{"type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,2]}}]' })
  const two = parseSignature({
    inputs:
      '[{"name":"x","type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,2]}},{"name":"id","type":"tensor","tensor-spec":{"dtype":"int64","shape":[-1]}}]',
  })

  it('of plain numbers get the dtype of the signature', () => {
    expect(checkInput(one, [[1, 2]])).toEqual({ data: Float32Array.of(1, 2), dims: [1, 2], type: 'float32' })
    expect(checkInput(two, { x: [[1, 2]], id: [7], extra: [1] })).toEqual({
      x: { data: Float32Array.of(1, 2), dims: [1, 2], type: 'float32' },
      id: { data: BigInt64Array.of(7n), dims: [1], type: 'int64' },
    })
  })

  it('of another dtype or shape are refused by name', () => {
    refuses(one, { data: Float64Array.of(1, 2), dims: [1, 2], type: 'float64' }, 'expected float32, got float64')
    refuses(one, [[1, 2, 3]], 'expected shape [-1, 2], got [1, 3]')
    refuses(one, [[1, 2], [3]], 'must have one length')
    refuses(one, { data: Float32Array.of(1), dims: [1, 2], type: 'float32' }, 'has 2 elements, but 1 came')
    refuses(two, { x: [[1, 2]] }, 'The input "id" is missing')
    refuses(two, { x: [[1, 2]], id: [0.5] }, 'The input "id": expected int64')
    refuses(two, [[1, 2]], 'expected tensors by name (x, id)')
    refuses(one, 5, 'got the number 5')
  })

  it('may come as rows, one value per input', () => {
    expect(checkInput(two, [{ x: [1, 2], id: 3, extra: 1 }])).toEqual([{ x: [1, 2], id: 3 }])
    refuses(two, [{ x: [1], id: 3 }], 'Row 0, input "x": expected shape [2], got [1]')
    refuses(two, [{ x: [1, 2] }], 'Row 0, input "id": it is required')
    refuses(two, [{ x: 5, id: 1 }], 'expected shape [2]')
  })
})

it('without a schema of inputs everything passes', () => {
  expect(checkInput(undefined, [{ a: 1 }])).toEqual([{ a: 1 }])
  expect(checkInput(signature({}), [[1]])).toEqual([[1]])
})
