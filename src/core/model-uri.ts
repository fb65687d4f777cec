import { InvalidParameterError } from '../errors.js'
import { checkAlias, checkModelName, checkRunId, checkStage, checkVersion, type Stage } from './names.js'
import { shown } from './options.js'
import { checkRelativePath } from './relative-path.js'

/** How a client keeps the address `databricks`, which would be a folder otherwise. */
export const DEFAULT_PROFILE = 'databricks://'

/** A kept address as it is given. */
export const givenUri = (kept: string): string => (kept === DEFAULT_PROFILE ? 'databricks' : kept)

/** What a `models:/` URI names; `registryUri` is set when the URI itself selects a registry (`models://profile@databricks/…`). */
export type ModelRef = { readonly registryUri?: string } & (
  | { readonly by: 'version'; readonly name: string; readonly version: string }
  | { readonly by: 'stage'; readonly name: string; readonly stage: Stage }
  | { readonly by: 'latest'; readonly name: string }
  | { readonly by: 'alias'; readonly name: string; readonly alias: string }
  | { readonly by: 'id'; readonly modelId: string }
)

/** What a `runs:/` URI names; `path` is `''` for the run's whole artifact folder. */
export interface RunsRef {
  readonly runId: string
  readonly path: string
  readonly trackingUri?: string
}

// A path may follow an id only where it cannot be the name of a registered model.
const WHOLE_ID = /^m-[0-9a-f]{32}$/
const MODEL_ID = /^m-[0-9a-zA-Z]{1,64}$/
const FORMS =
  'models:/name/3, models:/name/Production, models:/name/latest, models:/name@alias or models:/m-<32 hexadecimal digits>'
// A path may hold it, unlike the other characters that no URI has.
const QUESTIONED =
  '; downloadArtifacts({ runId, path }) fetches what has such a name, and loadModel takes the folder that it answers'

const show = (uri: unknown): string => (typeof uri === 'string' ? JSON.stringify(uri.slice(0, 200)) : shown(uri))
const refuse = (uri: unknown, why: string): never => {
  throw new InvalidParameterError(`${show(uri)} ${why}`)
}

/** Whether this text is a `models:/` URI; case counts, as nothing else may be taken for one. */
export const isModelUri = (uri: string): boolean => uri.startsWith('models:/')
/** Whether this text is a `runs:/` URI. */
export const isRunsUri = (uri: string): boolean => uri.startsWith('runs:/')

// Nothing is percent-decoded: MLflow does not do it either, and "a%2fb" is a model name a server may hold.
function segmentsOf(uri: string, scheme: 'models' | 'runs'): { segments: string[]; authority?: string } {
  const forms = scheme === 'models' ? FORMS : 'runs:/<run id>/<path>'
  if (typeof uri !== 'string' || !uri.startsWith(`${scheme}:/`)) return refuse(uri, `is not a URI like ${forms}`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const odd = /[#?\x00-\x1f\x7f]/.exec(uri)
  const otherwise = scheme === 'runs' && odd?.[0] === '?' ? QUESTIONED : ''
  if (odd)
    return refuse(uri, `contains ${JSON.stringify(odd[0])}, which has no meaning in a ${scheme}:/ URI${otherwise}`)
  let rest = uri.slice(scheme.length + 2)
  let authority: string | undefined
  if (rest.startsWith('/')) {
    const end = rest.indexOf('/', 1)
    const given = rest.slice(1, end < 0 ? undefined : end)
    const profile = /^(?:([\w.:-]+)@)?databricks$/.exec(given)
    if (!profile || end < 0)
      return refuse(uri, `names the host ${show(given)}; only "profile@databricks" may stand there`)
    authority = profile[1] ? `databricks://${profile[1]}` : 'databricks'
    rest = rest.slice(end + 1)
  }
  return { segments: rest.split('/'), ...(authority === undefined ? {} : { authority }) }
}

function nameOf(uri: string, name: string): string {
  if (name === '.' || name === '..') return refuse(uri, `does not name a model; use ${FORMS}`)
  return checkModelName(name)
}

function refOf(uri: string, [first = '', second]: readonly string[]): ModelRef {
  if (second === undefined) {
    if (MODEL_ID.test(first)) return { by: 'id', modelId: first }
    const at = first.lastIndexOf('@')
    if (at < 0) return refuse(uri, `says neither version, stage nor alias; use ${FORMS}`)
    return { by: 'alias', name: nameOf(uri, first.slice(0, at)), alias: checkAlias(first.slice(at + 1)) }
  }
  const name = nameOf(uri, first)
  if (/^\d+$/.test(second)) return { by: 'version', name, version: checkVersion(second.replace(/^0+(?=\d)/, '')) }
  if (second.toLowerCase() === 'latest') return { by: 'latest', name }
  return { by: 'stage', name, stage: checkStage(second) }
}

const withRegistry = (ref: ModelRef, authority: string | undefined): ModelRef =>
  authority === undefined ? ref : { ...ref, registryUri: authority }

/**
 * Reads `models:/name/3`, `/Production` (any case), `/latest`, `models:/name@alias` or `models:/m-<id>`. Throws
 * `InvalidParameterError` for anything else; a stage comes back in MLflow's spelling, a version without leading zeros.
 */
export function parseModelUri(uri: string): ModelRef {
  const { segments, authority } = segmentsOf(uri, 'models')
  if (segments.length > 2) return refuse(uri, `has more than two segments; use ${FORMS}`)
  return withRegistry(refOf(uri, segments), authority)
}

/** As `parseModelUri`, but a path to a file of the model may follow: `models:/name/3/sub/file` gives the path `sub/file`. */
export function splitModelUri(uri: string): { readonly ref: ModelRef; readonly path: string } {
  const { segments, authority } = segmentsOf(uri, 'models')
  const [first = ''] = segments
  const own = WHOLE_ID.test(first) || first.includes('@') ? 1 : 2
  const path = segments.slice(own).join('/')
  if (segments.length > own) checkRelativePath(path, `The path in ${show(uri)}`)
  return { ref: withRegistry(refOf(uri, segments.slice(0, own)), authority), path }
}

/** Reads `runs:/<run id>/<path>`; throws `InvalidParameterError`, or `UnsafePathError` for a path that leads out of the run. */
export function parseRunsUri(uri: string): RunsRef {
  const { segments, authority } = segmentsOf(uri, 'runs')
  const [runId = '', ...rest] = segments
  const path = rest.join('/')
  if (path !== '') checkRelativePath(path, `The path in ${show(uri)}`)
  return { runId: checkRunId(runId), path, ...(authority === undefined ? {} : { trackingUri: authority }) }
}

/** What the source of a version names, where that is a logged model or another version; undefined for files, or what is no reference. */
export function sourceRef(source: string | undefined): ModelRef | undefined {
  if (source === undefined || !isModelUri(source)) return undefined
  try {
    return parseModelUri(source)
  } catch {
    return undefined
  }
}

/** The logged model that a version is: databases of MLflow keep it in the source alone. */
export function modelIdOf(version: {
  readonly model_id?: string | null | undefined
  readonly source?: string | null | undefined
}): string | undefined {
  if (version.model_id) return version.model_id
  const ref = sourceRef(version.source ?? undefined)
  return ref?.by === 'id' ? ref.modelId : undefined
}

/** Writes a reference back as its URI. */
export function formatModelUri(ref: ModelRef): string {
  const root = ref.registryUri ? `models://${ref.registryUri.replace('databricks://', '')}@databricks` : 'models:'
  const base = ref.registryUri === 'databricks' ? 'models://databricks' : root
  if (ref.by === 'id') return `${base}/${ref.modelId}`
  if (ref.by === 'alias') return `${base}/${ref.name}@${ref.alias}`
  if (ref.by === 'latest') return `${base}/${ref.name}/latest`
  return `${base}/${ref.name}/${ref.by === 'version' ? ref.version : ref.stage}`
}
