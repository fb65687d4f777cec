import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { checkInput } from '../core/check-input.js'
import { type MlModel, writeMlModel } from '../core/mlmodel.js'
import { isRecord } from '../core/options.js'
import type { Signature } from '../core/signature.js'
import type { ModelInput, ModelOutput } from '../core/tensor.js'
import { wholeJson } from '../core/whole-json.js'
import { saveFile } from '../disk/files.js'
import { only } from '../disk/stage.js'
import { tree } from '../disk/tree.js'
import { InvalidParameterError } from '../errors.js'
import { copyCode } from './code.js'
import { MLFLOW_VERSION, PYTHON_VERSION, writeNodeEnvironment, writePythonEnvironment } from './environment.js'
import { writeExample } from './example.js'
import type { Flavor, FlavorConfig, SavedFlavor } from './flavor.js'
import { answerOf, fits, inferred } from './golden.js'
import { writeOutput } from './output-example.js'
import { flavorFor } from './pick.js'

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
  readonly signal?: AbortSignal | undefined
}

/** What packaging needs of those around it. */
export interface PackageDeps {
  readonly flavors: readonly Flavor[]
  /** Where the user's program lies; the package.json next above it counts as its project. */
  readonly projectDir?: string | undefined
  readonly warn?: ((message: string) => void) | undefined
  readonly now?: (() => Date) | undefined
}

/** The ids that a model's files name, told when they are written. */
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
const OUTPUT_EXAMPLE = 'output_example.json'

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
  const metadata = plain(options.metadata)
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
    output = await answerOf({ flavor, saved, dir, info, signature: asked, lib: options.lib, warn })
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
        metadata,
        rest: { is_signature_from_type_hint: false, type_hint_from_example: false, prompts: null, cairn: own },
      }
      await saveFile(join(dir, 'MLmodel'), writeMlModel(described))
      return described
    },
  }
}

/** Metadata as it will be read: what JSON has no word for, a function or `undefined`, is left out. */
function plain(metadata: ModelOptions['metadata']): ModelOptions['metadata'] {
  if (metadata === undefined) return undefined
  if (!isRecord(metadata))
    throw new InvalidParameterError('The metadata of a model is an object, like { team: "growth" }')
  return JSON.parse(wholeJson('The metadata of a model', metadata) ?? '{}') as ModelOptions['metadata']
}

function flavorsOf(name: string, { config, pythonFunction }: SavedFlavor): Record<string, FlavorConfig> {
  if (!pythonFunction) return { [name]: config }
  const env = { conda: 'conda.yaml', virtualenv: 'python_env.yaml' }
  return { [name]: config, python_function: { env, python_version: PYTHON_VERSION, ...pythonFunction } }
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
    options.signal?.throwIfAborted()
    const packaged = await packageModel(deps, stage, model, options)
    options.signal?.throwIfAborted()
    await packaged.finish({})
  })
}
