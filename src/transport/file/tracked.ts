import { join } from 'node:path'
import { valueIn } from '../../core/pairs.js'
import { TAG } from '../../core/tags.js'
import { CairnError } from '../../errors.js'
import type { Output } from '../protocol.js'
import { textField } from './codec.js'
import { readOutputs } from './datasets.js'
import { fileUri, type Store } from './layout.js'
import { listIn, locationOf, loggedModelIfReadable, readLoggedModel, rememberVersion } from './logged-model-files.js'
import { findRun } from './run-meta.js'

// A registry may lie apart from the runs and logged models it is about: then those are asked for at their own place.

/** What a registry needs to know of a logged model. */
export interface TrackedModel {
  readonly name: string | undefined
  readonly location: string
  readonly runId: string | undefined
}

const asked = async (store: Store, model_id: string): Promise<Output<'getLoggedModel'>['model'] | undefined> =>
  store.tracking && (await (await store.tracking()).call('getLoggedModel', { model_id })).model

/** A logged model by its id; throws `NotFoundError` when there is none. */
export async function trackedModel(store: Store, id: string): Promise<TrackedModel> {
  const elsewhere = await asked(store, id)
  if (elsewhere) {
    const { name, artifact_uri: location = '', source_run_id: runId } = elsewhere.info
    return { name, location, runId: runId || undefined }
  }
  const model = readLoggedModel(store, id)
  const text = (key: string) => textField(model.meta, key) || undefined
  return { name: text('name'), location: locationOf(model), runId: text('source_run_id') }
}

/** Where a run's files lie; throws `NotFoundError` when there is no such run. */
export async function trackedArtifacts(store: Store, runId: string): Promise<string> {
  if (store.tracking) {
    const { run } = await (await store.tracking()).call('getRun', { run_id: runId })
    return run.info.artifact_uri ?? ''
  }
  const { dir, info } = findRun(store, runId)
  return info.artifact_uri || fileUri(join(dir, 'artifacts'))
}

type Outputs = { readonly model_id: string; readonly step?: number | bigint | undefined }[]

async function outputsOf(store: Store, runId: string): Promise<Outputs> {
  if (!store.tracking) return readOutputs(store, findRun(store, runId).dir).model_outputs
  const { run } = await (await store.tracking()).call('getRun', { run_id: runId })
  return run.outputs?.model_outputs ?? []
}

/** The id of the logged model that a run put out under a name, the one of the greatest step; undefined when there is none. */
export async function outputNamed(store: Store, runId: string, name: string): Promise<string | undefined> {
  const named: Outputs = []
  for (const output of await outputsOf(store, runId)) {
    const elsewhere = await asked(store, output.model_id).catch(() => undefined)
    const own = store.tracking ? undefined : loggedModelIfReadable(store, output.model_id)
    if ((elsewhere?.info.name ?? (own && textField(own.meta, 'name'))) === name) named.push(output)
  }
  named.sort((a, b) => Number(a.step ?? 0) - Number(b.step ?? 0))
  return named.at(-1)?.model_id
}

/** Tells a logged model of a version made of it. What lies elsewhere is told as far as it listens: the version stands. */
export async function tellModel(store: Store, id: string, name: string, version: number): Promise<void> {
  if (!store.tracking) {
    rememberVersion(store, id, name, version)
    return
  }
  try {
    const known = valueIn((await asked(store, id))?.info.tags, TAG.versions)
    const value = JSON.stringify([...listIn(known), { name, version }])
    await (await store.tracking()).call('setLoggedModelTags', { model_id: id, tags: [{ key: TAG.versions, value }] })
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    store.warn(`The logged model ${id} could not be told of version ${version} of ${name}: ${error.message}`)
  }
}
