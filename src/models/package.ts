import { randomUUID } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import { checkInput } from '../core/check-input.js'
import { inferSignature } from '../core/infer-signature.js'
import { type MlModel, writeMlModel } from '../core/mlmodel.js'
import type { Signature } from '../core/signature.js'
import type { ModelInput, ModelOutput } from '../core/tensor.js'
import { copyNew, factsBehind, makeDirs, saveFile } from '../disk/files.js'
import { only } from '../disk/stage.js'
import { tree } from '../disk/tree.js'
import { InvalidParameterError, NotFoundError, SignatureMismatchError } from '../errors.js'
import { MLFLOW_VERSION, PYTHON_VERSION, writeNodeEnvironment, writePythonEnvironment } from './environment.js'
import { readExample, writeExample } from './example.js'
import type { Flavor, FlavorConfig, SavedFlavor } from './flavor.js'
import { flavorFor } from './pick.js'
import { writeOutput } from './replay.js'

/** What a model may be given when it is logged or saved. */
export interface ModelOptions {
  /** `onnx`, `tfjs`, `node` or one registered; found from the model unless said. */
  readonly flavor?: string | undefined
  /** What goes in and comes out; else read from the model, else inferred from the input example. */
  readonly signature?: Signature | undefined
  /** A few rows or a tensor; the model's own answer to it is kept beside it, for `loadModel`'s `replay`. */
  readonly inputExample?: ModelInput | undefined
  /** Anything JSON can hold, kept in MLmodel. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** npm packages that the model needs: name to version range, or names that the project's package.json knows. */
  readonly dependencies?: Readonly<Record<string, string>> | readonly string[] | undefined
  /** Files and folders of code that go with the model, into its folder `code/`. */
  readonly code?: string | readonly string[] | undefined
  /** The framework's module, in place of the one that would be imported. */
  readonly lib?: unknown
}

/** What packaging needs of those around it. */
export interface PackageDeps {
  readonly flavors: readonly Flavor[]
  /** Where the user's program lies; the package.json next above it counts as its project. */
  readonly projectDir?: string | undefined
  readonly warn?: ((message: string) => void) | undefined
  readonly now?: (() => Date) | undefined
}

/** Who the model is, told when its files are written. */
export interface ModelIds {
  readonly artifactPath?: string | undefined
  readonly runId?: string | undefined
  readonly modelId?: string | undefined
}

/** A model in a folder, all but its MLmodel. */
export interface Packaged {
  readonly flavor: string
  /** Writes MLmodel, the last file, which makes the folder a model; answers what it says. */
  finish(ids: ModelIds): Promise<MlModel>
}

/** Name of the file with the model's own answer to its input example. */
export const OUTPUT_EXAMPLE = 'output_example.json'

/** `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, as Python writes it. */
const pythonTime = (time: Date): string => `${time.toISOString().replace('T', ' ').replace('Z', '')}000`

/**
 * Writes a model with all that belongs to it into `dir`, an empty folder: the flavor's files, signature, input example with
 * the model's own answer, environments for Node and Python, code. Nothing is a model until `finish` has written MLmodel.
 */
export async function packageModel(
  deps: PackageDeps,
  dir: string,
  model: unknown,
  options: ModelOptions,
): Promise<Packaged> {
  const { warn = () => {}, now = () => new Date() } = deps
  checkMetadata(options.metadata)
  const flavor = flavorFor(deps.flavors, model, options.flavor)
  if (options.signature && options.inputExample !== undefined) checkInput(options.signature, options.inputExample)
  const saved = await flavor.save(model, dir, { signature: options.signature, lib: options.lib })
  const code = await copyCode(dir, options.code)
  await writeNodeEnvironment(dir, {
    dependencies: options.dependencies,
    needed: saved.dependencies,
    projectDir: deps.projectDir,
  })
  if (saved.pythonFunction || saved.requirements) await writePythonEnvironment(dir, saved.requirements ?? [])
  const { inputExample: example } = options
  let signature = options.signature ?? (fits(saved.signature, example) ? saved.signature : undefined)
  let info: MlModel['savedInputExampleInfo']
  let output: ModelOutput | undefined
  if (example !== undefined) {
    info = await writeExample(dir, example)
    const asked = signature ?? inferred(example, undefined, warn)
    output = await answerOf({ flavor, saved, dir, info, signature: asked, options, warn })
    if (output !== undefined) await saveFile(join(dir, OUTPUT_EXAMPLE), writeOutput(output))
    signature ??= output === undefined ? asked : inferred(example, output, warn)
  }
  const own = {
    node: process.versions.node,
    ...(code ? { code } : {}),
    ...(output === undefined ? {} : { output_example: OUTPUT_EXAMPLE }),
  }
  return {
    flavor: flavor.name,
    async finish({ artifactPath, runId, modelId }) {
      const files = await tree(dir, { links: 'refuse' })
      const described: MlModel = {
        flavors: flavorsOf(flavor.name, saved),
        signature,
        artifactPath,
        runId,
        modelId,
        modelUuid: modelId ?? randomUUID().replaceAll('-', ''),
        mlflowVersion: MLFLOW_VERSION,
        modelSizeBytes: files.reduce((sum, { size }) => sum + size, 0),
        utcTimeCreated: pythonTime(now()),
        savedInputExampleInfo: info,
        metadata: options.metadata,
        rest: { is_signature_from_type_hint: false, type_hint_from_example: false, prompts: null, cairn: own },
      }
      await saveFile(join(dir, 'MLmodel'), writeMlModel(described))
      return described
    },
  }
}

/** Whether an example may be asked of a model with this signature; a graph's own does not know the columns of a table. */
function fits(signature: Signature | undefined, example: ModelInput | undefined): boolean {
  if (!signature || example === undefined) return true
  try {
    checkInput(signature, example)
    return true
  } catch (error) {
    if (error instanceof SignatureMismatchError) return false
    throw error
  }
}

function checkMetadata(metadata: unknown): void {
  if (metadata === undefined) return
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new InvalidParameterError('The metadata of a model is an object, like { team: "growth" }')
  try {
    JSON.stringify(metadata)
  } catch (error) {
    throw new InvalidParameterError(`The metadata of a model must be what JSON can hold: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function flavorsOf(name: string, { config, pythonFunction }: SavedFlavor): Record<string, FlavorConfig> {
  if (!pythonFunction) return { [name]: config }
  const env = { conda: 'conda.yaml', virtualenv: 'python_env.yaml' }
  return { [name]: config, python_function: { env, python_version: PYTHON_VERSION, ...pythonFunction } }
}

interface Answering {
  readonly flavor: Flavor
  readonly saved: SavedFlavor
  readonly dir: string
  readonly info: Readonly<Record<string, unknown>>
  readonly signature: Signature | undefined
  readonly options: ModelOptions
  readonly warn: (message: string) => void
}

/** What the packaged model answers its example, both read back from the folder; a model that cannot is kept nonetheless. */
async function answerOf({
  flavor,
  saved,
  dir,
  info,
  signature,
  options,
  warn,
}: Answering): Promise<ModelOutput | undefined> {
  try {
    const input = checkInput(signature, await readExample(dir, info, signature))
    const loaded = await flavor.load(dir, saved.config, { allowCode: true, lib: options.lib, signature })
    try {
      return await loaded.predict(input)
    } finally {
      await loaded.dispose()
    }
  } catch (error) {
    // The training is done and the model is whole: losing it over its example would be the greater harm.
    warn(`The model could not answer its input example, so no answer is kept for replay: ${(error as Error).message}`)
    return undefined
  }
}

function inferred(
  example: ModelInput,
  output: ModelOutput | undefined,
  warn: (message: string) => void,
): Signature | undefined {
  try {
    return inferSignature(example, output)
  } catch (error) {
    warn(`No signature could be inferred from the input example: ${(error as Error).message}`)
    return undefined
  }
}

async function copyCode(dir: string, code: ModelOptions['code']): Promise<string | undefined> {
  const paths = code === undefined ? [] : typeof code === 'string' ? [code] : code
  for (const given of paths) {
    const from = resolve(given)
    const facts = await factsBehind(from)
    if (!facts) throw new NotFoundError(`There is no code at ${from}`)
    const files =
      facts.kind === 'directory'
        ? (await tree(from)).map(({ path, file }) => ({ path: join(basename(from), path), file }))
        : [{ path: basename(from), file: from }]
    for (const { path, file } of files) {
      const to = join(dir, 'code', path)
      await makeDirs(dirname(to))
      await copyNew(file, to)
    }
  }
  return paths.length > 0 ? 'code' : undefined
}

/** Writes a model's folder without a run, whole or not at all, and answers its path; one that holds anything already is an `AlreadyExistsError`. */
export async function saveModel(
  deps: PackageDeps,
  model: unknown,
  dir: string,
  options: ModelOptions = {},
): Promise<string> {
  if (typeof dir !== 'string' || dir === '') throw new InvalidParameterError('saveModel needs the folder to write to')
  return only(resolve(dir), async (stage) => {
    await (await packageModel(deps, stage, model, options)).finish({})
  })
}
