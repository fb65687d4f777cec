import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { python } from './python.js'
import { available, startCairn } from './servers.js'

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
