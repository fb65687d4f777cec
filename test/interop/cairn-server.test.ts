import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { startServer } from '../../src/server/index.js'
import { python } from './python.js'
import { available, startCairn, startMlflow } from './servers.js'

describe.each(['latest', 'latest-2'] as const)("Python's client of MLflow %s", (environment) => {
  it.skipIf(!available(environment))(
    'works against cairn-ml server unchanged: runs, files, models, registry',
    async () => {
      const { url, store, stop } = await startCairn()
      expect(await python(environment, 'train', url, 'work').finally(stop)).toEqual({
        predicted: [
          [1, 1, 1],
          [1, 1, 1],
          [1, 1, 1],
        ],
        found: true,
        steps: [1, 2],
        files: ['large.bin', 'notes', 't.json'],
        same: true,
        refused: 'INVALID_PARAMETER_VALUE',
        deleted: 'deleted',
        artifact_uri: 'mlflow-artifacts:',
      })
      // The folder itself knows nothing of a server: who opens it finds files.
      await using client = createClient({ trackingUri: store })
      const [run] = await client.searchRuns({ experimentNames: ['work'] })
      expect(run?.info.artifactUri).toMatch(/^file:/)
      expect(await client.getLatestVersions('work', ['Production'])).toMatchObject([{ version: '1' }])
    },
  )
})

it.skipIf(!available('latest'))(
  'a filter that MLflow refuses is shown where it broke, also on the page of a server in front of it',
  async () => {
    const mlflow = await startMlflow('latest', { store: 'sqlite' })
    const page = await startServer({ trackingUri: mlflow.url })
    await using client = createClient({ trackingUri: mlflow.url })
    const filter = 'metrics.auc >> 0.8'
    const place = expect.stringMatching(/metrics\.auc >> 0\.8\n +\^/)
    const direct = client.searchRuns({ filter }).catch((error: unknown) => error)
    expect(await direct).toMatchObject({ name: 'InvalidParameterError', status: 400, message: place })
    const asked = await fetch(`${page.trackingUri}/api/2.0/mlflow/runs/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_ids: ['0'], filter }),
    })
    expect(asked.status).toBe(400)
    expect(await asked.json()).toMatchObject({ error_code: 'INVALID_PARAMETER_VALUE', message: place })
    await page.close()
    await mlflow.stop()
  },
)
