import { join } from 'node:path'
import { checkArtifactPath } from '../artifacts/paths.js'
import { checkInput } from '../core/check-input.js'
import { type MlModel, readMlModel } from '../core/mlmodel.js'
import type { Signature } from '../core/signature.js'
import type { ModelInput, ModelOutput, NamedTensors, Row, Tensor, TensorLike } from '../core/tensor.js'
import { isRows } from '../core/tensor-data.js'
import { readYamlText, YAML_LIMIT } from '../core/yaml.js'
import { factsOf, readText } from '../disk/files.js'
import { IntegrityError, InvalidParameterError, NotFoundError } from '../errors.js'
import { type BatchOptions, batching } from './batching.js'
import { readExample } from './example.js'
import type { Flavor, LoadedFlavor, LoadOptions } from './flavor.js'
import { type FolderDeps, type FolderOptions, type ModelFolder, modelFolder, REGISTERED_META } from './folder.js'
import { lifetime } from './lifetime.js'
import { compareOutputs, readOutput } from './output-example.js'
import { pickFlavor } from './pick.js'

/** How `loadModel` fetches, checks and serves a model. */
export interface LoadModelOptions extends FolderOptions, Omit<LoadOptions, 'signature'> {
  /** Runs the stored input example again and refuses the model when its answer differs from the stored one; the tolerance is relative, 1e-5 unless said. */
  readonly replay?: boolean | { readonly tolerance?: number | undefined } | undefined
  /** Joins the rows of calls that come close together. */
  readonly batch?: boolean | BatchOptions | undefined
}

export interface LoadDeps extends FolderDeps {
  readonly flavors: readonly Flavor[]
}

/** What is known of a loaded model. */
export interface LoadedModelInfo {
  /** Registered name and version, where it was loaded by them. */
  readonly name: string | undefined
  readonly version: string | undefined
  readonly runId: string | undefined
  readonly modelId: string | undefined
  /** What the registry says it was made from; else the reference it was loaded by. */
  readonly source: string
  readonly flavor: string
  readonly signature: Signature | undefined
  /** Where its files are. */
  readonly path: string
  readonly metadata: Readonly<Record<string, unknown>> | undefined
  /** True when a moving reference was taken from memory because its registry was not asked. */
  readonly stale?: true
}

/** A model that answers. */
export interface LoadedModel extends AsyncDisposable {
  readonly info: LoadedModelInfo
  /** The framework's own object. */
  readonly native: unknown
  /**
   * Rows in, rows out; one tensor in, one out (by name where the model has several); named tensors in, named tensors out.
   * Input that does not fit the signature is a `SignatureMismatchError`.
   */
  predict(input: readonly Row[]): Promise<readonly Row[]>
  /** One tensor in, one tensor out. */
  predict(input: TensorLike): Promise<Tensor>
  /** Named tensors in, named tensors out. */
  predict(input: NamedTensors): Promise<Readonly<Record<string, Tensor>>>
  /** The same for input whose form is known only when it runs. */
  predict(input: ModelInput): Promise<ModelOutput>
  /** Frees what the framework holds, when calls under way are done; a second call does nothing. */
  dispose(): Promise<void>
}

/**
 * Loads the model that a reference means: its files from the cache (or where they lie on this disk), by the first flavor
 * configured here that it has; `UnsupportedFlavorError` when there is none.
 */
export async function loadModel(deps: LoadDeps, uri: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const folder = await modelFolder(deps, uri, options, (text) => {
    pickFlavor(deps.flavors, readMlModel(text, `The MLmodel of ${uri}`), uri)
  })
  const described = await readModel(folder.dir)
  const { flavor, config } = pickFlavor(deps.flavors, described, uri)
  const { allowCode, lib, sessionOptions, signal } = options
  signal?.throwIfAborted()
  const { signature } = described
  const loaded = lifetime(
    await flavor.load(folder.dir, config, { allowCode, lib, sessionOptions, signature }).catch((error: unknown) => {
      if (!(error instanceof NotFoundError)) throw error
      throw new IntegrityError(`The model ${uri} lacks a file that its MLmodel names: ${error.message}`, {
        cause: error,
      })
    }),
  )
  try {
    signal?.throwIfAborted()
    if (options.replay) await replay(folder.dir, described, loaded, options.replay)
    return alive(loaded, await infoOf(folder, described, flavor.name), options.batch)
  } catch (error) {
    await loaded.dispose()
    throw error
  }
}

/** Reads the MLmodel of a folder; `NotFoundError` when there is none. */
async function readModel(dir: string): Promise<MlModel> {
  const file = join(dir, 'MLmodel')
  if (!(await factsOf(file))) throw new NotFoundError(`There is no model in ${dir}: it has no file MLmodel`)
  return readMlModel(await readText(file, 4 * YAML_LIMIT), file)
}

async function infoOf(
  { dir, model, stale }: ModelFolder,
  described: MlModel,
  flavor: string,
): Promise<LoadedModelInfo> {
  const registered = model.name === undefined ? await registeredAs(dir) : {}
  return {
    name: model.name ?? registered.name,
    version: model.version ?? registered.version,
    runId: model.runId ?? described.runId,
    modelId: model.modelId ?? described.modelId,
    source: model.source,
    flavor,
    signature: described.signature,
    path: dir,
    metadata: described.metadata,
    ...(stale ? { stale: true as const } : {}),
  }
}

/** What a folder or a bundle says of itself: it was fetched as a version once. */
async function registeredAs(dir: string): Promise<{ name?: string; version?: string }> {
  const file = join(dir, REGISTERED_META)
  if ((await factsOf(file))?.kind !== 'file') return {}
  const said = readYamlText(await readText(file, 65_536), file) as Record<string, unknown> | null
  const { model_name: name, model_version: version } = said ?? {}
  return typeof name === 'string' && typeof version === 'string' ? { name, version } : {}
}

async function replay(
  dir: string,
  described: MlModel,
  loaded: LoadedFlavor,
  wanted: NonNullable<LoadModelOptions['replay']>,
): Promise<void> {
  const own = described.rest?.cairn as { output_example?: unknown } | null | undefined
  const { savedInputExampleInfo: info, signature } = described
  if (!info || typeof own?.output_example !== 'string')
    throw new InvalidParameterError(
      `The model in ${dir} has no input example with a stored answer to replay; log it with inputExample, or load it without replay`,
    )
  const file = join(dir, checkArtifactPath(own.output_example))
  const expected = readOutput(await readText(file), file)
  const input = checkInput(signature, await readExample(dir, info, signature))
  compareOutputs(expected, await loaded.predict(input), typeof wanted === 'object' ? wanted.tolerance : undefined)
}

function alive(loaded: LoadedFlavor, info: LoadedModelInfo, batch: LoadModelOptions['batch']): LoadedModel {
  const ask = (input: ModelInput): Promise<ModelOutput> => loaded.predict(input)
  const joined = batch
    ? batching(async (rows) => (await ask(rows)) as readonly Row[], batch === true ? {} : batch)
    : undefined
  const dispose = async (): Promise<void> => {
    await joined?.flush()
    await loaded.dispose()
  }
  const predict = async (given: ModelInput): Promise<ModelOutput> => {
    const input = checkInput(info.signature, given)
    return joined && isRows(input) && input.length > 0 ? joined.ask(input) : ask(input)
  }
  return {
    info,
    native: loaded.native,
    predict: predict as LoadedModel['predict'],
    dispose,
    [Symbol.asyncDispose]: dispose,
  }
}
