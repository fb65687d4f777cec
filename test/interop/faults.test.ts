import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import {
  AlreadyExistsError,
  InvalidParameterError,
  ParamConflictError,
  ProtocolError,
  TimeoutError,
} from '../../src/errors.js'
import { type Send, sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { withRetry } from '../../src/transport/retry.js'
import type { Transport } from '../../src/transport/transport.js'
import { textOf } from '../contract/artifact-store.js'
import { fresh } from '../contract/registry/facts.js'
import { rejection } from '../support/answering.js'
import { fakeClock } from '../support/fake-clock.js'
import { recordFault } from '../support/fault-line.js'
import { type FaultProxy, faultProxy, type ProxyFault } from '../support/fault-proxy.js'
import { tempDir } from '../support/temp-dir.js'
import { available, freePort, type Running, type Served, startServed } from './servers.js'

type Kind = ProxyFault['kind']

const KINDS: [string, Kind, number][] = [
  ['refused', 'refuse', 3],
  ['reset after headers', 'reset after headers', 3],
  ['answer lost after commit', 'answer lost', 3],
  ['answer cut in the middle', 'answer cut', 3],
  ['a body of one byte at a time', 'slow body', 1],
  ['429 with Retry-After', { status: 429, headers: { 'retry-after': '3' } }, 2],
  ['500 five times', { status: 500 }, 5],
  ['502', { status: 502 }, 1],
  ['503 with a date', { status: 503, headers: { 'retry-after': 'Tue, 24 Nov 2020 10:00:00 GMT' } }, 1],
  ['kept connection closed', 'keep-alive closed', 3],
]

const SERVERS = [
  ['latest', 'sqlite'],
  ['latest-2', 'files'],
  ['cairn', 'files'],
] as const satisfies readonly (readonly [Served, 'sqlite' | 'files'])[]

describe.each(SERVERS)('faults in front of MLflow %s on %s', (environment, store) => {
  describe.skipIf(!available(environment))('after each, the server holds everything once', () => {
    const note = `MLflow ${environment}, ${store}`
    let server: Running
    let proxy: FaultProxy
    let send: Send
    let transport: Transport
    beforeAll(async () => {
      server = await startServed(environment, { store })
      proxy = await faultProxy(server.url)
      send = sender({ url: proxy.url, timeoutMs: 3_000 })
      transport = withRetry(httpTransport({ send }), { clock: fakeClock() })
    })
    afterAll(async () => {
      await transport?.close()
      await proxy?.close()
      await server?.stop()
    })

    it.each(KINDS)('%s', async (_, kind, times) => {
      const name = fresh('faults')
      const { experiment_id } = await transport.call('createExperiment', { name })
      await transport.call('createRegisteredModel', { name })
      const before = proxy.struck

      proxy.add({ on: /runs\/create/, kind, times })
      const { run } = await transport.call('createRun', { experiment_id })
      const { run_id } = run.info
      proxy.add({ on: /log-batch/, kind, times })
      const values = [0.5, Number.NaN, 0.25, 1e-308, Number.NaN, 7]
      const metrics = values.map((value, step) => ({ key: 'loss', value, step, timestamp: 1_700_000_000_000 + step }))
      const params = [{ key: 'lr', value: '0.1' }]
      await transport.call('logBatch', { run_id, metrics, params, tags: [{ key: 't', value: '1' }] })
      proxy.add({ on: /model-versions\/create/, kind, times })
      const { model_version } = await transport.call('createModelVersion', {
        name,
        source: run.info.artifact_uri as string,
        run_id,
      })
      proxy.add({ on: /PUT .*mlflow-artifacts/, kind, times })
      const artifacts = await proxied(send, { clock: fakeClock() })(run.info.artifact_uri as string)
      await artifacts.write('dir/a.txt', new Blob(['whole']))

      // A run or version whose answer was lost is found, and not asked for again.
      expect(proxy.struck - before).toBeGreaterThanOrEqual(4)
      proxy.clear()
      const { runs } = await transport.call('searchRuns', { experiment_ids: [experiment_id], run_view_type: 'ALL' })
      expect(runs.map(({ info }) => info.run_id)).toEqual([run_id])
      const { metrics: stored } = await transport.call('getMetricHistory', { run_id, metric_key: 'loss' })
      const rows = stored.map(({ value, step }) => [step, value]).toSorted((a, b) => Number(a[0]) - Number(b[0]))
      const arrived = new Set(rows.map(([step]) => step)).size
      recordFault({ logged: values.length, arrived, twice: rows.length - arrived, note })
      expect(rows).toEqual(values.map((value, step) => [step, value]))
      const { model_versions } = await transport.call('searchModelVersions', { filter: `name = '${name}'` })
      expect(model_versions.map(({ version }) => version)).toEqual([model_version.version])
      expect(await textOf(artifacts, 'dir/a.txt')).toBe('whole')
    })

    it('every request delivered twice leaves one row of each point on a database', async () => {
      const { experiment_id } = await transport.call('createExperiment', { name: fresh('twice') })
      const { run_id } = (await transport.call('createRun', { experiment_id })).run.info
      proxy.add({ on: /log-batch/, kind: 'delivered twice' })
      const point = { key: 'm', value: 1, step: 1, timestamp: 1_700_000_000_000 }
      await transport.call('logBatch', { run_id, metrics: [point], params: [{ key: 'a', value: '1' }] })
      const { metrics } = await transport.call('getMetricHistory', { run_id, metric_key: 'm' })
      const arrived = new Set(metrics.map(({ step }) => step)).size
      recordFault({ logged: 1, arrived, twice: metrics.length - arrived, note })
      // A file store behind such a network adds what it is sent; nobody in front of it can know.
      expect(metrics).toHaveLength(store === 'sqlite' ? 1 : 2)
    })

    const clientOf = () => createClient({ trackingUri: server.url, spoolDir: tempDir() })

    it('what the server refuses in its own way is said at once as what it is', async () => {
      await using client = clientOf()
      const name = fresh('taken')
      const experimentId = await client.createExperiment(name)
      const other = await client.createExperiment(fresh('other'))
      expect(await rejection(client.renameExperiment(other, name))).toBeInstanceOf(AlreadyExistsError)
      await client.deleteExperiment(other)
      const refused: (() => Promise<unknown>)[] = [
        () => client.searchRuns({ experimentIds: [experimentId], orderBy: ['foo'] }),
        () => client.searchRegisteredModels({ filter: 'tags.a IS NULL' }),
      ]
      if (environment !== 'latest-2')
        refused.push(
          () => client.searchLoggedModels({ experimentIds: ['0'], filter: "foo = 'x'" }),
          () => client.renameExperiment(other, fresh('new')),
        )
      for (const one of refused) expect(await rejection(one())).toBeInstanceOf(InvalidParameterError)
    })

    it('a time with a fraction costs a run nothing', async () => {
      await using client = clientOf()
      const made = await client.createRun('0', { runName: 'mine', startTime: 1_700_000_000_000.5, tags: { a: 'b' } })
      const { runId } = made.info
      await client.setTerminated(runId, 'FAILED', { endTime: 1_700_000_000_001.5 })
      const { info, data } = await client.getRun(runId)
      expect([info.runName, info.startTime, info.endTime, data.tags.a]).toEqual([
        'mine',
        1_700_000_000_000,
        1_700_000_000_001,
        'b',
      ])
    })

    it('a tag that is not there holds up nothing behind it', async () => {
      await using client = clientOf()
      const run = await client.startRun({ experimentId: '0' })
      run.setTag('a/b', '1')
      await run.flush()
      run.deleteTag('a')
      run.logParam('p', 1)
      await run.flush({ timeoutMs: 20_000 })
      await run.end()
      const { data } = await client.getRun(run.runId)
      expect([data.tags['a/b'], data.params.p]).toEqual(['1', '1'])
    })

    it.skipIf(environment !== 'latest-2')('a rename that broke off half-way is none', async () => {
      await using client = clientOf()
      const name = fresh('renamed')
      await client.createRegisteredModel(name)
      await client.createModelVersion(name, 's3://b/x', { tags: { a: 'b' } })
      const error = await rejection(client.renameRegisteredModel(name, `${name}-2`))
      expect(error).toMatchObject({ status: 500, message: expect.stringContaining('exist now') })
    })

    it.skipIf(environment === 'latest-2')('params of a logged model are written once', async () => {
      await using client = clientOf()
      const params = [{ key: 'a', value: '1' }]
      const { model } = await transport.call('createLoggedModel', { experiment_id: '0', name: 'm', params })
      const id = model.info.model_id
      for (const _ of [1, 2]) await client.logLoggedModelParams(id, { a: 1, b: 2 })
      expect((await client.getLoggedModel(id)).params).toEqual({ a: '1', b: '2' })
      expect(await rejection(client.logLoggedModelParams(id, { b: 3 }))).toBeInstanceOf(ParamConflictError)
    })

    it('a login page is no success and is not asked again', async () => {
      proxy.add({ on: /experiments\/search/, kind: 'html', times: 9 })
      const before = proxy.struck
      const error = await rejection(transport.call('searchExperiments', {}))
      expect(error).toBeInstanceOf(ProtocolError)
      expect(proxy.struck - before).toBe(1)
      proxy.clear()
    })

    it('a body that never ends is given up in time, tries and all', async () => {
      proxy.add({ on: /runs\/search/, kind: 'slow body', times: 2 })
      const impatient = sender({ url: proxy.url, timeoutMs: 300 })
      const twice = withRetry(httpTransport({ send: impatient }), { clock: fakeClock(), rules: { attempts: 2 } })
      expect(await rejection(twice.call('searchRuns', { experiment_ids: ['0'] }))).toBeInstanceOf(TimeoutError)
    })

    it('a server that froze for a while goes on being served', async () => {
      const { experiment_id } = await transport.call('createExperiment', { name: fresh('restart') })
      const { run_id } = (await transport.call('createRun', { experiment_id })).run.info
      server.child.kill('SIGSTOP')
      const waiting = transport.call('setTag', { run_id, key: 'k', value: 'v' })
      await new Promise((resolve) => setTimeout(resolve, 500))
      server.child.kill('SIGCONT')
      await waiting
      const { run } = await transport.call('getRun', { run_id })
      expect(run.data.tags).toContainEqual({ key: 'k', value: 'v' })
    })

    it('a server that went away and came back at its port is found again, and nothing is lost or doubled', {
      timeout: 300_000,
    }, async () => {
      const dir = tempDir()
      const port = await freePort()
      let own = await startServed(environment, { store, dir, port })
      const patient = { attempts: 250, budgetMs: 250_000, factorMs: 200, capMs: 1_000, jitterMs: 100 }
      const direct = withRetry(httpTransport({ send: sender({ url: own.url, timeoutMs: 5_000 }) }), { rules: patient })
      const { experiment_id } = await direct.call('createExperiment', { name: fresh('restart') })
      const { run_id } = (await direct.call('createRun', { experiment_id })).run.info
      const batch = (from: number) =>
        Array.from({ length: 500 }, (_, at) => ({
          key: 'm',
          value: at / 7,
          step: from + at,
          timestamp: 1_700_000_000_000,
        }))
      const logging = [0, 500, 1000, 1500].map((from) => direct.call('logBatch', { run_id, metrics: batch(from) }))
      await new Promise((resolve) => setTimeout(resolve, 30))
      await own.stop()
      logging.push(direct.call('logBatch', { run_id, metrics: batch(2000) }))
      own = await startServed(environment, { store, dir, port })
      await Promise.all(logging)
      const { metrics } = await direct.call('getMetricHistory', { run_id, metric_key: 'm' })
      const arrived = new Set(metrics.map(({ step }) => step)).size
      recordFault({ logged: 2500, arrived, twice: metrics.length - arrived, note })
      expect(metrics.map(({ step }) => Number(step)).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 2500 }, (_, at) => at),
      )
      await direct.close()
      await own.stop()
    })
  })
})
