import { basename, dirname, join, resolve, sep } from 'node:path'
import { isModelUri, isRunsUri, parseModelUri, parseRunsUri } from '../../core/model-uri.js'
import { isPromptSource } from '../../core/prompt.js'
import { realPathOf } from '../../disk/files.js'
import { exists } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import { versionOfAlias } from './aliases.js'
import { localPath } from './artifacts.js'
import { textField } from './codec.js'
import { fileUri, type Store } from './layout.js'
import { appendToUri } from './meta-file.js'
import { existingModel } from './model-folder.js'
import { latestOf, readVersion, readVersions } from './registry-files.js'
import { outputNamed, trackedArtifacts, trackedModel } from './tracked.js'

/** What a version is made of: the source as given, where its files lie, and the run and logged model it comes from. */
export interface Lineage {
  readonly source: string
  readonly storage: string
  readonly runId?: string | undefined
  readonly modelId?: string | undefined
}

interface Given {
  readonly source: string
  readonly runId: string | undefined
  readonly modelId: string | undefined
}

function refuse(source: string, why: string): never {
  throw new InvalidParameterError(`The model version source ${JSON.stringify(source.slice(0, 200))} ${why}`)
}

const decoded = (text: string): string =>
  text.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))

/** Refuses what one program takes for data and the next for a way out, however often it is percent-encoded. */
function checkText(source: string): void {
  if (/[#;?]/.test(source)) refuse(source, 'contains "#", ";" or "?", which readers take apart in different ways')
  for (let text = source, round = 0; ; round++) {
    const behind = round > 0 ? ' behind percent escapes' : ''
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (/[\x00-\x1f\x7f]/.test(text)) refuse(source, `contains a control character${behind}`)
    if (text.split(/[/\\]/).includes('..')) refuse(source, `contains a ".." segment${behind}`)
    const plain = decoded(text)
    if (plain === text) return
    text = plain
  }
}

// One letter is a Windows drive, not a scheme.
const schemeOf = (uri: string): string | undefined => /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1]?.toLowerCase()

/** The path with the links of what is there already resolved; what is not there yet can be no link. */
async function settled(path: string): Promise<string> {
  const real = await realPathOf(path)
  if (real !== undefined) return real
  const above = dirname(path)
  return above === path ? path : join(await settled(above), basename(path))
}

const isWithin = (root: string, path: string): boolean => path === root || path.startsWith(root + sep)

/** Where the files of the run and the logged model named lie. */
async function homesOf(store: Store, { runId, modelId }: Given): Promise<string[]> {
  const homes: string[] = []
  if (modelId !== undefined) homes.push((await trackedModel(store, modelId)).location)
  if (runId !== undefined) homes.push(await trackedArtifacts(store, runId))
  return homes
}

const OWNER =
  'is on this machine: give the run_id or model_id whose artifact folder holds it, or a URI of a store everyone reaches'

async function checkLocal(store: Store, given: Given, path: string): Promise<void> {
  const real = await settled(resolve(path))
  for (const home of await homesOf(store, given)) {
    const root = localPath(home)
    if (root !== undefined && isWithin(await settled(resolve(root)), real)) return
  }
  refuse(
    given.source,
    given.runId === undefined && given.modelId === undefined ? OWNER : `${OWNER}; it is not in there`,
  )
}

async function fromLoggedModel(store: Store, { source, runId, modelId }: Given, id: string): Promise<Lineage> {
  if (modelId !== undefined && modelId !== id) refuse(source, `is not of the model_id ${modelId} given with it`)
  const model = await trackedModel(store, id)
  return { source, storage: model.location, modelId: id, runId: runId ?? model.runId }
}

/** A version of this registry: named for good, since its stage or alias may move. */
async function fromVersion(store: Store, { source, runId, modelId }: Given): Promise<Lineage> {
  const ref = parseModelUri(source)
  if (ref.registryUri !== undefined) refuse(source, 'names another registry; only versions of this one can be copied')
  if (ref.by === 'id') return fromLoggedModel(store, { source, runId, modelId }, ref.modelId)
  const number = ref.by === 'version' ? ref.version : newest(store, source, ref)
  const { meta } = readVersion(store, ref.name, number)
  const own = { runId: textField(meta, 'run_id'), modelId: textField(meta, 'model_id') }
  if ((runId ?? own.runId) !== own.runId || (modelId ?? own.modelId) !== own.modelId)
    refuse(source, 'is of another run_id or model_id than given with it')
  const storage = textField(meta, 'storage_location') || textField(meta, 'source') || ''
  return { source: `models:/${ref.name}/${number}`, storage, ...own }
}

type Moving = Exclude<ReturnType<typeof parseModelUri>, { by: 'version' } | { by: 'id' }>

function newest(store: Store, source: string, ref: Moving): string {
  if (ref.by !== 'stage') return versionOfAlias(store, ref.name, ref.by === 'alias' ? ref.alias : 'latest')
  const [found] = latestOf(readVersions(store, existingModel(store, ref.name)), [ref.stage])
  if (!found) throw new NotFoundError(`${source}: the registered model has no version in stage ${ref.stage}`)
  return String(found.number)
}

/** The URI of a path below another; in a file's URI, what is special there is percent-encoded. */
function below(uri: string, path: string): string {
  if (path === '') return uri
  const local = localPath(uri)
  return local === undefined ? appendToUri(uri, path) : fileUri(join(local, path))
}

/** Files of a run, or, as MLflow 3 logs them, a logged model that the run put out under that name. */
async function fromRun(store: Store, { source, runId: given, modelId }: Given): Promise<Lineage> {
  const { runId, path, trackingUri } = parseRunsUri(source)
  if (trackingUri !== undefined) refuse(source, 'names another tracking server')
  if (given !== undefined && given !== runId) refuse(source, `is not of the run_id ${given} given with it`)
  const artifacts = await trackedArtifacts(store, runId)
  const storage = below(artifacts, path)
  const local = localPath(storage)
  const [name = '', ...rest] = path.split('/')
  const output = local !== undefined && exists(local) ? undefined : await outputNamed(store, runId, name)
  if (!output) return { source, storage, runId, modelId }
  const { storage: home, modelId: id } = await fromLoggedModel(store, { source, runId, modelId }, output)
  return { source, storage: below(home, rest.join('/')), runId, modelId: id }
}

/**
 * Checks the source of a new version and finds what it stands for. A local path must lie in the artifact folder of the
 * run or logged model given with it, links resolved. Throws `InvalidParameterError` for a source that leads elsewhere,
 * `NotFoundError` when what it names is not there.
 */
export async function lineageOf(
  store: Store,
  input: { readonly source: string; readonly run_id?: string | undefined; readonly model_id?: string | undefined },
): Promise<Lineage> {
  const { source } = input
  const given = { source, runId: input.run_id || undefined, modelId: input.model_id || undefined }
  checkText(source)
  if (isModelUri(source)) return fromVersion(store, given)
  if (isRunsUri(source)) return fromRun(store, given)
  const scheme = schemeOf(source)
  if (scheme === 'models' || scheme === 'runs') refuse(source, `must begin with "${scheme}:/" in lower case`)
  if (scheme === 'javascript' || scheme === 'data') refuse(source, 'is no place where files lie')
  if (isPromptSource(source) && given.runId === undefined && given.modelId === undefined)
    return { source, storage: source }
  const path = localPath(source)
  if (path !== undefined) await checkLocal(store, given, path)
  else if (scheme === 'mlflow-artifacts' && !(await homesOf(store, given)).some((home) => isBelow(home, source)))
    refuse(source, 'must lie in the artifacts of the run_id or model_id given with it')
  const runId = given.runId ?? (given.modelId ? (await trackedModel(store, given.modelId)).runId : undefined)
  return { source, storage: source, runId, modelId: given.modelId }
}

const isBelow = (home: string, source: string): boolean => source === home || source.startsWith(appendToUri(home, ''))
