import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type FileTransport, fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'
import { GENERATIONS, python } from './python.js'
import { generated, QUERIES, type Query } from './queries.js'
import { type Answer, answer, fill } from './searches.js'

type Differs = Record<string, string>

const LAX = 'Python finds something; nonsense is refused here, and the message shows where it begins'
const CRASH = 'Python crashes; here it is an error that says what is wrong'
const KIND = 'taken here: it can mean but one thing'

const ALWAYS: Differs = {
  "runs params.a.`b` = 'y'": LAX,
  "runs params. = 'x'": LAX,
  "runs params.`` = 'x'": LAX,
  'runs AND': LAX,
  "runs params.p = 'a' AND": LAX,
  "runs AND params.p = 'a'": LAX,
  "runs params.p = 'a' AND AND params.p = 'b'": LAX,
  "runs params.p = 'a' params.p = 'b'": LAX,
  "runs params.p='1'tags.t='x'": LAX,
  'runs  by metrics.': LAX,
  'runs  by  metrics.a': KIND,
  'runs  by metrics.a DESC ': KIND,
  'runs  by `Run name`': KIND,
  'runs  by attributes.`run name` DESC': KIND,
  'registeredModels  by timestamp DESC': KIND,
  "modelVersions version_number = 'x'": CRASH,
}

const YOUNGER = 'MLflow 2 has not got this yet'
const REGEX = 'MLflow 2 takes the pattern for a regular expression'

const DIFFERS: Record<(typeof GENERATIONS)[number], Differs> = {
  latest: {
    ...ALWAYS,
    "runs run_id IN ('a' 'b')": LAX,
    'runs run_id IN (a)': CRASH,
    'registeredModels tags.team IS NULL': CRASH,
    'loggedModels creation_time > 0': CRASH,
  },
  'latest-2': {
    ...ALWAYS,
    "runs params.re LIKE 'a.c'": REGEX,
    "runs params.re LIKE 'a*c'": REGEX,
    "runs params.re LIKE '%(%'": REGEX,
    "runs params.re LIKE '%[%'": REGEX,
    "runs params.re LIKE '%\\%'": REGEX,
    "runs params.re LIKE '^a'": REGEX,
    "runs run_id IN ('a',)": YOUNGER,
    "experiments experiment_id = '0'": YOUNGER,
    "registeredModels name IN ('churn')": YOUNGER,
  },
}

const nameOf = ([target, filter, order]: Query): string =>
  `${target} ${filter}${order.length > 0 ? ` by ${order.map(String).join(' then ')}` : ''}`

const asksNull = ([target, filter]: Query): boolean =>
  (target === 'runs' || target === 'experiments') && /\b(?:params?|tags?)\.\S+ is (?:not )?null\b/i.test(filter)

describe.each(GENERATIONS)('searches of one store, by MLflow "%s" and by us,', (environment) => {
  const given = [...QUERIES, ...generated(300)].filter(
    (query) => environment === 'latest' || (query[0] !== 'loggedModels' && !asksNull(query)),
  )
  const differs = DIFFERS[environment]
  let store: FileTransport
  const both: { name: string; theirs: Answer; ours: Answer }[] = []
  beforeAll(async () => {
    const root = join(tempDir(), 'mlruns')
    store = fileTransport({ root })
    const experiment = await fill(store)
    const theirs = await python<Answer[]>(environment, 'search.py', root, experiment, given)
    for (const [index, query] of given.entries())
      both.push({ name: nameOf(query), theirs: theirs[index] as Answer, ours: await answer(store, experiment, query) })
  })

  it('are many, and most find something', () => {
    expect(both.length).toBeGreaterThan(500)
    expect(both.filter(({ ours }) => 'found' in ours && ours.found.length > 0).length).toBeGreaterThan(250)
  })
  it('find the same in the same order, or are refused by both', () => {
    const same = both.filter(({ name }) => !(name in differs))
    expect(same.map(({ name, ours }) => [name, ours])).toEqual(same.map(({ name, theirs }) => [name, theirs]))
  })
  it('differ where the list says so, and say what is wrong where Python does not', () => {
    const named = both.filter(({ name }) => name in differs)
    expect(new Set(named.map(({ name }) => name))).toEqual(new Set(Object.keys(differs)))
    for (const { name, theirs, ours } of named) {
      expect(ours, name).not.toEqual(theirs)
      const refused = [LAX, CRASH].includes(differs[name] ?? '') && !name.startsWith('loggedModels')
      expect('error' in ours, name).toBe(refused)
      if ('error' in ours) expect(ours.error).toBe('INVALID_PARAMETER_VALUE')
    }
  })
})
