import { textField } from './codec.js'
import { readOutputs } from './datasets.js'
import type { Store } from './layout.js'
import { loggedModelIfReadable } from './logged-model-files.js'
import { findRun } from './run-meta.js'

/** The id of the logged model that a run put out under a name, the one of the greatest step; undefined when there is none. */
export function outputNamed(store: Store, runId: string, name: string): string | undefined {
  const named = readOutputs(store, findRun(store, runId).dir).model_outputs.filter(({ model_id: id }) => {
    const model = loggedModelIfReadable(store, id)
    return model !== undefined && textField(model.meta, 'name') === name
  })
  named.sort((a, b) => Number(a.step) - Number(b.step))
  return named.at(-1)?.model_id
}
