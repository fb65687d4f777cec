import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IntegrityError } from '../../../src/errors.js'
import { metricLine, parseMetricLine } from '../../../src/transport/file/codec.js'
import { metricPointAt, pointsIn } from '../../../src/transport/file/points.js'

describe('a point in the middle of a text', () => {
  const agrees = (line: string) => {
    const text = `9 9.0 9\n${line}\n9 9.0 9\n`
    expect(metricPointAt(text, 8, 8 + line.length)).toEqual(parseMetricLine(line))
  }

  it('reads as its line alone does, whatever is written', () => {
    fc.assert(
      fc.property(fc.integer(), fc.double(), fc.maxSafeInteger(), fc.nat(3), (time, value, step, blanks) =>
        agrees(metricLine(time, value, step).replace('\n', ' '.repeat(blanks))),
      ),
    )
    const field = fc.oneof(fc.string({ unit: fc.constantFrom(...'0159.-+eE_x \tn∞') }), fc.nat().map(String))
    fc.assert(fc.property(fc.array(field, { maxLength: 6 }), (fields) => agrees(fields.join(' '))))
  })

  it.each([
    '',
    ' ',
    '1',
    '1 2',
    '1 2 ',
    '1 2 3 d digest',
    '1 . 3',
    '1 1e5 3',
    '1 1e 3',
    '1 --1 3',
    '1 -0.0 3',
    '1 nan 3',
    '1 1.0 -3',
    '12345678901234567890 1.0 12345678901234567890',
  ])('also %j', agrees)
})

describe('the points of a file', () => {
  const lines = (steps: readonly number[]) => steps.map((step) => metricLine(1, step / 3, step)).join('')
  const steps = (text: string, page = {}) => {
    const { points, more } = pointsIn(text, 'loss', page)
    return [points.map(({ step }) => step), more]
  }

  it('come in pages, without what is blank, broken or cut', () => {
    const text = `${lines([1, 2])}\n  \nnonsense\n${lines([3, 4])}7 0.3`
    expect(steps(text)).toEqual([[1, 2, 3, 4], false])
    expect(steps(text, { most: 2 })).toEqual([[1, 2], true])
    expect(steps(text, { from: 2, most: 2 })).toEqual([[3], true])
    expect(steps(text, { from: 4, most: 2 })).toEqual([[4], false])
    expect(steps(text, { from: 9, most: 2 })).toEqual([[], false])
    expect(steps('')).toEqual([[], false])
  })

  it('are refused when no line is a point', () => {
    expect(() => steps('a\nb\n')).toThrow(IntegrityError)
    expect(() => steps(`${lines([1])}b\n`, { from: 1 })).toThrow(/loss has no line that is a metric/)
  })
})
