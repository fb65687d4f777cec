import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { fresh } from '../contract/registry/facts.js'
import { type FaultProxy, faultProxy } from '../support/fault-proxy.js'
import { tempDir } from '../support/temp-dir.js'
import { available, postgresBin, type Running, startMlflow, startMlflowOnPostgres } from './servers.js'

describe.each(['SQLite', 'PostgreSQL'])('points that name a model, on the newest MLflow and %s', (store) => {
  const isThere = available('latest') && (store === 'SQLite' || postgresBin !== undefined)
  describe.skipIf(!isThere)('arrive all, and none is refused', () => {
    let server: Running
    let proxy: FaultProxy
    beforeAll(async () => {
      server = await (store === 'SQLite' ? startMlflow('latest', { store: 'sqlite' }) : startMlflowOnPostgres())
      proxy = await faultProxy(server.url)
    })
    afterAll(async () => {
      await proxy?.close()
      await server?.stop()
    })

    async function begun() {
      const warnings: string[] = []
      const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warnings.push(message) }
      const client = createClient({ trackingUri: proxy.url, spoolDir: tempDir(), logger })
      const experimentId = await client.createExperiment(fresh('points'))
      const transport = httpTransport({ send: sender({ url: server.url }) })
      const { model } = await transport.call('createLoggedModel', { experiment_id: experimentId, name: 'net' })
      await transport.close()
      const modelId = model.info.model_id
      const run = await client.startRun({ experimentId })
      const ofModel = async () => (await client.getLoggedModel(modelId)).metrics.length
      return { client, run, modelId, ofModel, warnings }
    }

    it('in a loop without steps', async () => {
      const { client, run, modelId, ofModel, warnings } = await begun()
      for (let i = 0; i < 200; i++) run.logMetric('acc', i, { modelId })
      await run.flush()
      expect(
        (await client.getMetricHistory(run.runId, 'acc')).map(({ value }) => value).toSorted((a, b) => a - b),
      ).toEqual(Array.from({ length: 200 }, (_, i) => i))
      expect([await ofModel(), run.stats().delivered, run.stats().refused, warnings]).toEqual([200, 200, 0, []])
      await run.end()
      await client.close()
    })

    it('when the answer to a batch is lost', async () => {
      const { client, run, modelId, ofModel, warnings } = await begun()
      proxy.add({ on: /log-batch/, kind: 'answer lost' })
      const before = proxy.asked.length
      run.logMetrics(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`m${i}`, i])), { modelId })
      await run.flush()
      expect(proxy.asked.slice(before).filter((one) => one.includes('log-batch'))).toHaveLength(2)
      expect([await ofModel(), run.stats().delivered, run.stats().refused]).toEqual([300, 300, 0])
      expect(warnings.filter((message) => message.includes(modelId))).toEqual([])
      await run.end()
      await client.close()
    })

    it('where the caller gives one time to several, of which the model keeps the first', async () => {
      const { client, run, modelId, ofModel, warnings } = await begun()
      const timed = (i: number) => ({ modelId, timestamp: Math.floor(i / 10) })
      for (let i = 0; i < 300; i++) run.logMetrics({ acc: i, loss: i }, timed(i))
      await run.flush()
      run.logMetrics({ acc: Number.NaN, odd: Number.NaN, other: Number.NaN }, timed(0))
      await run.flush()
      expect(await client.getMetricHistory(run.runId, 'acc')).toHaveLength(301)
      expect([await ofModel(), run.stats().delivered, run.stats().refused]).toEqual([62, 603, 0])
      expect(warnings).toEqual([expect.stringContaining(`${modelId} has another value of some metrics`)])
      await run.end()
      await client.close()
    })

    it('where the model cannot be read', async () => {
      const { client, run, modelId, ofModel } = await begun()
      run.logMetric('acc', -1, { modelId, step: 150, timestamp: 7 })
      await run.flush()
      const before = proxy.asked.length
      proxy.add({ on: /GET .*logged-models/, kind: { status: 403 } })
      for (let step = 0; step < 200; step++) run.logMetric('acc', step, { modelId, step, timestamp: 7 })
      await run.flush()
      expect(proxy.asked.slice(before).filter((one) => one.includes('log-batch')).length).toBeLessThan(25)
      expect([await ofModel(), run.stats().delivered, run.stats().refused]).toEqual([200, 201, 0])
      await run.end()
      await client.close()
    })
  })
})
