import { isLocal, localPath } from '../artifacts/location.js'
import { isRunsUri, modelIdOf, parseRunsUri } from '../core/model-uri.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import type { WireModelVersion } from '../transport/protocol.js'
import type { Job } from './job.js'
import type { Plans } from './plans.js'

/** Where a version's files are at the target, in the fields of `createModelVersion`. */
export interface VersionSource {
  readonly source: string
  readonly run_id?: string
  readonly model_id?: string
}

/** Whether a version comes from what is copied. */
export const comesFrom = (version: WireModelVersion, plans: Plans): boolean =>
  plans.runs.has(version.run_id || (runHolding(version.source ?? '', plans) ?? '')) ||
  plans.models.has(modelIdOf(version) ?? '')

/** Finds the copy of the files that a version is made of. */
export async function sourceAt(job: Job, version: WireModelVersion, plans: Plans): Promise<VersionSource> {
  const { name, version: number, source = '' } = version
  const input = { name, version: number }
  const asked = await job.from.transport.call('getModelVersionDownloadUri', input, { signal: job.signal })
  const place = asked.artifact_uri || source
  const modelId = modelIdOf(version) ?? modelIdOf({ source: place })
  if (modelId) return ofModel(job, modelId, plans)
  const runId = version.run_id || runHolding(place, plans)
  const inRun = runId === undefined ? undefined : await ofRun(job, runId, place, plans)
  if (inRun) return inRun
  if (!isLocal(place) && !/^(?:models|runs|mlflow-artifacts):/i.test(place)) return { source: place }
  throw new InvalidParameterError(
    `The files of version ${number} of ${JSON.stringify(name)} lie at ${place}, in none of the runs and models copied; log the model in a run, or copy the run too`,
  )
}

/** The run that a place belongs to, where a version does not say it: named in it, or one of those copied. */
function runHolding(place: string, { runs }: Plans): string | undefined {
  if (isRunsUri(place)) return parseRunsUri(place).runId
  return runs.runs.find(({ info }) => pathBelow(info.artifact_uri, place) !== undefined)?.id
}

async function ofModel(job: Job, id: string, { models }: Plans): Promise<VersionSource> {
  if (!models.has(id)) throw new NotFoundError(`Its logged model ${id} is not among those copied`)
  if (job.hasFailed('logged model', id)) throw new NotFoundError(`Its logged model ${id} was not copied`)
  const { model, artifactUri, path, runId } = await models.ensure(id)
  const run = runId === undefined ? {} : { run_id: runId }
  if (!model) return { source: joined(artifactUri, path), ...run }
  return { source: `models:/${model.info.model_id}`, model_id: model.info.model_id, ...run }
}

/** Files below the artifacts of a run; nothing when they lie elsewhere. */
async function ofRun(job: Job, id: string, place: string, { runs }: Plans): Promise<VersionSource | undefined> {
  const path = isRunsUri(place) ? parseRunsUri(place).path : await pathIn(job, id, place)
  if (path === undefined) return undefined
  if (!runs.has(id))
    throw new NotFoundError(`Its run ${id} is not among those copied; a deleted one is with deleted: true`)
  if (job.hasFailed('run', id)) throw new NotFoundError(`Its run ${id} was not copied`)
  const below = path === '' ? `${id}/` : `${id}/${path}/`
  const lost = job.result.failed.find((failure) => failure.what === 'file' && failure.id.startsWith(below))
  if (lost) throw lost.error
  const { run } = await runs.ensure(id)
  return { source: joined(run.info.artifact_uri ?? '', path), run_id: run.info.run_id }
}

async function pathIn(job: Job, runId: string, place: string): Promise<string | undefined> {
  const { run } = await job.from.transport.call('getRun', { run_id: runId }, { signal: job.signal })
  return pathBelow(run.info.artifact_uri, place)
}

function pathBelow(base: string | undefined, place: string): string | undefined {
  const plain = (uri: string): string => (isLocal(uri) ? localPath(uri) : uri).replace(/\/+$/, '')
  const [root, at] = [plain(base ?? ''), plain(place)]
  if (root === '') return undefined
  if (at === root) return ''
  return at.startsWith(`${root}/`) ? at.slice(root.length + 1) : undefined
}

/** A path below a place; in a file's URI what is special there is percent-encoded. */
function joined(root: string, path: string): string {
  const base = root.replace(/\/+$/, '')
  const below = /^file:/i.test(base) ? path.split('/').map(encodeURIComponent).join('/') : path
  return below === '' ? base : `${base}/${below}`
}
