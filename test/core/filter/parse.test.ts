import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FilterTarget } from '../../../src/core/filter/fields.js'
import { parseFilter, withoutPrompts } from '../../../src/core/filter/parse.js'
import { InvalidParameterError } from '../../../src/errors.js'
import { propertyRuns } from '../../support/property-runs.js'

const TARGETS: FilterTarget[] = ['runs', 'experiments', 'registeredModels', 'modelVersions', 'loggedModels']

const brief = (text: string, target: FilterTarget): unknown[] =>
  parseFilter(text, target).map(({ entity, key, op, value }) =>
    value === undefined ? [entity, key, op] : [entity, key, op, value],
  )

function refusal(text: unknown, target: FilterTarget = 'runs'): string {
  try {
    parseFilter(text as string, target)
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidParameterError)
    return (error as Error).message
  }
  throw new Error(`accepted: ${String(text).slice(0, 200)}`)
}

const VALID: [FilterTarget, string, unknown[]][] = [
  ['runs', 'metrics.a>1', ['metric', 'a', '>', 1]],
  ['runs', 'metric.a = .5', ['metric', 'a', '=', 0.5]],
  ['runs', 'metrics.a != 1.', ['metric', 'a', '!=', 1]],
  ['runs', 'metrics.a >= -1.5E+3', ['metric', 'a', '>=', -1500]],
  ['runs', 'metrics.a<=1e-5', ['metric', 'a', '<=', 1e-5]],
  ['runs', 'metrics.a.b.c < 2', ['metric', 'a.b.c', '<', 2]],
  ['runs', 'metrics.1a > 2', ['metric', '1a', '>', 2]],
  ['runs', 'metrics.日本 > 2', ['metric', '日本', '>', 2]],
  ['runs', 'metrics.`a/b` > 1', ['metric', 'a/b', '>', 1]],
  ['runs', 'metrics."a-b" > 1', ['metric', 'a-b', '>', 1]],
  ['runs', '`metrics`.a > 1', ['metric', 'a', '>', 1]],
  ['runs', "params.x = 'y'", ['param', 'x', '=', 'y']],
  ['runs', 'param.x = "y"', ['param', 'x', '=', 'y']],
  ['runs', "parameters.x != ''", ['param', 'x', '!=', '']],
  ['runs', "parameter.x like '%a'", ['param', 'x', 'LIKE', '%a']],
  ['runs', "params.x iLike '%a'", ['param', 'x', 'ILIKE', '%a']],
  ['runs', 'params.x is null', ['param', 'x', 'IS NULL']],
  ['runs', 'tags.x IS  NOT\nNULL', ['tag', 'x', 'IS NOT NULL']],
  ['runs', "params.x = 'it''s'", ['param', 'x', '=', "it''s"]],
  ['runs', "params.x = 'it\\'s'", ['param', 'x', '=', "it\\'s"]],
  ['runs', "params.x = 'C:\\dir\\'", ['param', 'x', '=', 'C:\\dir\\']],
  ['runs', 'params.x = "it\'s"', ['param', 'x', '=', "it's"]],
  ['runs', "params.x = 'a AND b = c'", ['param', 'x', '=', 'a AND b = c']],
  ['runs', "params.order = 'x'", ['param', 'order', '=', 'x']],
  ['runs', "tags.mlflow.parentRunId = 'x'", ['tag', 'mlflow.parentRunId', '=', 'x']],
  ['runs', "tag.`mlflow.parentRunId` = 'x'", ['tag', 'mlflow.parentRunId', '=', 'x']],
  ['runs', "tags.constructor = 'x'", ['tag', 'constructor', '=', 'x']],
  ['runs', "run_id = 'r'", ['attribute', 'run_id', '=', 'r']],
  ['runs', 'run_id IN (\'a\', "b",)', ['attribute', 'run_id', 'IN', ['a', 'b']]],
  ['runs', "run_id not in('a')", ['attribute', 'run_id', 'NOT IN', ['a']]],
  ['runs', "run_id IN ('it\\'s')", ['attribute', 'run_id', 'IN', ["it's"]]],
  ['runs', "attributes.run_name LIKE 'x%'", ['attribute', 'run_name', 'LIKE', 'x%']],
  ['runs', "`Run name` = 'x'", ['attribute', 'run_name', '=', 'x']],
  ['runs', 'attributes."run name" = \'x\'', ['attribute', 'run_name', '=', 'x']],
  ['runs', "attr.status = 'FINISHED'", ['attribute', 'status', '=', 'FINISHED']],
  ['runs', "run.user_id != 'u'", ['attribute', 'user_id', '!=', 'u']],
  ['runs', "artifact_uri ILIKE 's3:%'", ['attribute', 'artifact_uri', 'ILIKE', 's3:%']],
  ['runs', 'attribute.start_time > 5.5', ['attribute', 'start_time', '>', 5.5]],
  ['runs', 'created > 5', ['attribute', 'start_time', '>', 5]],
  ['runs', 'end_time <= 5', ['attribute', 'end_time', '<=', 5]],
  ['runs', "datasets.name IN ('My DS')", ['dataset', 'name', 'IN', ['My DS']]],
  ['runs', "dataset.digest = '123'", ['dataset', 'digest', '=', '123']],
  ['runs', "datasets.context LIKE 't%'", ['dataset', 'context', 'LIKE', 't%']],
  ['experiments', "name ILIKE 'x%'", ['attribute', 'name', 'ILIKE', 'x%']],
  ['experiments', "attribute.name = 'x'", ['attribute', 'name', '=', 'x']],
  ['experiments', 'creation_time > 5', ['attribute', 'creation_time', '>', 5]],
  ['experiments', 'last_update_time <= 5', ['attribute', 'last_update_time', '<=', 5]],
  ['experiments', "experiment_id IN ('1')", ['attribute', 'experiment_id', 'IN', ['1']]],
  ['experiments', 'tags.x IS NULL', ['tag', 'x', 'IS NULL']],
  ['registeredModels', "name = 'x'", ['attribute', 'name', '=', 'x']],
  ['registeredModels', "name in ('a', 'b')", ['attribute', 'name', 'IN', ['a', 'b']]],
  ['registeredModels', "tag.x like 'a'", ['tag', 'x', 'LIKE', 'a']],
  ['modelVersions', 'version_number >= 2', ['attribute', 'version_number', '>=', 2]],
  ['modelVersions', "version_number = '2'", ['attribute', 'version_number', '=', 2]],
  ['modelVersions', "run_id IN ('a')", ['attribute', 'run_id', 'IN', ['a']]],
  ['modelVersions', "source_path LIKE 's3:%'", ['attribute', 'source_path', 'LIKE', 's3:%']],
  ['loggedModels', "name IN ('a', 'b')", ['attribute', 'name', 'IN', ['a', 'b']]],
  ['loggedModels', "attributes.status NOT IN ('READY')", ['attribute', 'status', 'NOT IN', ['READY']]],
  ['loggedModels', 'creation_time > 5', ['attribute', 'creation_timestamp', '>', 5]],
  ['loggedModels', 'last_updated_time > 5', ['attribute', 'last_updated_timestamp', '>', 5]],
  ['loggedModels', 'metrics.auc > 0.8', ['metric', 'auc', '>', 0.8]],
  ['loggedModels', "params.x != 'y'", ['param', 'x', '!=', 'y']],
]

const INVALID: [FilterTarget, string, number, RegExp][] = [
  ['runs', '  ', 1, /blank/],
  ['runs', "params.x = 'a' OR params.y = 'b'", 16, /no OR/],
  ['runs', "(params.x = 'a')", 1, /no parentheses/],
  ['runs', "NOT params.x = 'a'", 1, /no NOT/],
  ['runs', "params.x NOT LIKE 'a'", 10, /no NOT LIKE/],
  ['runs', "status == 'F'", 8, /write =/],
  ['runs', "status <> 'F'", 8, /write !=/],
  ['runs', 'metrics.a => 1', 11, /write >=/],
  ['runs', 'metrics.a ~ 1', 11, /expected one of/],
  ['runs', 'params.x = 5', 12, /text in single or double quotes/],
  ['runs', 'params.x = y', 12, /text in single or double quotes/],
  ['runs', 'params.x = `y`', 12, /text in single or double quotes/],
  ['runs', "metrics.a = '1'", 13, /plain number/],
  ['runs', 'metrics.a = NaN', 13, /plain number/],
  ['runs', 'metrics.a = +3', 13, /plain number/],
  ['runs', 'metrics.a < metrics.b', 13, /plain number/],
  ['runs', 'metrics.a > 1AND metrics.b > 1', 14, /followed by a blank/],
  ['runs', 'metrics.a-b > 1', 10, /backticks/],
  ['runs', 'metrics.a/b > 1', 10, /backticks/],
  ['runs', "tags.a:b = 'x'", 7, /backticks/],
  ['runs', "params.a.`b` = 'y'", 10, /backticks/],
  ['runs', 'metrics.a b > 1', 11, /expected one of/],
  ['runs', "params. = 'x'", 1, /key is empty/],
  ['runs', "params.`` = 'x'", 1, /key is empty/],
  ['runs', ".x = 'y'", 1, /before the dot/],
  ['runs', "METRICS.a = 'y'", 1, /before the dot/],
  ['runs', "constructor.a = 'y'", 1, /before the dot/],
  ['runs', "__proto__.a = 'y'", 1, /before the dot/],
  ['runs', "toString = 'y'", 1, /no field "toString"/],
  ['runs', "lifecycle_stage = 'active'", 1, /no field "lifecycle_stage"/],
  ['runs', 'loss > 1', 1, /no field "loss".*metrics/],
  ['runs', "dataset.source = 'x'", 1, /name, digest, context/],
  ['runs', "run_id > 'a'", 8, /does not fit/],
  ['runs', 'metrics.a IS NULL', 11, /does not fit/],
  ['runs', "params.x IN ('a')", 10, /does not fit/],
  ['runs', "status IN ('FINISHED')", 8, /does not fit/],
  ['runs', 'run_id IS NULL', 8, /does not fit/],
  ['runs', 'params.x IS 5', 13, /NULL or NOT NULL/],
  ['runs', 'run_id IN ()', 12, /each item/],
  ['runs', 'run_id IN (1)', 12, /each item/],
  ['runs', "run_id IN ('a',,'b')", 16, /each item/],
  ['runs', "run_id IN ('a' 'b')", 16, /goes on with/],
  ['runs', "run_id IN ('a'", 15, /goes on with/],
  ['runs', "run_id IN 'a'", 11, /list such as/],
  ['runs', "params.x = 'open", 12, /never closed/],
  ['runs', "params.x = 'a''", 12, /never closed/],
  ['runs', 'metrics.`x > 1', 9, /never closed/],
  ['runs', "params.x = 'a' AND", 19, /must follow AND/],
  ['runs', "AND params.x = 'a'", 1, /no field "AND"/],
  ['runs', "params.x = 'a' params.y = 'b'", 16, /expected AND/],
  ['runs', "params.x = 'a';", 15, /expected AND/],
  ['runs', "params.x = 'a' -- c", 16, /expected AND/],
  ['runs', "'y' = params.x", 1, /expected a name/],
  ['runs', '5 < metrics.a', 1, /expected a name/],
  ['runs', '😀', 1, /expected a name/],
  ['runs', 'params.x', 9, /expected one of/],
  ['runs', 'params.x =', 11, /found the end/],
  ['experiments', "params.x = 'y'", 1, /attribute, tags, tag/],
  ['experiments', "name IN ('a')", 6, /does not fit/],
  ['experiments', "creation_time > '5'", 17, /plain number/],
  ['registeredModels', 'tags.x IS NULL', 8, /does not fit/],
  ['registeredModels', 'creation_timestamp > 5', 1, /no field/],
  ['modelVersions', "version_number = 'two'", 18, /plain number/],
  ['modelVersions', "source_path IN ('a')", 13, /does not fit/],
  ['modelVersions', "current_stage = 'Production'", 1, /no field/],
  ['loggedModels', "datasets.name = 'x'", 1, /before the dot/],
  ['loggedModels', 'tags.x IS NULL', 8, /does not fit/],
]

describe('what a filter says', () => {
  test.each(VALID)('%s: %s', (target, text, clause) => {
    expect(brief(text, target)).toEqual([clause])
  })

  test('is every clause in order, AND in any case, with any white space between', () => {
    expect(brief("metrics.a\t>\n1\r\nand params.b='x'AND tags.c IS NULL", 'runs')).toEqual([
      ['metric', 'a', '>', 1],
      ['param', 'b', '=', 'x'],
      ['tag', 'c', 'IS NULL'],
    ])
  })

  test.each(TARGETS)('is nothing for %s where there is none', (target) => {
    expect(parseFilter(undefined, target)).toEqual([])
    expect(parseFilter('', target)).toEqual([])
  })
})

describe('a filter that is refused', () => {
  test.each(INVALID)('%s: %s', (target, text, column, reason) => {
    const message = refusal(text, target)
    expect(message).toMatch(reason)
    expect(message).toContain(column > text.length ? 'at the end' : `at column ${column}:`)
    expect(message).toContain('\nFor example: ')
  })

  test('is shown with a caret below the place', () => {
    const [, shown, caret] = refusal('metrics.auc > 0.8 AND params.x = 5').split('\n')
    expect(shown?.[caret?.indexOf('^') ?? 0]).toBe('5')
  })

  test('is shown in part when long, on one line, the caret still below the place', () => {
    const [, shown, caret] = refusal(`params.x = '${'é\n😀'.repeat(200)}' AND params.y = 5 ${' '.repeat(500)}`).split(
      '\n',
    )
    expect(Array.from(shown ?? '')[caret?.indexOf('^') ?? 0]).toBe('5')
    expect(shown?.length).toBeLessThan(100)
  })

  test.each(TARGETS)('gives an example that is right for %s', (target) => {
    const example = refusal('?', target).split('For example: ')[1]
    expect(parseFilter(example, target).length).toBeGreaterThan(1)
  })

  test.each([5, null, {}, []])('may be no text at all: %j', (value) => {
    expect(refusal(value)).toMatch(/must be text/)
  })

  test('may be longer than 100,000 characters', () => {
    expect(refusal('a'.repeat(100_001))).toMatch(/100001 characters, the most is 100000/)
  })

  test.each(['(', "'", '"', '`', '\\', "''", '.', ',', '-', '=', ' ', 'a', 'a ', '1', '1e', '😀', '\ud800', "'a' "])(
    'may be the longest run of %j',
    (piece) => {
      const text = piece.repeat(Math.floor(100_000 / piece.length))
      for (const begin of ['', "params.x = '", 'run_id IN (', 'metrics.`'])
        expect(refusal((begin + text).slice(0, 100_000)).length).toBeLessThan(1_000)
    },
  )
})

test('a value of nothing but escaped quotes ends at the last of them', () => {
  const [clause] = parseFilter(`params.x = '${"\\'".repeat(40_000)}`, 'runs')
  expect(clause?.value).toHaveLength(79_999)
})

test('thousands of clauses are read', () => {
  expect(parseFilter(Array(6_000).fill('metrics.a>1').join(' AND '), 'runs')).toHaveLength(6_000)
})

describe('prompts', () => {
  const tag = 'tags.`mlflow.prompt.is_prompt`'
  test('are left out of a registry search that does not speak of them', () => {
    expect(withoutPrompts(parseFilter("name = 'x'", 'registeredModels'))).toHaveLength(2)
    expect(withoutPrompts(parseFilter(`${tag} = 'true'`, 'registeredModels'))).toHaveLength(1)
  })
  test('an absent tag counts as false in the registry only', () => {
    expect(parseFilter(`${tag} != 'true'`, 'modelVersions')[0]?.matchesAbsent).toBe(true)
    expect(parseFilter(`${tag} = 'false'`, 'registeredModels')[0]?.matchesAbsent).toBe(true)
    expect(parseFilter(`${tag} = 'true'`, 'registeredModels')[0]?.matchesAbsent).toBeUndefined()
    expect(parseFilter(`${tag} != 'true'`, 'runs')[0]?.matchesAbsent).toBeUndefined()
  })
})

describe('any text at all', () => {
  const pieces = [
    ...[
      'metrics.',
      'params.',
      'tags',
      'datasets.name',
      'run_id',
      'name',
      'version_number',
      'status',
      '.',
      'x',
      'é',
      '😀',
    ],
    ...[
      "'",
      '"',
      '`',
      "''",
      "\\'",
      "'a'",
      '"b"',
      '`k`',
      '(',
      ')',
      ',',
      ';',
      '-',
      '--',
      '/*',
      '\n',
      '\0',
      '\ud800',
      '\udc00',
    ],
    ...[
      ' ',
      ' ',
      '=',
      '!=',
      '<',
      '>=',
      ' LIKE ',
      ' IN ',
      ' NOT ',
      ' IS ',
      ' NULL ',
      ' AND ',
      ' OR ',
      '1',
      '-1.5',
      '1e',
      '1e999',
    ],
    ...['__proto__', 'constructor', '$', '\u2028', '\ufeff'],
  ]
  const text = fc.oneof(
    { weight: 3, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((all) => all.join('')) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
  )

  test('is read or refused with an InvalidParameterError, never otherwise', { timeout: 900_000 }, () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...TARGETS), (filter, target) => {
        try {
          parseFilter(filter, target)
        } catch (error) {
          if (!(error instanceof InvalidParameterError)) throw error
        }
      }),
      { numRuns: propertyRuns(20_000) },
    )
  })

  test('comes back as it went in when it stands in quotes', { timeout: 900_000 }, () => {
    const plain = fc.string({ unit: 'binary', maxLength: 30 }).filter((value) => !/['`\\]/.test(value))
    fc.assert(
      fc.property(plain, plain, (value, key) => {
        expect(brief(`tags.\`k${key}\` = '${value}'`, 'runs')).toEqual([['tag', `k${key}`, '=', value]])
      }),
      { numRuns: propertyRuns(5_000) },
    )
  })
})
