import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readYamlText } from '../../../src/core/yaml.js'
import { IntegrityError } from '../../../src/errors.js'
import {
  changeMeta,
  formatFloat,
  isLater,
  metricLine,
  modelMetricLine,
  parseFloatText,
  parseMetricLine,
  readMeta,
  writeMeta,
} from '../../../src/transport/file/codec.js'

describe('floats', () => {
  it.each([
    [1, '1.0'],
    [0.1, '0.1'],
    [-0, '-0.0'],
    [0, '0.0'],
    [1e-7, '1e-07'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1.5e-10, '1.5e-10'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [1e22, '1e+22'],
    [123456789012345680, '1.2345678901234568e+17'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [NaN, 'nan'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [-2.5, '-2.5'],
  ])('%d is written as Python does: %s', (value, text) => {
    expect(formatFloat(value)).toBe(text)
    expect(parseFloatText(text)).toBe(value)
  })
  it.each(['NaN', 'Infinity', '-Infinity', '1', '1e-7', '+3', '.5', '5.'])('%s is read', (text) => {
    expect(parseFloatText(text)).toBe(Number(text))
  })
  it.each(['', 'x', '0x10', '1e', '--1', '1_0', 'null', ' 1'])('%j is none', (text) => {
    expect(parseFloatText(text)).toBeUndefined()
  })
})

describe('metric lines', () => {
  it('survive write and read', () => {
    const step = fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }))
    fc.assert(
      fc.property(
        fc.oneof(fc.nat({ max: 2 ** 45 }), fc.bigInt({ min: 2n ** 53n, max: 2n ** 62n })),
        fc.double(),
        step,
        (timestamp, value, at) => {
          const line = metricLine(timestamp, value, at)
          expect(line.endsWith('\n')).toBe(true)
          expect(parseMetricLine(line.slice(0, -1))).toEqual({ timestamp, value, step: at })
        },
      ),
    )
  })
  it('never make the reader throw', () => {
    fc.assert(fc.property(fc.string(), (line) => void parseMetricLine(line)))
  })
  it('of two, three and five fields are read, the step of five too', () => {
    expect(parseMetricLine('5 0.5')).toEqual({ timestamp: 5, value: 0.5, step: 0 })
    expect(parseMetricLine('5 0.5 3 ds d0ca\r')).toMatchObject({ step: 3, datasetName: 'ds', datasetDigest: 'd0ca' })
  })
  it('of a model carry the run, and the dataset unless a blank would break it', () => {
    const run = 'e'.repeat(32)
    const line = modelMetricLine(5, 0.5, 3, run, { name: 'ds', digest: 'd0ca' })
    expect(line).toBe(`5 0.5 3 ${run} ds d0ca\n`)
    expect(parseMetricLine(line)).toMatchObject({ runId: run, datasetName: 'ds', datasetDigest: 'd0ca' })
    expect(modelMetricLine(5, 0.5, 3, run, { name: 'a b', digest: 'd' })).toBe(`5 0.5 3 ${run}\n`)
  })
  it('are later by step, time, value', () => {
    const point = (step: number | bigint, timestamp: number | bigint, value: number) => ({ step, timestamp, value })
    expect(isLater(point(2n ** 60n, 0, 0), point(5, 9, 9))).toBe(true)
    expect(isLater(point(1, 2, 0), point(1, 1, 9))).toBe(true)
    expect(isLater(point(1, 2n ** 60n + 1n, 0), point(1, 2n ** 60n, 9))).toBe(true)
    expect(isLater(point(1, 1, 2), point(1, 1, 1))).toBe(true)
    expect(isLater(point(1, 1, NaN), point(1, 1, 1))).toBe(false)
  })
})

describe('meta.yaml', () => {
  it('survives write and read: texts as texts, null as null, numbers as their digits', () => {
    const value = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant(null), fc.maxSafeInteger())
    const key = fc.stringMatching(/^[a-z][a-z_]{0,12}$/)
    fc.assert(
      fc.property(fc.dictionary(key, value, { minKeys: 1 }), (meta) => {
        const read = readMeta(writeMeta(meta), 'meta.yaml')
        for (const [name, expected] of Object.entries(meta))
          expect(read[name]).toBe(typeof expected === 'number' ? String(expected) : expected)
      }),
    )
  })
  it.each([
    "artifact_uri: file:///a%20b/c\nend_time: null\nrun_id: 123e12\nrun_name: 'it''s'\nstatus: 3\ntags: []\n",
    "name: 'yes'\nnext: ~\nlong: a\n  b\n",
    'a: "x\\ty"\nb: a: b\n',
    'a: - x\n',
    'a: [1, 2]\n',
    'a: x # comment\n',
    'a: |\n  x\n',
    'a: &b x\nc: *b\n',
  ])('is read fast or slowly to the same: %j', (text) => {
    const slow = () => readYamlText(text, 'meta.yaml')
    let expected: unknown
    try {
      expected = slow()
    } catch {
      expect(() => readMeta(text, 'meta.yaml')).toThrow(IntegrityError)
      return
    }
    expect({ ...readMeta(text, 'meta.yaml') }).toEqual(expected)
  })
  it.each(['', '\n', 'text', '- a\n', 'a: [', '\u0000'])(
    'that is no map (%j) is an IntegrityError naming the file',
    (text) => {
      expect(() => readMeta(text, '/x/meta.yaml')).toThrow(IntegrityError)
      expect(() => readMeta(text, '/x/meta.yaml')).toThrow('/x/meta.yaml')
    },
  )
  it('keeps what others wrote when it is changed', () => {
    const before = "deleted_time: null\nstatus: 1\ntrace_location: null\nuser_id: '007'\nworkspace: default\n"
    const after = changeMeta(before, 'meta.yaml', { status: 3, deleted_time: undefined })
    expect(after).toBe("status: 3\ntrace_location: null\nuser_id: '007'\nworkspace: default\n")
  })
})
