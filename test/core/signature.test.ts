import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inferSignature } from '../../src/core/infer-signature.js'
import { parsePythonJson, writePythonJson } from '../../src/core/python-json.js'
import type { Column, ColumnType, Param } from '../../src/core/schema.js'
import { parseSignature, signature } from '../../src/core/signature.js'
import { IntegrityError, InvalidParameterError } from '../../src/errors.js'

const columns = (rows: readonly Record<string, unknown>[]) => {
  const { inputs } = inferSignature(rows)
  return inputs?.kind === 'columns' ? inputs.columns : []
}

describe('inferSignature', () => {
  it.each<[string, unknown[], object]>([
    ['whole numbers', [1, 2], { type: 'long', required: true }],
    ['numbers', [1, 0.5], { type: 'double', required: true }],
    ['NaN', [Number.NaN], { type: 'double', required: true }],
    ['whole numbers too large to be exact', [1e300], { type: 'double', required: true }],
    ['bigints', [1n], { type: 'long', required: true }],
    ['texts', ['a'], { type: 'string', required: true }],
    ['booleans', [true], { type: 'boolean', required: true }],
    ['dates', [new Date(0)], { type: 'datetime', required: true }],
    ['bytes', [Uint8Array.of(1)], { type: 'binary', required: true }],
    ['a missing value', [1, null], { type: 'long', required: false }],
    ['nothing but missing values', [null, undefined], { type: 'any', required: false }],
    ['arrays', [[1], [0.5, 2]], { type: 'array', items: { type: 'double' }, required: true }],
    ['an empty array', [[]], { type: 'array', items: { type: 'any' }, required: true }],
    ['typed arrays', [Float32Array.of(1)], { type: 'array', items: { type: 'float' }, required: true }],
    [
      'nested arrays',
      [[['a']]],
      { type: 'array', items: { type: 'array', items: { type: 'string' } }, required: true },
    ],
    [
      'objects of which some lack a key',
      [{ a: 1, b: 'x' }, { a: 2 }],
      {
        type: 'object',
        required: true,
        properties: { a: { type: 'long', required: true }, b: { type: 'string', required: false } },
      },
    ],
  ])('reads %s', (_, values, expected) => {
    expect(columns(values.map((x) => ({ x })))).toEqual([{ name: 'x', ...expected }])
  })

  it('a key that some row lacks is optional, and columns keep the order they came in', () => {
    expect(
      columns([
        { b: 1, a: 'x' },
        { b: 2, c: true },
      ]),
    ).toEqual([
      { name: 'b', type: 'long', required: true },
      { name: 'a', type: 'string', required: false },
      { name: 'c', type: 'boolean', required: false },
    ])
  })

  it('a column of two types is refused by name', () => {
    expect(() => columns([{ age: 1 }, { age: 'x' }])).toThrow(/"age" holds both long and string/)
    expect(() => columns([{ age: [1, 'x'] }])).toThrow(InvalidParameterError)
    expect(() => columns([{ f: () => 1 }])).toThrow(InvalidParameterError)
    expect(() => inferSignature([])).toThrow(InvalidParameterError)
    expect(() => inferSignature('x' as never)).toThrow(InvalidParameterError)
  })

  it('a row that contains itself is refused', () => {
    const row: Record<string, unknown> = {}
    row.self = row
    expect(() => columns([row])).toThrow(InvalidParameterError)
  })

  it('tensors give dtype and shape, the first dimension free', () => {
    expect(inferSignature([[0.5, 2]]).inputs).toEqual({
      kind: 'tensors',
      tensors: [{ dtype: 'float64', shape: [-1, 2] }],
    })
    const named = {
      ids: [[1, 2]],
      words: ['a', 'b'],
      image: { data: new Uint8Array(12), dims: [1, 2, 2, 3], type: 'uint8' as const },
    }
    expect(inferSignature(named).inputs).toEqual({
      kind: 'tensors',
      tensors: [
        { name: 'ids', dtype: 'int64', shape: [-1, 2] },
        { name: 'words', dtype: 'str', shape: [-1] },
        { name: 'image', dtype: 'uint8', shape: [-1, 2, 2, 3] },
      ],
    })
    expect(() => inferSignature([[1], [1, 2]])).toThrow(InvalidParameterError)
  })

  it('parameters have types and defaults', () => {
    const { params } = inferSignature(undefined, undefined, { t: 0.5, n: 3, stop: ['a'], deep: { k: true } })
    expect(params).toEqual([
      { name: 't', type: 'double', default: 0.5, shape: null },
      { name: 'n', type: 'long', default: 3, shape: null },
      { name: 'stop', type: 'string', default: ['a'], shape: [-1] },
      {
        name: 'deep',
        type: 'object',
        default: { k: true },
        shape: null,
        properties: { k: { type: 'boolean', required: true } },
      },
    ])
  })
})

describe('the text of a signature', () => {
  it('is what Python writes', () => {
    const given = inferSignature([{ a: 0.5, b: [{ z: 'x', y: 1 }] }], [['x']], { t: 1.5 })
    expect(given.toJSON()).toEqual({
      inputs:
        '[{"type":"double","name":"a","required":true},{"type":"array","items":{"type":"object","properties":{"y":{"type":"long","required":true},"z":{"type":"string","required":true}}},"name":"b","required":true}]',
      outputs: '[{"type":"tensor","tensor-spec":{"dtype":"str","shape":[-1,1]}}]',
      params: '[{"name":"t","type":"double","default":1.5,"shape":null}]',
    })
  })

  it('of maps, unnamed columns and any is read', () => {
    const { inputs } = parseSignature({ inputs: '[{"type": "map", "values": {"type": "any"}, "required": false}]' })
    expect(inputs).toEqual({ kind: 'columns', columns: [{ type: 'map', values: { type: 'any' }, required: false }] })
  })

  it.each([
    '{}',
    '[5]',
    '[{"type":"object"}]',
    '[{"type":"array"}]',
    '[{"type":"tensor"}]',
    '[{"type":"tensor","tensor-spec":{"dtype":"x","shape":[-2]}}]',
  ])('%s is refused', (inputs) => {
    expect(() => parseSignature({ inputs })).toThrow(IntegrityError)
  })

  it('survives write and read, whatever the types', () => {
    const key = fc.string().filter((name) => name !== '__proto__')
    const { type } = fc.letrec<{ type: ColumnType }>((tie) => ({
      type: fc.oneof(
        { maxDepth: 3 },
        fc.record({
          type: fc.constantFrom('boolean', 'integer', 'long', 'float', 'double', 'string', 'binary', 'datetime', 'any'),
        }),
        fc.record({ type: fc.constant('array'), items: tie('type') }),
        fc.record({ type: fc.constant('map'), values: tie('type') }),
        fc.record({
          type: fc.constant('object'),
          properties: fc.dictionary(
            key,
            fc.tuple(tie('type'), fc.boolean()).map(([inner, required]) => ({ ...(inner as ColumnType), required })),
            { maxKeys: 3 },
          ),
        }),
      ) as fc.Arbitrary<ColumnType>,
    }))
    const column = fc
      .tuple(type, key, fc.boolean())
      .map(([inner, name, required]): Column => ({ ...inner, name, required }))
    const tensor = fc.record({
      name: key,
      dtype: fc.constantFrom('float32', 'str', 'bool'),
      shape: fc.array(fc.integer({ min: -1, max: 9 })),
    })
    const schema = fc.oneof(
      fc.array(column).map((all) => ({ kind: 'columns' as const, columns: all })),
      fc.array(tensor, { minLength: 1 }).map((tensors) => ({ kind: 'tensors' as const, tensors })),
    )
    const param: fc.Arbitrary<Param> = fc.record({
      name: key,
      type: fc.constant('double' as const),
      default: fc.double(),
      shape: fc.constant(null),
    })
    fc.assert(
      fc.property(schema, schema, fc.array(param, { minLength: 1, maxLength: 3 }), (inputs, outputs, params) => {
        const read = parseSignature({ ...signature({ inputs, outputs, params }).toJSON() })
        expect({ inputs: read.inputs, outputs: read.outputs }).toEqual({ inputs, outputs })
        expect(read.params?.map(({ default: value }) => (Object.is(value, -0) ? 0 : value))).toEqual(
          params.map(({ default: value }) => (Object.is(value, -0) ? 0 : value)),
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe('the JSON of Python', () => {
  it('has NaN and infinities bare, and texts that look like them', () => {
    const value = { a: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], b: 'NaN "Infinity\\', c: 1 }
    const text = writePythonJson(value)
    expect(text).toBe('{"a":[NaN,Infinity,-Infinity],"b":"NaN \\"Infinity\\\\","c":1}')
    expect(parsePythonJson(text)).toEqual(value)
    expect(writePythonJson({ big: 2n ** 60n })).toBe('{"big":1152921504606846976}')
  })

  it('that does not end is refused soon', () => {
    expect(() => parsePythonJson(`NaN "${'\\"'.repeat(500_000)}`)).toThrow(SyntaxError)
  })
})

describe('the zod schema of a row', () => {
  it('takes good rows, drops extras, and refuses the rest', async () => {
    const rows = [
      { age: 41, score: 0.5, plan: 'pro', at: new Date(0), tags: ['a'], note: null },
      { age: 42, score: 1, plan: 'free', at: new Date(0), tags: [], note: 'x' },
    ]
    const schema = await inferSignature(rows).zod()
    const [row] = rows
    expect(schema.parse({ ...row, extra: 1 })).toEqual(row)
    expect(schema.safeParse({ ...row, score: Number.NaN, age: 2n ** 60n, note: undefined }).success).toBe(true)
    expect(schema.safeParse({ ...row, score: Number.NEGATIVE_INFINITY }).success).toBe(true)
    for (const wrong of [
      { ...row, age: 1.5 },
      { ...row, age: '41' },
      { ...row, plan: undefined },
      { ...row, tags: [1] },
      null,
    ])
      expect(schema.safeParse(wrong).success).toBe(false)
  })

  it('of tensors has an array per input', async () => {
    const schema = await inferSignature({ x: [[0.5, 2]] }).zod()
    expect(schema.safeParse({ x: [1, 2] }).success).toBe(true)
    expect(schema.safeParse({ x: [1] }).success).toBe(false)
  })

  it('of a signature without inputs does not exist', async () => {
    await expect(signature({}).zod()).rejects.toThrow(InvalidParameterError)
  })
})
