import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IntegrityError } from '../../../src/errors.js'
import { writeMeta } from '../../../src/transport/file/codec.js'
import { parseRun } from '../../../src/transport/file/run-text.js'

const meta = {
  artifact_uri: 'file:///data/mlruns/7/abc/artifacts',
  deleted_time: null as number | null,
  end_time: null as number | null,
  entry_point_name: '',
  experiment_id: '7',
  lifecycle_stage: 'active',
  run_id: 'abc',
  run_name: 'bold cat',
  run_uuid: 'abc',
  source_name: '',
  source_type: 4,
  source_version: '',
  start_time: 1_700_000_000_000,
  status: 1,
  tags: [],
  user_id: 'jane',
}
const noName = () => undefined
/** A key that nobody knows makes a text one that is read as any YAML is, whatever quicker ways there are. */
const slowly = (text: string, dir: string) => parseRun(`${text}zzz: 1\n`, dir, noName)

const either = (read: () => unknown): unknown => {
  try {
    return read()
  } catch (error) {
    return error instanceof IntegrityError ? 'IntegrityError' : error
  }
}

const WORDS = [
  'null',
  'Null',
  '~',
  'yes',
  'true',
  '1e5',
  '007',
  '-',
  '---',
  'a: b',
  'a #b',
  "it's",
  '"q"',
  '',
  ' a ',
  'a:',
]
const text = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.string({ maxLength: 20 }),
  fc.stringMatching(/^[a-z][a-z0-9 .-]{0,9}$/),
)
const id = fc.oneof(
  fc.uuid().map((one) => one.replaceAll('-', '')),
  fc.stringMatching(/^[0-9]{1,18}e?[0-9]?$/),
)
const time = fc.nat({ max: 2 ** 45 })

describe("a run's meta.yaml", () => {
  it('says the same, read at once as it is usually written or as any YAML', () => {
    const given = fc.record({
      id,
      experiment: fc.oneof(id, fc.constantFrom('0', 'named_one')),
      name: text,
      user: text,
      place: fc.oneof(fc.constantFrom('file:///mlruns', 's3://b/p%20q', 'C:\\a', 'x:', 'mlflow-artifacts:/'), text),
      start: time,
      end: fc.option(time),
      status: fc.integer({ min: 0, max: 6 }),
      stage: fc.constantFrom('active', 'deleted', 'other'),
    })
    fc.assert(
      fc.property(given, ({ id, experiment, name, user, place, start, end, status, stage }) => {
        const written = writeMeta({
          ...meta,
          artifact_uri: `${place}/${experiment}/${id}/artifacts`,
          end_time: end,
          experiment_id: experiment,
          lifecycle_stage: stage,
          run_id: id,
          run_name: name,
          run_uuid: id,
          start_time: start,
          status,
          user_id: user,
        })
        const dir = `/store/${experiment}/${id}`
        expect(parseRun(written, dir, noName)).toEqual(slowly(written, dir))
      }),
      { numRuns: 500 },
    )
  })
  it('is read to the same, or refused, whatever one of its lines is', () => {
    const lines = writeMeta(meta).split('\n')
    const value = fc.oneof(
      text,
      fc.constantFrom("''", "'a'", "'it''s'", '[]', '{}', '|', '1_0', '0x1', '&a b', '*a', '!!str x'),
    )
    fc.assert(
      fc.property(fc.nat({ max: lines.length - 2 }), value, (at, value) => {
        const changed = lines
          .map((line, index) => (index === at ? line.replace(/:.*/, () => `: ${value}`) : line))
          .join('\n')
        const dir = '/store/7/abc'
        expect(either(() => parseRun(changed, dir, noName))).toEqual(either(() => slowly(changed, dir)))
      }),
      { numRuns: 500 },
    )
  })
  it('belongs to the folder it lies in', () => {
    for (const dir of ['/store/7/abd', '/store/8/abc', '/store/7/x/abc', '/7abc'])
      expect(() => parseRun(writeMeta(meta), dir, noName)).toThrow(IntegrityError)
    expect(parseRun(writeMeta(meta), '/store/7/abc', noName)).toMatchObject({ run_id: 'abc', experiment_id: '7' })
  })
  it('is read, or refused, however long it is', () => {
    const named = (name: string) => writeMeta(meta).replace('bold cat', () => name)
    const long = 'a a'.repeat(7_000_000)
    expect(parseRun(named(long), '/store/7/abc', noName).run_name).toHaveLength(21_000_000)
    expect(() => parseRun(named(`${long}!`), '/store/7/abc', noName)).toThrow(IntegrityError)
  })
  it('may have no name, which its tag has then', () => {
    expect(parseRun(writeMeta({ ...meta, run_name: '' }), '/s/7/abc', () => 'tagged').run_name).toBe('tagged')
  })
})
