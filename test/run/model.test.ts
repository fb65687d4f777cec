import { join } from 'node:path'
import { expect, it } from 'vitest'
import { logModelOf, type ModelsRun } from '../../src/run/model.js'
import { modelHouse } from '../support/model-house.js'
import { tempDir } from '../support/temp-dir.js'

it('a model that has no place on disk goes to its run by the id that the server has given meanwhile', async () => {
  const { deps, inner, newRun } = modelHouse()
  const { runId } = await newRun()
  let known: string | undefined
  const folder = {
    dir: join(tempDir(), 'gone'),
    runId: () => known,
    claim: {
      isThere() {
        known = runId
        return false
      },
    },
  }
  const of = { run: { runId: 'ours', flush: async () => {} }, spooled: { folder } } as unknown as ModelsRun
  const ways = {
    packaging: async () => deps,
    backend: deps,
    impatient: deps,
    contextTags: async () => ({}),
    registry: undefined,
    away: () => {},
  }
  const { modelId = '' } = await logModelOf(ways, of, { weights: { age: 2 } }, { name: 'model' })
  const { model } = await inner.call('getLoggedModel', { model_id: modelId })
  expect(model.info).toMatchObject({ source_run_id: runId, status: 'LOGGED_MODEL_READY' })
})
