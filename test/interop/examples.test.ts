import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sender } from '../../src/http/send.js'
import { type HttpTransport, httpTransport } from '../../src/transport/http.js'
import { numbersIn, runExample, startService } from '../support/example.js'
import { tempDir } from '../support/temp-dir.js'
import { available, postgresBin, type Running, startCairn, startMlflow, startMlflowOnPostgres } from './servers.js'

const servers: Running[] = []
afterAll(async () => {
  for (const server of servers.splice(0).reverse()) await server.stop()
})
async function kept<R extends Running>(starting: Promise<R>): Promise<R> {
  const running = await starting
  servers.push(running)
  return running
}

function examples(start: () => Promise<string>): void {
  let server: { readonly MLFLOW_TRACKING_URI: string }
  const quickstart = { cwd: tempDir(), output: '' }
  beforeAll(async () => {
    server = { MLFLOW_TRACKING_URI: await start() }
    quickstart.output = await runExample('quickstart.ts', quickstart.cwd, server)
  })

  /** As a user would: the only thing said is where the server is, and nothing stays here. */
  async function run(example: string): Promise<string> {
    const cwd = tempDir()
    const output = await runExample(example, cwd, server)
    expect(existsSync(join(cwd, 'mlruns'))).toBe(false)
    return output
  }

  async function asked<T>(ask: (transport: HttpTransport) => Promise<T>): Promise<T> {
    const transport = httpTransport({ send: sender({ url: server.MLFLOW_TRACKING_URI }) })
    return ask(transport).finally(() => transport.close())
  }

  it('quickstart.ts leaves its versions and stages on the server, and nothing here', async () => {
    expect(numbersIn(quickstart.output, /Production is version (\d+): accuracy [\d.]+ on 60/g)).toEqual([1, 2, 1])
    expect(existsSync(join(quickstart.cwd, 'mlruns'))).toBe(false)
    const { model_versions } = await asked((transport) =>
      transport.call('searchModelVersions', { filter: "name = 'iris'" }),
    )
    expect(model_versions).toHaveLength(2)
  })

  it('inference-service.ts serves what quickstart.ts promoted', async () => {
    const { url, stop } = await startService('models:/iris/Production', tempDir(), server)
    const flower = { sepalLength: 5, sepalWidth: 3.4, petalLength: 1.5, petalWidth: 0.2 }
    const answer = await fetch(`${url}/predict`, { method: 'POST', body: JSON.stringify([flower]) })
    expect(await answer.json()).toMatchObject({ version: '1', predictions: [{ species: 'setosa' }] })
    expect(await stop()).toBe(0)
  })

  it.each(['tfjs-training.ts', 'onnx-training.ts', 'custom-flavor.ts'])('%s reaches its accuracy', async (example) => {
    const reached = numbersIn(await run(example), /accuracy ([\d.]+)/g)
    expect(Math.min(...reached)).toBeGreaterThan(0.85)
  })

  it('search-and-compare.ts finds its best by a search', async () => {
    expect(await run('search-and-compare.ts')).toMatch(/Best: learning rate [\d.]+ \(run [0-9a-f]{32}\)/)
  })

  it('custom-artifact-store.ts keeps its files where the server says, its way', async () => {
    expect(await run('custom-artifact-store.ts')).toContain('the same text')
  })

  it('custom-transport.ts leaves all its points on the server', async () => {
    expect(await run('custom-transport.ts')).toMatch(/5000 points went to the store in \d+ calls/)
    const history = await asked(async (transport) => {
      const { experiment } = await transport.call('getExperimentByName', { experiment_name: 'counted' })
      const found = { experiment_ids: [experiment.experiment_id] }
      const [run] = (await transport.call('searchRuns', found)).runs
      const metric = { run_id: run?.info.run_id ?? '', metric_key: 'wave', max_results: 10_000 }
      return (await transport.call('getMetricHistory', metric)).metrics
    })
    expect(new Set(history.map(({ step }) => step)).size).toBe(5000)
    expect(history).toHaveLength(5000)
  })
}

describe.skipIf(!available('latest'))('examples on the newest MLflow and SQLite', () => {
  examples(async () => (await kept(startMlflow('latest', { store: 'sqlite' }))).url)
})

describe.skipIf(!available('latest') || !postgresBin)('examples on the newest MLflow, PostgreSQL and S3', () => {
  examples(async () => (await kept(startMlflowOnPostgres())).url)
})

describe.skipIf(!available('latest-2'))('examples on the newest MLflow 2 and its file store', () => {
  examples(async () => (await kept(startMlflow('latest-2', { store: 'files' }))).url)
})

describe('examples on cairn-ml server', () => {
  examples(async () => (await kept(startCairn())).url)
})
