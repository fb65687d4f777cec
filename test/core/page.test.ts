import { describe, expect, test } from 'vitest'
import type { FilterTarget } from '../../src/core/filter/fields.js'
import { page, pageLimits, pageSize } from '../../src/core/page.js'
import { InvalidParameterError } from '../../src/errors.js'

const encoded = (text: string): string => Buffer.from(text).toString('base64')

describe('pages', () => {
  test('joined by their tokens are all items, each once', () => {
    const items = Array.from({ length: 23 }, (_, i) => i)
    const all: number[] = []
    let token: string | undefined
    do {
      const next: ReturnType<typeof page<number>> = page(items, 5, token)
      expect(next.items.length).toBeLessThanOrEqual(5)
      all.push(...next.items)
      token = next.next_page_token
    } while (token)
    expect(all).toEqual(items)
  })

  test('end without a token when nothing is left', () => {
    expect(page([1, 2], 2)).toEqual({ items: [1, 2] })
    expect(page([], 2)).toEqual({ items: [] })
    expect(page([1, 2], 2, encoded('{"offset": 9}'))).toEqual({ items: [] })
  })

  test("have MLflow's tokens and take them", () => {
    expect(JSON.parse(Buffer.from(page([1, 2, 3], 2).next_page_token ?? '', 'base64').toString())).toEqual({
      offset: 2,
    })
    expect(page([1, 2, 3], 2, encoded('{"offset": 2}'))).toEqual({ items: [3] })
    expect(page([1, 2, 3], 2, '')).toEqual({ items: [1, 2], next_page_token: encoded('{"offset":2}') })
  })

  test.each([
    '?',
    'not base64!',
    encoded('{}'),
    encoded('null'),
    encoded('[]'),
    encoded('{"offset": -1}'),
    encoded('{"offset": 0}'),
    encoded('{"offset": 1.5}'),
    encoded('{"offset": 1e300}'),
    encoded('{"offset": "x"}'),
    encoded('{"offset": 1'),
  ])('refuse a token no search gave: %s', (token) => {
    expect(() => page([1], 1, token)).toThrow(InvalidParameterError)
    expect(() => page([1], 1, token)).toThrow(/next_page_token/)
  })
})

describe('the size of a page', () => {
  test.each<[FilterTarget, number, number]>([
    ['runs', 1_000, 50_000],
    ['experiments', 1_000, 50_000],
    ['registeredModels', 100, 1_000],
    ['modelVersions', 10_000, 200_000],
  ])('%s: %i unless said otherwise, at most %i', (target, byDefault, most) => {
    expect(pageSize(target, undefined)).toBe(byDefault)
    expect(pageSize(target, most)).toBe(most)
    expect(pageSize(target, 1)).toBe(1)
    for (const wrong of [0, -1, most + 1, 1.5, Number.NaN, Infinity, '5' as unknown as number]) {
      expect(() => pageSize(target, wrong)).toThrow(InvalidParameterError)
      expect(() => pageSize(target, wrong)).toThrow(`from 1 to ${most}`)
    }
  })

  test('of logged models has no cap, and zero is the default', () => {
    expect(pageSize('loggedModels', 0)).toBe(pageLimits.loggedModels.byDefault)
    expect(pageSize('loggedModels', 1e9)).toBe(1e9)
    expect(() => pageSize('loggedModels', -1)).toThrow(InvalidParameterError)
  })
})
