import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FilterTarget } from '../../src/core/filter/fields.js'
import { drawSorted, parseLoggedModelOrder, parseOrderBy, sortBy, sortRow } from '../../src/core/order.js'
import { InvalidParameterError } from '../../src/errors.js'
import { propertyRuns } from '../support/property-runs.js'
import { subject } from '../support/subject.js'

const brief = (keys: ReturnType<typeof parseOrderBy>): string[] =>
  keys.map(
    ({ entity, key, ascending }) => `${entity === 'attribute' ? '' : `${entity}.`}${key} ${ascending ? '+' : '-'}`,
  )

const ORDERS: [FilterTarget, string[] | undefined, string[]][] = [
  ['runs', undefined, ['start_time -', 'run_id +']],
  ['runs', [], ['start_time -', 'run_id +']],
  ['runs', ['metrics.auc DESC'], ['metric.auc -', 'start_time -', 'run_id +']],
  ['runs', ['created', 'run_id desc'], ['start_time +', 'run_id -']],
  ['runs', ['params.`a b` asc', 'tags."x-y"'], ['param.a b +', 'tag.x-y +', 'start_time -', 'run_id +']],
  [
    'runs',
    ['metrics.order  desc', 'attributes.end_time'],
    ['metric.order -', 'end_time +', 'start_time -', 'run_id +'],
  ],
  ['experiments', undefined, ['creation_time -', 'experiment_id +']],
  ['experiments', ['name'], ['name +', 'experiment_id -']],
  ['experiments', ['experiment_id ASC'], ['experiment_id +']],
  ['registeredModels', undefined, ['name +']],
  ['registeredModels', ['last_updated_timestamp DESC'], ['last_updated_timestamp -', 'name +']],
  ['registeredModels', ['timestamp'], ['last_updated_timestamp +', 'name +']],
  ['modelVersions', undefined, ['last_updated_timestamp -', 'name +', 'version_number -']],
  ['modelVersions', ['version_number'], ['version_number +', 'name +']],
  ['modelVersions', ['creation_timestamp'], ['creation_timestamp +', 'name +', 'version_number -']],
  ['loggedModels', undefined, ['creation_timestamp -', 'model_id +']],
]

describe('the order of a search', () => {
  test.each(ORDERS)('%s by %j', (target, terms, keys) => {
    expect(brief(parseOrderBy(terms, target))).toEqual(keys)
  })

  test.each<[FilterTarget, unknown]>([
    ['runs', ''],
    ['runs', ' '],
    ['runs', 'metrics.a down'],
    ['runs', 'metrics.a DESC, metrics.b'],
    ['runs', 'metrics.a, metrics.b'],
    ['runs', 'metrics.a DESC NULLS LAST'],
    ['runs', 'metrics.a-b'],
    ['runs', "'start_time'"],
    ['runs', 'datasets.name'],
    ['runs', 'loss DESC'],
    ['runs', '__proto__'],
    ['runs', 5],
    ['experiments', 'tags.x'],
    ['registeredModels', 'description'],
    ['modelVersions', 'version'],
    ['modelVersions', 'run_id'],
  ])('%s by %j is refused with an example', (target, term) => {
    expect(() => parseOrderBy([term as string], target)).toThrow(InvalidParameterError)
    expect(() => parseOrderBy([term as string], target)).toThrow(/For example: \w/)
  })

  test('any text is a key or an InvalidParameterError', { timeout: 900_000 }, () => {
    const piece = fc.constantFrom(
      'metrics.',
      'a',
      '`',
      '"',
      "'",
      '.',
      ' ',
      ' DESC',
      ' asc',
      ',',
      '-',
      '1',
      '😀',
      '\0',
      'run_id',
    )
    const text = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((all) => all.join('')),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(text, fc.constantFrom<FilterTarget>('runs', 'experiments', 'modelVersions'), (term, target) => {
        try {
          parseOrderBy([term], target)
        } catch (error) {
          if (!(error instanceof InvalidParameterError)) throw error
        }
      }),
      { numRuns: propertyRuns(20_000) },
    )
  })
})

describe('the order of logged models', () => {
  test('is by attributes and metrics, newest first behind', () => {
    const terms = [{ field_name: 'metrics.a/b', ascending: false }, { field_name: 'creation_time' }]
    expect(brief(parseLoggedModelOrder(terms))).toEqual(['metric.a/b -', 'creation_timestamp +', 'model_id +'])
    expect(brief(parseLoggedModelOrder(undefined))).toEqual(['creation_timestamp -', 'model_id +'])
  })

  test('may be by a metric on one dataset', () => {
    const [key] = parseLoggedModelOrder([{ field_name: 'metrics.a', dataset_name: 'd', dataset_digest: '1' }])
    expect(key).toEqual({ entity: 'metric', key: 'a', ascending: true, dataset: { name: 'd', digest: '1' } })
    const asked: unknown[] = []
    const model = { ...subject(), metric: (...args: unknown[]) => asked.push(args) }
    sortBy([model], (one) => one, [key!])
    expect(asked).toEqual([['a', { name: 'd', digest: '1' }]])
  })

  test.each([
    { field_name: 'params.x' },
    { field_name: 'metrics.' },
    { field_name: 'toString' },
    { field_name: 'experiment_id' },
    { field_name: 'metrics.a', dataset_digest: '1' },
    { field_name: 'name', ascending: 'no' },
    {},
    null,
  ])('%j is refused', (term) => {
    expect(() => parseLoggedModelOrder([term as { field_name: string }])).toThrow(InvalidParameterError)
  })
})

const byMetric = (values: (number | undefined)[], term: string): (number | undefined)[] =>
  sortBy(values, (value) => subject(value === undefined ? {} : { metrics: { m: value } }), parseOrderBy([term], 'runs'))

const byParam = (values: string[], term: string): string[] =>
  sortBy(values, (value) => subject({ params: { p: value } }), parseOrderBy([term], 'runs'))

describe('sorting', () => {
  const values = [undefined, Number.NaN, 2, Number.NEGATIVE_INFINITY, 1, Number.POSITIVE_INFINITY]

  test('puts NaN after numbers and the missing last, both ways', () => {
    expect(byMetric(values, 'metrics.m')).toEqual([-Infinity, 1, 2, Infinity, Number.NaN, undefined])
    expect(byMetric(values, 'metrics.m DESC')).toEqual([Infinity, 2, 1, -Infinity, Number.NaN, undefined])
  })

  test('compares params as text, by code point', () => {
    expect(byParam(['9', '10', '', '😀', '\uffee', 'é', 'z', '10a'], 'params.p')).toEqual([
      ...['', '10', '10a', '9', 'z', 'é', '\uffee', '😀'],
    ])
    expect(byParam(['\ud800', '\ue000', '😀'], 'params.p')).toEqual(['\ue000', '\ud800', '😀'])
  })

  test('falls to the next key where the first does not decide, and is stable at the end', () => {
    const runs = [
      { id: 'a', m: 1, start: 5 },
      { id: 'c', m: 1, start: 7 },
      { id: 'b', m: 1, start: 7 },
      { id: 'd', m: 2, start: 1 },
    ]
    const sorted = sortBy(
      runs,
      ({ id, m, start }) => subject({ metrics: { m }, attributes: { run_id: id, start_time: start } }),
      parseOrderBy(['metrics.m'], 'runs'),
    )
    expect(sorted.map(({ id }) => id)).toEqual(['b', 'c', 'a', 'd'])
    expect(sortBy([3, 1, 2], () => subject(), parseOrderBy(['metrics.m DESC'], 'runs'))).toEqual([3, 1, 2])
  })

  test('reads each key of each item once', () => {
    let read = 0
    const items = Array.from({ length: 1_000 }, (_, i) => (i * 7919) % 1_000)
    const counted = (item: number) => () => {
      read++
      return item
    }
    const key = { entity: 'metric', key: 'm', ascending: true } as const
    const sorted = sortBy(items, (item) => ({ ...subject(), metric: counted(item) }), [key])
    expect(read).toBe(1_000)
    expect(sorted).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
  })

  test('leaves the given array alone, and any two stand as they would alone', { timeout: 900_000 }, () => {
    const keys = parseOrderBy(['metrics.m DESC', 'params.p'], 'runs')
    const item = fc.record({
      metrics: fc.dictionary(fc.constant('m'), fc.constantFrom(0, 1, Number.NaN, Infinity)),
      params: fc.dictionary(fc.constant('p'), fc.constantFrom('a', 'b', '')),
      attributes: fc.record({ run_id: fc.constantFrom('x', 'y'), start_time: fc.nat(2) }),
    })
    fc.assert(
      fc.property(fc.array(item, { maxLength: 8 }), (items) => {
        const before = [...items]
        const sorted = sortBy(items, subject, keys)
        expect(items).toEqual(before)
        expect(new Set(sorted)).toEqual(new Set(before))
        for (const [at, one] of sorted.entries())
          for (const other of sorted.slice(at + 1)) {
            // In the order in which they were given, so that those the keys do not tell apart stay in it.
            const pair = before.indexOf(one) < before.indexOf(other) ? [one, other] : [other, one]
            expect(sortBy(pair, subject, keys)).toEqual([one, other])
          }
      }),
      { numRuns: Math.min(propertyRuns(2_000), 100_000) },
    )
  })
})

describe('items drawn in order', () => {
  const item = fc.record({
    metrics: fc.dictionary(fc.constant('m'), fc.constantFrom(0, 1, Number.NaN)),
    params: fc.dictionary(fc.constant('p'), fc.constantFrom('a', 'b')),
    attributes: fc.record({ run_id: fc.constantFrom('x', 'y'), start_time: fc.nat(2) }),
  })

  test('are those of sortBy() that count, however many keys were read before', () => {
    const keys = parseOrderBy(['metrics.m DESC', 'params.p'], 'runs')
    const counts = (one: { attributes: { run_id: string } }) => one.attributes.run_id === 'x'
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 12 }),
        fc.nat(keys.length),
        fc.integer({ min: 1, max: 5 }),
        (items, lead, most) => {
          const rows = items.map((one) => sortRow(one, subject(one), keys.slice(0, lead)))
          const all = sortBy(items.filter(counts), subject, keys)
          expect([...drawSorted(rows, subject, keys, counts)]).toEqual(all)
          expect([...drawSorted(rows, subject, keys, counts, most)]).toEqual(all.slice(0, most))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('cost nothing for those behind the last one drawn', () => {
    const asked: number[] = []
    const keys = parseOrderBy(['metrics.m'], 'runs')
    const rows = [3, 1, 2, 1].map((m) => sortRow(m, subject({ metrics: { m } }), keys.slice(0, 1)))
    const drawn = drawSorted(
      rows,
      () => subject(),
      keys,
      (one) => asked.push(one) > 0,
    )
    expect(drawn.next().value).toBe(1)
    expect(asked).toEqual([1, 1])
  })
})
