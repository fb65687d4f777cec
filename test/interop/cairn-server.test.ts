import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { startServer } from '../../src/server/index.js'
import { tempDir } from '../support/temp-dir.js'
import { python } from './python.js'
import { available } from './servers.js'

describe.each(['latest', 'latest-2'] as const)("Python's client of MLflow %s", (environment) => {
  it.skipIf(!available(environment))(
    'works against cairn-ml server unchanged: runs, files, models, registry',
    async () => {
      const store = `${tempDir()}/mlruns`
      await using server = await startServer({ trackingUri: store })
      expect(await python(environment, 'train', server.trackingUri, 'work')).toEqual({
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
