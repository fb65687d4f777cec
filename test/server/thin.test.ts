import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partOf } from '../../src/server/file.js'
import { joined, ordered } from '../../src/server/page/join.js'
import { hrefOf, parsePlace } from '../../src/server/page/route.js'
import { rowsOf } from '../../src/server/page/rows.js'
import { smoothed } from '../../src/server/page/smooth.js'
import { thinned, within } from '../../src/server/thin.js'

describe('a thinned curve', () => {
  const curve = fc.array(fc.oneof(fc.double({ noNaN: true }), fc.constant(Number.NaN)), {
    minLength: 1,
    maxLength: 3000,
  })

  it('keeps the first and the last point, both extremes and the order', () => {
    fc.assert(
      fc.property(curve, fc.integer({ min: 16, max: 200 }), (values, most) => {
        const value = Float64Array.from(values)
        const kept = thinned(value, 0, value.length, most)
        expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b))
        expect(kept.length).toBeLessThanOrEqual(Math.max(most, 1.5 * most))
        expect([kept[0], kept.at(-1)]).toEqual([0, value.length - 1])
        const numbers = values.filter((one) => !Number.isNaN(one))
        if (numbers.length === 0) return
        const drawn = kept.map((index) => value[index] as number).filter((one) => !Number.isNaN(one))
        expect(drawn.reduce((a, b) => Math.max(a, b))).toBe(numbers.reduce((a, b) => Math.max(a, b)))
        expect(drawn.reduce((a, b) => Math.min(a, b))).toBe(numbers.reduce((a, b) => Math.min(a, b)))
      }),
    )
  })

  it('is all there is when that is little', () => {
    expect(thinned(Float64Array.of(3, 1, 2), 1, 3, 16)).toEqual([1, 2])
  })
})

describe('a stretch of a curve', () => {
  const columns = (step: number[], value = step) => ({
    step: Float64Array.from(step),
    time: Float64Array.from(step, (at) => 1000 * at),
    value: Float64Array.from(value),
  })

  it('is all of its points, and on either side the nearest', () => {
    expect(within(columns([0, 1, 2, 3, 4, 5]), 6, { by: 'step', from: 2, to: 3 }, 16)).toEqual([1, 2, 3, 4])
    expect(within(columns([0, 1, 2, 3, 4, 5]), 6, { by: 'time', from: 3500, to: 9000 }, 16)).toEqual([3, 4, 5])
    expect(within(columns([0, 5]), 2, { by: 'step', from: 2, to: 3 }, 16)).toEqual([0, 1])
    expect(within(columns([]), 0, { by: 'step', from: 2, to: 3 }, 16)).toEqual([])
    // Logged in no order, as several processes do.
    expect(within(columns([4, 1, 0, 3, 2]), 5, { by: 'step', from: 2, to: 3 }, 16)).toEqual([0, 1, 3, 4])
  })

  it('is thinned as a whole curve is, with its own extremes', () => {
    const steps = Array.from({ length: 10_000 }, (_, step) => step)
    const values = steps.map((step) => (step === 100 ? 9 : step === 5_555 ? 5 : Math.cos(step)))
    const kept = within(columns(steps, values), 10_000, { by: 'step', from: 5_000, to: 5_999 }, 100)
    expect(kept.length).toBeLessThanOrEqual(102)
    expect([kept[0], kept.at(-1)]).toEqual([4_999, 6_000])
    expect(kept).toContain(5_555)
    expect(kept).not.toContain(100)
  })
})

describe('lines over one x', () => {
  it('keep every point, also those that share an x, and their gaps', () => {
    expect(
      joined([
        [
          [1, 1, 3],
          [10, 11, null],
        ],
        [
          [1, 2],
          [20, 21],
        ],
      ]),
    ).toEqual([
      [1, 1, 2, 3],
      [10, 11, undefined, null],
      [20, undefined, 21, undefined],
    ])
  })
})

describe('the points of a line', () => {
  it('come in rising order of x, as they were where they share one', () => {
    expect(ordered([3, 1, 2, 1], [30, 10, null, 11])).toEqual([
      [1, 1, 2, 3],
      [10, 11, null, 30],
    ])
  })
})

describe('smoothing', () => {
  it('leaves a constant as it is and a gap a gap', () => {
    expect(smoothed([2, 2, null, 2], 0.9).map((one) => one && Number(one.toFixed(9)))).toEqual([2, 2, null, 2])
    expect(smoothed([1, 5], 0)).toEqual([1, 5])
  })
})

describe('an address of the page', () => {
  it('reads as it was written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: 'grapheme' })),
        fc.dictionary(fc.string({ minLength: 1 }), fc.string({ minLength: 1 })),
        (path, query) => {
          const place = parsePlace(hrefOf(path, query))
          expect(place.path).toEqual(path)
          expect(place.query).toEqual({ ...query })
        },
      ),
    )
  })
})

describe('a table', () => {
  it('is read from CSV with quotes, from MLflow’s JSON and from records', () => {
    expect(rowsOf('a,b\r\n"x, ""y""",2\n', 'csv')).toEqual({ columns: ['a', 'b'], data: [['x, "y"', '2']] })
    expect(rowsOf('{"columns":["a"],"data":[[1],[null]]}', 'json')).toEqual({ columns: ['a'], data: [['1'], ['']] })
    expect(rowsOf('[{"a":1},{"b":{"c":2}}]', 'json')).toEqual({
      columns: ['a', 'b'],
      data: [
        ['1', ''],
        ['', '{"c":2}'],
      ],
    })
    for (const text of ['{', '[1]', '{"a":1}', '[]']) expect(rowsOf(text, 'json')).toBeUndefined()
  })
})

describe('a range of bytes', () => {
  it.each([
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=5-', { start: 5, end: 10 }],
    ['bytes=-3', { start: 7, end: 10 }],
    ['bytes=-99', { start: 0, end: 10 }],
    ['bytes=2-99', { start: 2, end: 10 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=3-2', undefined],
    ['bytes=-', undefined],
    ['lines=0-1', undefined],
    ['bytes=0-1,2-3', undefined],
  ])('%s of ten bytes', (header, part) => {
    expect(partOf(header, 10)).toEqual(part)
  })
})
