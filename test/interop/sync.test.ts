import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tempDir } from '../support/temp-dir.js'
import { allOf, bySteps, clientOf, fill } from '../sync/stand.js'
import { available, type Running, type Served, startServed } from './servers.js'

const SERVERS = [
  ['latest', 'sqlite'],
  ['latest-2', 'files'],
  ['cairn', 'files'],
] as const satisfies readonly (readonly [Served, 'sqlite' | 'files'])[]

describe.each(SERVERS)('a local store copied to MLflow %s on %s', (environment, kind) => {
  describe.skipIf(!available(environment))('over HTTP', () => {
    let server: Running
    beforeAll(async () => {
      server = await startServed(environment, { store: kind })
    })
    afterAll(() => server?.stop())

    it('is there whole, serves its models, and is copied once', async () => {
      const dir = tempDir()
      const path = join(dir, 'mlruns')
      await using source = clientOf(path, dir)
      const ids = await fill(source)
      const result = await source.sync(path, { to: server.url })
      expect(result).toMatchObject({ runs: { added: 3 }, modelVersions: { added: 2 }, points: 9, failed: [], kept: [] })

      await using target = clientOf(server.url, tempDir())
      const child = await target.getRun(result.runIds[ids.child] ?? '')
      const original = await source.getRun(ids.child)
      expect(child.data.params).toEqual(original.data.params)
      expect([child.info.startTime, child.info.endTime, child.info.status, child.info.runName]).toEqual([
        original.info.startTime,
        original.info.endTime,
        'FINISHED',
        'trial',
      ])
      expect(child.data.tags['mlflow.parentRunId']).toBe(result.runIds[ids.parent])
      expect(child.inputs?.datasetInputs).toMatchObject([{ dataset: { name: 'train', digest: 'd1' } }])
      const loss = (await target.getMetricHistory(child.info.runId, 'loss')).sort(bySteps)
      // A database keeps an infinity as its largest number.
      const infinity = kind === 'sqlite' ? Number.MAX_VALUE : Number.POSITIVE_INFINITY
      expect(loss.map(({ value }) => value)).toEqual([1, NaN, infinity, -infinity, 1e-308, 0.1, NaN])
      expect(loss.map(({ timestamp }) => timestamp)).toEqual(loss.map((_, index) => 1_700_000_000_000 + index))
      for (const place of ['/Production', '@champion']) {
        const model = await target.loadModel(`models:/churn${place}`)
        expect(await model.predict([{ age: 4 }])).toEqual([{ sum: 8 }])
        await model.dispose()
      }
      expect((await target.getStageHistory('churn')).map(({ to, by }) => [to, by])).toEqual([['Production', 'ada']])

      const before = await allOf(target)
      expect(await source.sync(path, { to: server.url })).toMatchObject({
        runs: { added: 0, changed: 0, same: 3 },
        loggedModels: { added: 0, changed: 0, same: 1 },
        modelVersions: { added: 0, changed: 0, same: 2 },
        points: 0,
        files: 0,
      })
      expect(await allOf(target)).toEqual(before)
    })

    it('cut in the middle of a long history goes on, each point once, also where it is no number', async () => {
      const dir = tempDir()
      const path = join(dir, 'mlruns')
      await using source = clientOf(path, dir)
      const run = await source.startRun({ runName: 'long' })
      for (let step = 0; step < 20_000; step++)
        run.logMetric('loss', step % 97 === 0 ? Number.NaN : step, { step, timestamp: 1_700_000_000_000 + step })
      await run.end()
      const stop = new AbortController()
      const stopped = source.sync(path, {
        to: server.url,
        signal: stop.signal,
        onProgress: ({ points }) => points > 10_000 && stop.abort(new Error('gone')),
      })
      await expect(stopped).rejects.toThrow('gone')
      const { runIds, failed } = await source.sync(path, { to: server.url })
      expect(failed).toEqual([])
      await using target = clientOf(server.url, tempDir())
      const there = (await target.getMetricHistory(runIds[run.runId] ?? '', 'loss')).sort(bySteps)
      expect(there).toEqual((await source.getMetricHistory(run.runId, 'loss')).sort(bySteps))
    })

    it('copied back finds its originals', async () => {
      const dir = tempDir()
      const path = join(dir, 'mlruns')
      await using source = clientOf(path, dir)
      const run = await source.startRun({ runName: 'there and back' })
      await run.logText('x', 'a.txt')
      await run.end()
      const { runIds } = await source.sync(path, { to: server.url })
      const back = await source.sync(server.url, { to: path, runIds: [runIds[run.runId] ?? ''] })
      expect([back.runs, back.failed]).toEqual([{ added: 0, changed: 0, same: 1 }, []])
      const elsewhere = join(tempDir(), 'elsewhere')
      const copy = await source.sync(server.url, { to: elsewhere, runIds: [runIds[run.runId] ?? ''] })
      expect([copy.runs.added, copy.files, copy.failed]).toEqual([1, 1, []])
    })
  })
})
