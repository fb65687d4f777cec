import { expect, it } from 'vitest'
import { retryAfter } from '../../src/http/retry-after.js'

const NOW = Date.parse('2026-11-24T10:00:00Z')

it.each([
  ['5', 5_000],
  ['0', 1_000],
  ['0.2', 1_000],
  ['1.5', 1_500],
  [' 7 ', 7_000],
  ['1000000000', 300_000],
  ['99999999999999999999999999', 300_000],
  ['Tue, 24 Nov 2026 10:00:42 GMT', 42_000],
  ['Tue, 24 Nov 2026 09:00:00 GMT', 1_000],
  ['Tue, 24 Nov 2099 09:00:00 GMT', 300_000],
  ['-5', undefined],
  ['soon', undefined],
  ['5s', undefined],
  ['1e3', undefined],
  ['2026-11-24', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %s asks for %s ms', (header, ms) => {
  expect(retryAfter(header, NOW)).toBe(ms)
})

it.each([
  ['Tue, 24 Nov 2026 11:00:00 GMT', 42_000],
  ['Tue, 24 Nov 2026 11:00:42 GMT', 1_000],
  ['an hour ago', 300_000],
  ['', 300_000],
])('a date is held against the Date of its answer, %j', (date, ms) => {
  expect(retryAfter('Tue, 24 Nov 2026 11:00:42 GMT', NOW, date)).toBe(ms)
})
