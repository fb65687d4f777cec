import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FilterTarget } from '../../../src/core/filter/fields.js'
import { like } from '../../../src/core/filter/like.js'
import { matches, type Subject } from '../../../src/core/filter/matches.js'
import { parseFilter, withoutPrompts } from '../../../src/core/filter/parse.js'
import { propertyRuns } from '../../support/property-runs.js'
import { subject } from '../../support/subject.js'

const fits = (filter: string, one: Subject, target: FilterTarget = 'runs'): boolean =>
  matches(parseFilter(filter, target))(one)

const run = subject({
  attributes: { run_id: 'AB12', status: 'FINISHED', start_time: 100, run_name: 'Quick-Fox' },
  metrics: { auc: 0.9, nan: Number.NaN, inf: Number.POSITIVE_INFINITY },
  params: { lr: '0.1', empty: '' },
  tags: { team: 'growth', 'release date': '2026-11' },
  datasets: [
    { name: 'My DS', digest: '123', context: 'train' },
    { name: 'other', digest: 'abc', context: undefined },
  ],
})

describe('a run fits', () => {
  test.each([
    'metrics.auc > 0.8',
    'metrics.auc >= 0.9 AND metrics.auc <= 0.9 AND metrics.auc = 0.9',
    'metrics.nan != 1',
    'metrics.inf > 1e300',
    'metrics.inf = 1e999',
    "params.lr = '0.1'",
    "params.empty = ''",
    "params.empty LIKE '%'",
    'params.empty IS NOT NULL',
    'params.none IS NULL',
    'tags.none IS NULL',
    "tags.`release date` LIKE '2026%'",
    "run_name LIKE 'Quick%'",
    "run_name ILIKE 'quick-___'",
    "run_id IN ('zz', 'AB12')",
    "run_id NOT IN ('zz')",
    'start_time < 100.5',
    'created = 100',
    "datasets.name IN ('My DS')",
    "datasets.digest = '123' AND datasets.digest = 'abc'",
    "datasets.name != 'My DS'",
    "datasets.name NOT IN ('other')",
    "datasets.context != 'eval'",
  ])('%s', (filter) => expect(fits(filter, run)).toBe(true))
})

describe('a run does not fit', () => {
  test.each([
    'metrics.auc > 0.8 AND metrics.auc > 0.95',
    'metrics.none != 1',
    'metrics.nan = 1',
    'metrics.nan < 1',
    'metrics.nan >= 1',
    "params.none != 'x'",
    "params.none LIKE '%'",
    "tags.none != 'x'",
    'tags.none IS NOT NULL',
    'params.lr IS NULL',
    'end_time != 5',
    "user_id != 'x'",
    "status = 'finished'",
    "run_name LIKE 'quick%'",
    "run_id IN ('ab12')",
    "datasets.context != 'train'",
    "datasets.context NOT IN ('train')",
    "datasets.name = 'my ds'",
  ])('%s', (filter) => expect(fits(filter, run)).toBe(false))

  test('any dataset clause when it has no datasets', () => {
    expect(fits("datasets.name != 'x'", subject())).toBe(false)
    expect(fits("datasets.name NOT IN ('x')", subject())).toBe(false)
  })

  test('a list of ids when it has none', () => {
    expect(fits("run_id NOT IN ('x')", subject())).toBe(false)
  })
})

test('no clauses fit everything', () => {
  expect(matches([])(subject())).toBe(true)
})

test('only what clauses ask for is read, and nothing after the first that fails', () => {
  const read: string[] = []
  const noted = <T>(key: string, value: T): T => {
    read.push(key)
    return value
  }
  const watched: Subject = {
    attribute: (key) => noted(key, undefined),
    metric: (key) => noted(key, undefined),
    param: (key) => noted(key, 'x'),
    tag: (key) => noted(key, undefined),
    datasets: () => noted('datasets', []),
  }
  expect(fits("params.a = 'x' AND params.b = 'y' AND metrics.c > 1", watched)).toBe(false)
  expect(read).toEqual(['a', 'b'])
})

test('a registered model without the prompt tag is no prompt', () => {
  const prompt = subject({ tags: { 'mlflow.prompt.is_prompt': 'true' } })
  const visible = matches(withoutPrompts([]))
  expect([visible(subject()), visible(prompt)]).toEqual([true, false])
  const filter = "tags.`mlflow.prompt.is_prompt` = 'false'"
  expect(fits(filter, subject(), 'registeredModels')).toBe(true)
  expect(fits(filter, subject())).toBe(false)
})

// pattern, text, LIKE, ILIKE
const LIKE: [string, string, boolean, boolean][] = [
  ['abc', 'abc', true, true],
  ['ABC', 'abc', false, true],
  ['a', 'abc', false, false],
  ['%', '', true, true],
  ['', '', true, true],
  ['', 'a', false, false],
  ['_', '', false, false],
  ['_', '😀', true, true],
  ['__', '😀', false, false],
  ['a%c', 'abbbc', true, true],
  ['%b%', 'abc', true, true],
  ['%ab', 'aab', true, true],
  ['%a_b%c', 'xxaxbaybzzc', true, true],
  ['a%%%b', 'ab', true, true],
  ['100\\%', '100%', false, false],
  ['100%', '100\\%', true, true],
  ['É%', 'état', false, true],
  ['straße', 'STRASSE', false, false],
  ['[a-z]+', 'abc', false, false],
  ['a.c', 'abc', false, false],
  ['%b', 'a\nb', false, false],
  ['a_b', 'a\nb', false, false],
  ['a\nb', 'a\nb', true, true],
  ['a%', 'a\nb', true, true],
  ['%a\n%b', 'xa\nxb', true, true],
  ['a', 'a\n', true, true],
  ['a', 'a\n\n', false, false],
]

describe('LIKE and ILIKE', () => {
  test.each(LIKE)('%j against %j', (pattern, text, exact, caseless) => {
    expect([like(pattern, false)(text), like(pattern, true)(text)]).toEqual([exact, caseless])
  })

  test('a pattern made to explode is answered', () => {
    expect(like('%a'.repeat(20_000), false)('a'.repeat(8_000))).toBe(false)
    expect(like(`${'%a_'.repeat(2_000)}b`, true)('a'.repeat(8_000))).toBe(false)
  })

  test('agree with a regular expression of the same meaning', { timeout: 900_000 }, () => {
    const letters = (units: string[]) =>
      fc.array(fc.constantFrom(...units), { maxLength: 8 }).map((all) => all.join(''))
    fc.assert(
      fc.property(letters(['a', 'b', '\n', '😀']), letters(['a', 'b', '%', '_', '%', '\n']), (text, pattern) => {
        const body = pattern.replace(/%/g, '[^\\n]*').replace(/_/g, '[^\\n]')
        const whole = new RegExp(`^${body}${pattern.endsWith('%') ? '' : '(?:\\n)?$'}`, 'u')
        expect(like(pattern, false)(text)).toBe(whole.test(text))
      }),
      { numRuns: propertyRuns(20_000) },
    )
  })
})
