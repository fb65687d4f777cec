import { expect, it } from 'vitest'
import { failureKind } from '../../src/core/retry.js'
import { errorFromCode, ProtocolError, UnavailableError } from '../../src/errors.js'
import { TOO_LARGE } from '../../src/http/body.js'
import { sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { isNaNPoint, type Point } from '../../src/transport/history.js'
import { httpTransport } from '../../src/transport/http.js'
import { withModelPoints } from '../../src/transport/model-points.js'
import { withRetry } from '../../src/transport/retry.js'
import type { Input, Transport } from '../../src/transport/transport.js'
import { tempDir } from '../support/temp-dir.js'

const SQL = '\n[SQL: INSERT INTO logged_model_metrics (model_id, metric_name) VALUES (?, ?)]'
const SQLITE = `(sqlite3.IntegrityError) UNIQUE constraint failed: logged_model_metrics.model_id${SQL}`
const WORDS = [
  ['SQLite', SQLITE],
  [
    'PostgreSQL',
    `(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "logged_model_metrics_pk"\nDETAIL:  Key (model_id)=(m-1) already exists.\n${SQL}`,
  ],
  ['MySQL', `(pymysql.err.IntegrityError) (1062, "Duplicate entry 'm-1-a-1-0' for key 'PRIMARY'")${SQL}`],
] as const

const RUN = 'a'.repeat(32)
const point = (key: string, value: number, more: Partial<Point> = {}): Point => ({
  ...{ key, value, timestamp: 1, step: 0, model_id: 'm-1', ...more },
})
const placeOf = ({ model_id, key, timestamp, step, run_id = RUN }: Point) =>
  [model_id, key, timestamp, step, run_id].join()

/** A server whose database keeps one value of a metric for a model, step and time, and refuses the rest after the run's points. */
function stand(words: string, there: readonly Point[] = []) {
  const stored = { points: [] as Point[], ofModels: [...there], params: [] as string[], tags: [] as string[] }
  const asked: string[] = []
  const warnings = new Set<string>()
  const down: string[] = []
  const closed: string[] = []
  const meanwhile: Point[] = []
  const inner = {
    close: async () => {},
    async call(operation: string, input: Input<'logBatch'>) {
      asked.push(operation)
      if (down.includes(operation)) throw new UnavailableError('away', { notSent: true })
      if (closed.includes(operation)) throw new ProtocolError('answered more than 9 bytes', { code: TOO_LARGE })
      if (operation === 'getLoggedModel') {
        const metrics = stored.ofModels.map((one) => ({ run_id: RUN, ...one }))
        stored.ofModels.push(...meanwhile.splice(0))
        return { model: { data: { metrics } } }
      }
      const { metrics = [], params = [], tags = [] } = input
      if (closed.includes('a NaN twice') && metrics.some((one) => isNaNPoint(one) && stored.points.includes(one)))
        throw errorFromCode('BAD_REQUEST', 'UNIQUE constraint failed: metrics.key', { status: 400 })
      stored.points.push(...metrics)
      stored.params.push(...params.map(({ key }) => key))
      const all = [...stored.ofModels, ...metrics.filter(({ model_id }) => model_id)]
      if (new Set(all.map(placeOf)).size < all.length) throw errorFromCode('BAD_REQUEST', words, { status: 400 })
      stored.ofModels = all
      stored.tags.push(...tags.map(({ key }) => key))
      return {}
    },
  } as unknown as Transport
  const transport = withModelPoints(inner, (message) => warnings.add(message))
  const log = (metrics: Point[], more: Partial<Input<'logBatch'>> = {}) =>
    transport.call('logBatch', { run_id: RUN, metrics, ...more })
  return { log, stored, asked, warnings, down, closed, meanwhile, transport }
}

it.each(WORDS)('of points that one place of a model has, the first goes there, on %s', async (_, words) => {
  const { log, stored, asked, warnings } = stand(words)
  const metrics = [point('a', 1), point('a', 2), point('b', 3), point('c', 4, { model_id: undefined })]
  await log(metrics, { params: [{ key: 'p', value: '1' }], tags: [{ key: 't', value: '1' }] })
  expect(stored.ofModels.map(({ key, value }) => [key, value])).toEqual([
    ['a', 1],
    ['b', 3],
  ])
  expect(stored.points).toEqual(expect.arrayContaining(metrics))
  expect([stored.params, stored.tags]).toEqual([['p'], ['t']])
  expect(asked).toHaveLength(4)
  expect([...warnings]).toEqual([
    expect.stringMatching(/^The logged model m-1 has another value of some metrics at the same/),
  ])
})

it('what a model has already is not sent again, nor told of where it is the same', async () => {
  const theirs = [point('a', 1), point('b', 0), point('c', Number.MAX_VALUE), point('a', 9, { run_id: 'another' })]
  const { log, stored, asked, warnings } = stand(SQLITE, theirs)
  await log([point('a', 1), point('b', Number.NaN), point('c', Number.POSITIVE_INFINITY)])
  expect(asked).toEqual(['logBatch', 'getLoggedModel'])
  await log([point('a', 1), point('d', 2)])
  expect(stored.ofModels).toHaveLength(theirs.length + 1)
  expect([...warnings]).toEqual([])
})

it('a model that cannot be read is asked once, and lacks only what clashes: the rest arrives by halves', async () => {
  const { log, stored, asked, warnings, closed } = stand(SQLITE, [point('a', 1, { step: 700 })])
  closed.push('getLoggedModel')
  await log(Array.from({ length: 1000 }, (_, step) => point('a', -1, { step })))
  expect(stored.ofModels).toHaveLength(1000)
  expect(asked.length).toBeLessThan(25)
  expect([...warnings]).toHaveLength(1)
  await log([point('b', 1), point('b', 2)])
  expect(stored.ofModels).toHaveLength(1001)
  expect(asked.filter((operation) => operation === 'getLoggedModel')).toHaveLength(1)
})

it('what clashes again, as another batch is under way, takes no other with it', async () => {
  const { log, stored, meanwhile } = stand(SQLITE, [point('a', 1)])
  meanwhile.push(point('b', 1))
  await log(['a', 'b', 'c', 'd'].map((key) => point(key, 2)))
  expect(stored.ofModels.map(({ key, value }) => key + value).sort()).toEqual(['a1', 'b1', 'c2', 'd2'])
})

it('what could not be sent after the points of the run leaves a batch that may be there already', async () => {
  const { log, down } = stand(SQLITE, [point('a', 1)])
  down.push('getLoggedModel')
  const failure = await log([point('a', 2), point('b', Number.NaN)]).catch((error: unknown) => error)
  expect(failureKind(failure)).toBe('ambiguous')
})

it('one point that clashes is taken without a look, its tags with it', async () => {
  const { log, stored, asked, warnings } = stand(SQLITE, [point('a', 1)])
  await log([point('a', 2), point('a', 3, { model_id: undefined })], { tags: [{ key: 't', value: '1' }] })
  expect(asked).toEqual(['logBatch', 'logBatch'])
  expect([stored.points.length, stored.tags, warnings.size]).toEqual([2, ['t'], 1])
})

it('a NaN that a model lacks is sent again, by itself, as a database may refuse what the run has', async () => {
  const { transport, stored, warnings } = stand(SQLITE, [point('a', 5)])
  const metrics = ['b', 'c', 'a'].map((key) => point(key, Number.NaN))
  await withRetry(transport).call('logBatch', { run_id: RUN, metrics })
  expect(stored.ofModels.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  expect([...warnings]).toHaveLength(1)
  const strict = stand(SQLITE, [point('a', 5)])
  strict.closed.push('a NaN twice')
  await strict.log([point('a', 5), point('b', Number.NaN), point('c', 3)])
  expect(strict.stored.ofModels.map(({ key }) => key)).toEqual(['a', 'c'])
  expect([...strict.warnings]).toEqual([])
})

it('a look that fails for a while is one of a batch that is tried again; any other refusal stays one', async () => {
  const { log, down } = stand(SQLITE, [point('a', 1)])
  down.push('getLoggedModel')
  await expect(log([point('a', 2), point('b', 2)])).rejects.toThrow(UnavailableError)
  const other = stand(`FOREIGN KEY constraint failed${SQL.replace('?', "'duplicate'")}`, [point('a', 1)])
  await expect(other.log([point('a', 2)])).rejects.toThrow('FOREIGN KEY')
  expect(other.asked).toEqual(['logBatch'])
})

it('a batch that arrived, and is refused as one that has, costs a run nothing', async () => {
  await using server = await startTestServer()
  const warnings: string[] = []
  const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warnings.push(message) }
  await using client = createClient({ trackingUri: server.url, spoolDir: tempDir(), logger })
  const made = httpTransport({ send: sender({ url: server.url }) })
  const { model } = await made.call('createLoggedModel', { experiment_id: '0', name: 'net' })
  await made.close()
  const run = await client.startRun()
  const body = JSON.stringify({ error_code: 'BAD_REQUEST', message: SQLITE })
  server.faults.add({ on: 'logBatch', status: 400, carriedOut: true, body })
  run.logMetrics({ a: 1, b: 2 }, { modelId: model.info.model_id })
  await run.flush()
  expect(run.stats()).toMatchObject({ delivered: 2, refused: 0 })
  expect(warnings).toEqual([])
  expect(server.requests.filter(({ operation }) => operation === 'logBatch')).toHaveLength(1)
})
