import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Client, createClient } from '../../../src/index.js'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'

type Aborted = { readonly signal: AbortSignal }

afterEach(() => vi.unstubAllEnvs())

describe('a call that was aborted before it began', () => {
  const reason = new Error('changed his mind')
  const signal = AbortSignal.abort(reason)

  it('rejects with the reason, whatever it was to do, and leaves the store as it is', async () => {
    const root = join(tempDir(), 'mlruns')
    const client = createClient({ trackingUri: root })
    const run = await client.startRun()
    run.logMetric('loss', 1)
    await run.logText('text', 'a.txt')
    await run.end()
    await client.createRegisteredModel('model')
    const before = readdirSync(root, { recursive: true }).sort()
    const acts: ((client: Client, how: Aborted) => Promise<unknown>)[] = [
      (c, how) => c.getRun(run.runId, how),
      (c, how) => c.getMetricHistory(run.runId, 'loss', how),
      (c, how) => c.searchRuns(how),
      (c, how) => c.searchExperiments(how),
      (c, how) => c.searchRegisteredModels(how),
      (c, how) => c.searchLoggedModels({ experimentIds: ['0'], ...how }),
      (c, how) => c.listArtifacts(run.runId, undefined, how),
      (c, how) => c.downloadArtifacts({ runId: run.runId, path: 'a.txt' }, { dstPath: tempDir(), ...how }),
      (c, how) => c.setExperiment('new', how),
      (c, how) => c.createExperiment('new', how),
      (c, how) => c.createRun('0', how),
      (c, how) => c.startRun(how),
      (c, how) => c.startRun({ runId: run.runId, ...how }),
      (c, how) => c.updateRun(run.runId, { runName: 'new', ...how }),
      (c, how) => c.logBatch(run.runId, { params: { a: 1 } }, how),
      (c, how) => c.deleteRun(run.runId, how),
      (c, how) => c.createRegisteredModel('new', how),
      (c, how) => c.deleteRegisteredModel('model', how),
    ]
    for (const act of acts) await expect(act(client, { signal }), String(act)).rejects.toBe(reason)
    expect(readdirSync(root, { recursive: true }).sort()).toEqual(before)
    expect((await client.getRun(run.runId)).info).toMatchObject({ status: 'FINISHED', lifecycleStage: 'active' })
    await client.close()
  })

  it('makes no store, and no experiment that the environment names', async () => {
    vi.stubEnv('MLFLOW_EXPERIMENT_NAME', 'new')
    const dir = tempDir()
    const client = createClient({ trackingUri: join(dir, 'mlruns') })
    await expect(client.startRun({ signal })).rejects.toBe(reason)
    expect(readdirSync(dir)).toEqual([])
    await client.close()
  })
})

it('a long search that is aborted goes no further', async () => {
  const root = join(tempDir(), 'mlruns')
  const transport = fileTransport({ root })
  await transport.call('getExperiment', { experiment_id: '0' })
  for (let i = 0; i < 600; i++) mkdirSync(join(root, '0', i.toString(16).padStart(32, '0')))
  for (const background of [false, true]) {
    const abort = new AbortController()
    const searching = transport.call('searchRuns', { experiment_ids: ['0'] }, { signal: abort.signal, background })
    abort.abort(new Error('enough'))
    await expect(searching).rejects.toThrow('enough')
  }
  expect((await transport.call('searchRuns', { experiment_ids: ['0'] })).runs).toEqual([])
  await transport.close()
})
