import { checkSource } from '../artifacts/location.js'
import { givenUri, type RunsRef } from '../core/model-uri.js'
import { absent, IntegrityError, InvalidParameterError } from '../errors.js'
import type { ModelPlace } from '../models/resolved.js'
import type { WireLoggedModel, WireRun } from '../transport/protocol.js'
import type { Backends, ResolveOptions } from './backends.js'

/** A logged model; `NotFoundError` when there is none, or when it is deleted. */
export async function getLoggedModel(
  { tracking }: Backends,
  modelId: string,
  options: ResolveOptions,
): Promise<WireLoggedModel> {
  return (await (await tracking.transport()).call('getLoggedModel', { model_id: modelId }, options)).model
}

/** Where a logged model says that its files are. */
export function placeOf(backends: Backends, { info }: WireLoggedModel): ModelPlace {
  if (info.status === 'LOGGED_MODEL_UPLOAD_FAILED')
    throw new IntegrityError(`The upload of the model ${info.model_id} failed; log it again`)
  if (!info.artifact_uri)
    throw new IntegrityError(`The server does not say where the files of the model ${info.model_id} are`)
  return { artifactUri: checkSource(info.artifact_uri, backends.tracking.sharesDisk), path: '' }
}

/** Where the files of a logged model are. */
export const loggedModelPlace = async (
  backends: Backends,
  modelId: string,
  options: ResolveOptions = {},
): Promise<ModelPlace> => placeOf(backends, await getLoggedModel(backends, modelId, options))

/** A place that a `runs:/` reference means; `modelId` and the path `below` when it is in a logged model of the run. */
export interface RunPlace {
  readonly place: ModelPlace
  readonly modelId?: string
  readonly below?: string
}

/** A run's models, newest first; none for runs of MLflow 2. */
export async function modelsOfRun(
  backends: Backends,
  run: WireRun,
  options: ResolveOptions = {},
): Promise<WireLoggedModel[]> {
  const ids = [...new Set((run.outputs?.model_outputs ?? []).map((output) => output.model_id))]
  // The run still names what was deleted since.
  const models = await Promise.all(ids.map((id) => getLoggedModel(backends, id, options).catch(absent)))
  const time = ({ info }: WireLoggedModel): number => info.creation_timestamp_ms ?? 0
  return models.filter((model) => model !== undefined).sort((a, b) => time(b) - time(a))
}

/** The run behind an id. */
export async function runOf({ tracking }: Backends, runId: string, options: ResolveOptions = {}): Promise<WireRun> {
  return (await (await tracking.transport()).call('getRun', { run_id: runId }, options)).run
}

/** The store of a run's own artifacts. */
export function artifactUriOf(backends: Backends, run: WireRun): string {
  if (!run.info.artifact_uri)
    throw new IntegrityError(`The server does not say where the artifacts of run ${run.info.run_id} are`)
  return checkSource(run.info.artifact_uri, backends.tracking.sharesDisk)
}

/** Where `runs:/<id>/<path>` leads: into a logged model of the run that has the name of the first segment, else the run's own artifacts. */
export async function placeInRun(backends: Backends, ref: RunsRef, options: ResolveOptions = {}): Promise<RunPlace> {
  const ours = givenUri(backends.tracking.uri)
  if (ref.trackingUri !== undefined && ref.trackingUri !== ours)
    throw new InvalidParameterError(
      `runs:/${ref.runId} is said to be at ${ref.trackingUri}, but this client has ${ours}; set it with setTrackingUri`,
    )
  const run = await runOf(backends, ref.runId, options)
  const [first = '', ...rest] = ref.path.split('/')
  if (first !== '') {
    const models = await modelsOfRun(backends, run, options)
    const named = models.find(({ info }) => info.name === first && info.status !== 'LOGGED_MODEL_UPLOAD_FAILED')
    if (named) {
      const below = rest.join('/')
      return { place: { ...placeOf(backends, named), path: below }, modelId: named.info.model_id, below }
    }
  }
  return { place: { artifactUri: artifactUriOf(backends, run), path: ref.path } }
}
