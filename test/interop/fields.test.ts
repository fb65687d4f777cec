import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { type Send, sender } from '../../src/http/send.js'
import { startServer } from '../../src/server/index.js'
import { type HttpTransport, httpTransport } from '../../src/transport/http.js'
import { bytesOf, textOf } from '../contract/artifact-store.js'
import { byKey, fresh } from '../contract/registry/facts.js'
import { tempDir } from '../support/temp-dir.js'
import { python } from './python.js'
import { available, postgresBin, type Running, startMlflow, startMlflowOnPostgres } from './servers.js'
import type { Environment } from './venv.js'

const T = 1_700_000_000_000
/** Python's word for a number. */
const repr = (value: number) =>
  Number.isNaN(value)
    ? 'nan'
    : value === Number.MAX_VALUE
      ? '1.7976931348623157e+308'
      : Math.abs(value) === Number.POSITIVE_INFINITY
        ? value > 0
          ? 'inf'
          : '-inf'
        : undefined

const SERVERS = [
  ['latest', 'sqlite'],
  ['latest', 'PostgreSQL and S3'],
  ['latest-2', 'files'],
  ['2.9', 'files'],
  ['3.1', 'sqlite'],
  ['3.12', 'sqlite'],
  // Python's clients of these versions, and our own server in the place of theirs.
  ['latest', 'cairn'],
  ['latest-2', 'cairn'],
  ['2.9', 'cairn'],
] as const satisfies readonly (readonly [Environment, 'sqlite' | 'PostgreSQL and S3' | 'files' | 'cairn'])[]

type Served = Pick<Running, 'url' | 'stop'>

/** `cairn-ml server` in this process, over a folder of its own. */
async function startCairn(): Promise<Served> {
  const server = await startServer({ trackingUri: `${tempDir()}/mlruns` })
  return { url: server.trackingUri, stop: () => server.close() }
}

async function startServed(environment: Environment, store: (typeof SERVERS)[number][1]): Promise<Served> {
  if (store === 'cairn') return startCairn()
  return store === 'PostgreSQL and S3' ? startMlflowOnPostgres() : startMlflow(environment, { store })
}

describe.each(SERVERS)('MLflow %s on %s', (environment, store) => {
  const isThere = available(environment) && (store !== 'PostgreSQL and S3' || postgresBin !== undefined)
  // What a database has in the place of an infinite number.
  const infinite = store === 'files' || store === 'cairn' ? 'inf' : '1.7976931348623157e+308'
  describe.skipIf(!isThere)('field by field', () => {
    let server: Served
    let send: Send
    let transport: HttpTransport
    const loggedModels = !environment.startsWith('2') && environment !== 'latest-2'
    beforeAll(async () => {
      server = await startServed(environment, store)
      send = sender({ url: server.url })
      transport = httpTransport({ send })
    })
    afterAll(async () => {
      await transport?.close()
      await server?.stop()
    })

    it('what Node wrote, Python reads equal', async () => {
      const name = fresh('node é')
      const { call } = transport
      const { experiment_id } = await call('createExperiment', { name, tags: [{ key: 'team', value: 'growth é' }] })
      const given = {
        experiment_id,
        start_time: T,
        run_name: 'by node',
        user_id: 'ann',
        tags: [{ key: 'note', value: 'line\ntwo' }],
      }
      const { run } = await call('createRun', given)
      const { run_id } = run.info
      const loss = [0.1 + 0.2, 1e-308, 123456789.12345679, -2.5e300, 5e-324].map((value, step) => ({
        key: 'loss',
        value,
        step,
        timestamp: T + step,
      }))
      const odd = [
        { key: 'odd', value: Number.NaN, step: 1, timestamp: T },
        { key: 'big', value: 1, step: 9007199254740993n, timestamp: T },
        { key: 'a/b c', value: Number.POSITIVE_INFINITY, step: -3, timestamp: T },
      ]
      const params = [
        { key: 'lr', value: '0.1' },
        { key: 'empty', value: '' },
        { key: '日本', value: 'ü' },
      ]
      await call('logBatch', { run_id, metrics: [...loss, ...odd], params, tags: [{ key: 'k', value: 'v' }] })
      const dataset = {
        name: 'iris',
        digest: 'abc123',
        source_type: 'local',
        source: '{"uri":"x"}',
        schema: '{"a":1}',
        profile: '{"rows":2}',
      }
      await call('logInputs', {
        run_id,
        datasets: [{ tags: [{ key: 'mlflow.data.context', value: 'training' }], dataset }],
      })
      let model_id = ''
      if (loggedModels) {
        const asked = {
          experiment_id,
          name: 'net',
          model_type: 'onnx',
          source_run_id: run_id,
          params: [{ key: 'p', value: '1' }],
          tags: [{ key: 't', value: '2' }],
        }
        model_id = (await call('createLoggedModel', asked)).model.info.model_id
        await call('finalizeLoggedModel', { model_id, status: 'LOGGED_MODEL_READY' })
        await call('logOutputs', { run_id, models: [{ model_id, step: 4 }] })
      }
      const artifacts = await proxied(send)(run.info.artifact_uri as string)
      await artifacts.write('a.bin', new Blob([new Uint8Array(3_000_000)]))
      await artifacts.write('dir/b.txt', new Blob(['b']))
      await call('createRegisteredModel', { name, description: 'about', tags: [{ key: 'x', value: 'y' }] })
      const version = {
        name,
        source: `${run.info.artifact_uri}/dir`,
        run_id,
        description: 'd',
        tags: [{ key: 'v', value: '1' }],
      }
      for (let made = 0; made < 2; made++) await call('createModelVersion', version)
      await call('transitionModelVersionStage', {
        name,
        version: '1',
        stage: 'Production',
        archive_existing_versions: false,
      })
      await call('setRegisteredModelAlias', { name, alias: 'champion', version: '2' })
      await call('updateRun', { run_id, status: 'FINISHED', end_time: T + 999 })

      const read = (await python(environment, 'dump', server.url, run_id, name)) as Record<string, unknown>
      expect(read).toMatchObject({
        experiment: { name, tags: { team: 'growth é' } },
        info: {
          run_id,
          run_name: 'by node',
          status: 'FINISHED',
          start_time: T,
          end_time: T + 999,
          lifecycle_stage: 'active',
          user_id: 'ann',
        },
        params: { lr: '0.1', empty: '', 日本: 'ü' },
        tags: { note: 'line\ntwo', k: 'v', 'mlflow.runName': 'by node' },
        inputs: [{ ...dataset, tags: { 'mlflow.data.context': 'training' } }],
        registered: { description: 'about', tags: { x: 'y' }, aliases: { champion: '2' } },
        versions: [
          {
            version: '1',
            stage: 'Production',
            source: version.source,
            run_id,
            description: 'd',
            status: 'READY',
            tags: { v: '1' },
          },
          { version: '2', stage: 'None' },
        ],
        artifacts: [
          ['a.bin', false, 3_000_000],
          ['dir', true, null],
        ],
      })
      const { loss: losses, odd: odds, big, 'a/b c': ab } = read.histories as Record<string, [string, number, string][]>
      expect(losses?.map(([value, time, step]) => [Number(value), time, Number(step)])).toEqual(
        loss.map(({ value, timestamp, step }) => [value, timestamp, step]),
      )
      expect(odds).toEqual([['nan', T, '1']])
      expect(big).toEqual([['1.0', T, '9007199254740993']])
      expect(ab).toEqual([[infinite, T, '-3']])
      if (loggedModels)
        expect(read.models).toEqual([
          {
            model_id,
            name: 'net',
            model_type: 'onnx',
            status: 'READY',
            params: { p: '1' },
            tags: { t: '2' },
            source_run_id: run_id,
            step: 4,
          },
        ])
    })

    it('what Python wrote, Node reads equal', async () => {
      const name = fresh('python')
      const ids = (await python(environment, 'write', server.url, name)) as {
        run_id: string
        experiment_id: string
        artifact: string
      }
      const { run_id } = ids
      const { call } = transport
      const { experiment } = await call('getExperimentByName', { experiment_name: name })
      expect(experiment).toMatchObject({ experiment_id: ids.experiment_id, tags: [{ key: 'team', value: 'growth é' }] })
      const { run } = await call('getRun', { run_id })
      expect(run.info).toMatchObject({
        run_name: 'by python',
        status: 'FAILED',
        start_time: T + 123,
        end_time: T + 9_999,
      })
      expect(byKey(run.data.params)).toEqual({ lr: '0.1', empty: '', 日本: 'ü' })
      expect(byKey(run.data.tags)).toMatchObject({ note: 'line\ntwo', k: 'v', 'mlflow.note.content': '**bold**' })
      const history = async (metric_key: string) =>
        (await call('getMetricHistory', { run_id, metric_key })).metrics.map(({ value, timestamp, step }) => [
          repr(value) ?? value,
          timestamp,
          step,
        ])
      expect((await history('loss')).toSorted((a, b) => Number(a[1]) - Number(b[1]))).toEqual([
        [0.1 + 0.2, T + 1, 0],
        [1e-308, T + 2, 1],
        ['nan', T + 3, 2],
        [3.5, T + 4, -7],
      ])
      expect(await history('big')).toEqual([[1, T + 5, 9007199254740993n]])
      expect(await history('a/b c')).toEqual([[infinite, T + 6, 0]])
      const artifacts = await proxied(send)(run.info.artifact_uri as string)
      const bytes = await bytesOf(artifacts, ids.artifact)
      expect(bytes.equals(Buffer.concat(Array(5000).fill(Buffer.from(Array.from({ length: 256 }, (_, i) => i)))))).toBe(
        true,
      )
      expect(await textOf(artifacts, 'a b/note.txt')).toBe('text é')
      const { registered_model } = await call('getRegisteredModel', { name })
      expect(registered_model).toMatchObject({ description: 'about', aliases: [{ alias: 'champion', version: '2' }] })
      const { model_versions } = await call('searchModelVersions', {
        filter: `name = '${name}'`,
        order_by: ['version_number ASC'],
      })
      expect(model_versions).toMatchObject([
        { version: '1', current_stage: 'Production', run_id, source: `${run.info.artifact_uri}/bin`, status: 'READY' },
        { version: '2', current_stage: 'None', description: 'd', tags: [{ key: 'v', value: '1' }] },
      ])
    })
  })
})
