import fc from 'fast-check'
import { expect, it } from 'vitest'
import { batchJson, parseAnswer, parseJson, toJson } from '../../src/transport/json.js'

it('whole numbers past 2^53 keep their digits', () => {
  expect(parseJson('{"step":9007199254740993,"a":[-9223372036854775808, 12],"b":9007199254740991}')).toEqual({
    step: '9007199254740993',
    a: ['-9223372036854775808', 12],
    b: 9007199254740991,
  })
})

it('digits inside text and inside doubles stay what they are', () => {
  const text =
    '{"s":"x, 90071992547409931234, y \\" 90071992547409931234,","d":0.12345678901234567,"e":12345678901234567e3}'
  expect(parseJson(text)).toEqual(JSON.parse(text))
})

it('bare NaN and Infinity are read as words, but not inside text', () => {
  expect(parseJson('{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN: Infinity"}')).toEqual({
    a: 'NaN',
    b: ['-Infinity', 'Infinity'],
    c: 'NaN: Infinity',
  })
})

it('a member of an answer that is null is absent, whatever stands in texts and lists', () => {
  expect(
    parseAnswer('{"a" : null,"b":[{"c":\nnull},null],"d":"{\\"e\\":null}","f":12345678901234567890}'),
  ).toStrictEqual({
    b: [{}, null],
    d: '{"e":null}',
    f: '12345678901234567890',
  })
  expect(parseAnswer('null')).toBe(null)
})

it('what is no JSON is a SyntaxError', () => {
  for (const text of ['', '<html>', '{"a":NaNa}', '{"a":', '[1234567890123456789,'])
    expect(() => parseJson(text), text).toThrow(SyntaxError)
})

it('any JSON is read as JSON.parse reads it, large whole numbers apart', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const large = (_: string, value: unknown) =>
        Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value as number) < 1e21
          ? String(value)
          : value
      expect(parseJson(text)).toEqual(JSON.parse(text, large))
    }),
  )
})

it('what JSON lacks is written as MLflow reads it', () => {
  const metrics = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0.1].map((value) => ({
    value,
    step: -0,
  }))
  expect(toJson({ metrics, step: 2n ** 60n, left: undefined })).toBe(
    '{"metrics":[{"value":"NaN","step":0},{"value":"Infinity","step":0},{"value":"-Infinity","step":0},{"value":"-0.0","step":0},{"value":0.1,"step":0}],"step":"1152921504606846976"}',
  )
})

it('a name like __proto__ stays data', () => {
  const read = parseJson('{"__proto__":{"x":1}}') as object
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
  expect(toJson({ a: [{ value: Number.NaN }, read] })).toContain('"__proto__":{"x":1}')
})

it('what nests deeper than MLflow ever does is no JSON of its, and what stands in texts does not count', () => {
  const deep = '['.repeat(5_000) + ']'.repeat(5_000)
  expect(() => parseJson(deep)).toThrow(SyntaxError)
  expect(() => parseJson(`${' '.repeat(5_000)}${'{"a":'.repeat(1_001)}`)).toThrow('too deep')
  const text = JSON.stringify({ a: deep, b: '\\"['.repeat(2_000), c: [[1], [2]] })
  expect(parseJson(text)).toEqual(JSON.parse(text))
  expect(parseJson('[[[[]]]]'.padEnd(5_000))).toEqual([[[[]]]])
})

it('a text that never ends is read once, not once for each of its quotes', () => {
  expect(() => parseJson(`[NaN,"${'\\"'.repeat(2e6)}`)).toThrow(SyntaxError)
  expect(() => parseJson(`[NaN,"${'\\\\"'.repeat(1e5)}`)).toThrow(SyntaxError)
})

it('a batch is written as any other value is', () => {
  const point = fc.record(
    {
      key: fc.string(),
      value: fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -0, 0, Number.NEGATIVE_INFINITY)),
      timestamp: fc.maxSafeNat(),
      step: fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 62n })),
      model_id: fc.string(),
      dataset_name: fc.string(),
      dataset_digest: fc.string(),
    },
    { requiredKeys: ['key', 'value', 'timestamp', 'step'] },
  )
  const batch = fc.record(
    {
      run_id: fc.string(),
      metrics: fc.array(point),
      params: fc.array(fc.record({ key: fc.string(), value: fc.string() })),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(batch, (value) => {
      expect(batchJson(value)).toBe(toJson(value))
    }),
  )
})

it('half an emoji is written as U+FFFD, and all else of the text as it is', () => {
  const half = '😀'.slice(0, 1)
  const value = { a: `x${half}`, b: '\\ud83d \\\\ud83d\n"😀"', c: [half + half, '\udc00'], after: 1 }
  expect(JSON.parse(toJson(value))).toEqual({ a: 'x\ufffd', b: value.b, c: ['\ufffd\ufffd', '\ufffd'], after: 1 })
  const batch = { metrics: [{ value: 1, timestamp: 1, step: 1 }], tags: [{ key: 't', value: `${half}"` }] }
  expect(JSON.parse(batchJson(batch))).toEqual({ ...batch, tags: [{ key: 't', value: '\ufffd"' }] })
})

it('any text is written well-formed, and otherwise as JSON.stringify writes it', () => {
  const unit = fc.oneof(fc.constantFrom('\\', 'u', 'd', 'ud83d', '"', '\ud83d', '\ude00'), fc.string())
  fc.assert(
    fc.property(fc.array(unit), (parts) => {
      const text = parts.join('')
      expect(toJson({ text })).toBe(JSON.stringify({ text: text.toWellFormed() }))
    }),
  )
})
