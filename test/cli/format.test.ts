import { expect, it } from 'vitest'
import { bytesText, durationText, jsonText, numberText, parseBytes, parseDuration } from '../../src/cli/format.js'

it('durations read at a glance', () => {
  const ms = [0, 420, 12_000, 185_000, 7_800_000, 349_200_000]
  expect(ms.map(durationText)).toEqual(['0.0s', '0.4s', '12s', '3m 05s', '2h 10m', '4d 01h'])
  expect([undefined, -5].map(durationText)).toEqual(['', ''])
})

it('bytes are in powers of 1,000', () => {
  expect([0, 999, 1_000, 2_500_000, 999_940, 999_960, 3e12, 5e15].map(bytesText)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '2.5 MB',
    '999.9 kB',
    '1.0 MB',
    '3.0 TB',
    '5000.0 TB',
  ])
})

it('numbers keep five digits that count', () => {
  expect([0.123456, 3, 1e-9, 12345678, Number.NaN, 1e300].map(numberText)).toEqual([
    '0.12346',
    '3',
    '1e-9',
    '12345678',
    'NaN',
    '1e+300',
  ])
})

it('sizes and times are read with their units, anything else is nothing', () => {
  expect(['2GB', '500 mb', '7', '1.5k'].map(parseBytes)).toEqual([2e9, 5e8, 7, 1500])
  expect(['30d', '12h', '90s'].map(parseDuration)).toEqual([2_592_000_000, 43_200_000, 90_000])
  expect(['', 'x', '-1', '1e9', '2 days'].map(parseBytes)).toEqual(Array(5).fill(undefined))
  expect(['7', '1y'].map(parseDuration)).toEqual([undefined, undefined])
})

it('JSON says what it has no word for', () => {
  expect(JSON.parse(jsonText({ a: Number.NaN, b: Number.NEGATIVE_INFINITY, c: 2n ** 60n, d: 1 }))).toEqual({
    a: 'NaN',
    b: '-Infinity',
    c: '1152921504606846976',
    d: 1,
  })
})
