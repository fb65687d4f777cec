import { tmpdir } from 'node:os'
import type { Progress } from '../core/entities.js'
import { checkAlias, checkLoggedModelName, checkModelName, checkStage } from '../core/names.js'
import { shown } from '../core/options.js'
import { toPairs } from '../core/pairs.js'
import { valueText } from '../core/value-text.js'
import { noRoom } from '../disk/no-room.js'
import { inStage } from '../disk/stage.js'
import { InvalidParameterError } from '../errors.js'
import type { ModelRequest } from '../spool/steps.js'
import { carryModel } from './carry-model.js'
import { type ModelInfo, modelInfo } from './info.js'
import { type ModelOptions, type PackageDeps, packageModel } from './package.js'
import type { CarryDeps, ModelRun, PackedModel } from './packed-model.js'

export type { ModelInfo } from './info.js'

/** How a model is logged: under which name, with what, and whether it is registered. */
export interface LogModelOptions extends ModelOptions {
  /** The model's name in its run; none of / : . % " '. */
  readonly name: string
  /** Parameters of the model, over those of the run. */
  readonly params?: Readonly<Record<string, unknown>> | undefined
  /** Tags of the model. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** The step of the run that the model stands for; 0 unless said. */
  readonly step?: number | undefined
  /** Registers the model under this name, too. */
  readonly registeredModelName?: string | undefined
  /** The stage its version is put in; needs `registeredModelName`. */
  readonly stage?: string | undefined
  /** The alias its version gets; needs `registeredModelName`. */
  readonly alias?: string | undefined
  /** Hears how far the bytes are. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface LogModelDeps extends PackageDeps, CarryDeps {
  /** Where models are put together before they are sent; the system's temporary folder unless said. */
  readonly tempDir?: string | undefined
}

/**
 * Logs a model: packaged in a folder of its own, and carried from there to where it belongs (`carryModel`). When the files
 * cannot be sent it is marked UPLOAD_FAILED and the failure thrown.
 */
export async function logModel(
  deps: LogModelDeps,
  run: ModelRun,
  model: unknown,
  options: LogModelOptions,
): Promise<ModelInfo> {
  const work = async (stage: string): Promise<ModelInfo> => {
    const { packed } = await packForRun(deps, stage, { model, runId: run.runId }, options)
    return carryModel(deps, run, packed, options)
  }
  checkModelOptions(options)
  const tempDir = deps.tempDir ?? tmpdir()
  return inStage(tempDir, work, 0o700).catch((error: unknown) => {
    throw noRoom(error, tempDir, 'make room there, or name another folder in TMPDIR') ?? error
  })
}

/** All that can be wrong with the options, before anything is made known: a version in no stage would stay behind. */
export function checkModelOptions(options: LogModelOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidParameterError("logModel takes options with the model's name, like { name: 'model' }")
  const { name, registeredModelName, stage, alias, step = 0 } = options
  checkLoggedModelName(name)
  if (!Number.isSafeInteger(step))
    throw new InvalidParameterError(`The step of a model is a whole number, not ${shown(step)}`)
  if (stage !== undefined) checkStage(stage)
  if (alias !== undefined) checkAlias(alias)
  if (registeredModelName !== undefined) checkModelName(registeredModelName)
  else if (stage !== undefined || alias !== undefined)
    throw new InvalidParameterError('A stage or an alias is given to a version, so say registeredModelName too')
  options.signal?.throwIfAborted()
}

/** What a model that lies packaged is, and what is known of it before it is anywhere. */
export interface Packed {
  readonly packed: PackedModel
  readonly info: ModelInfo
}

/** Packages a model in an empty folder, as that of a run that is known by this id so far. */
export async function packForRun(
  deps: PackageDeps,
  dir: string,
  { model, runId, ...known }: { model: unknown; runId: string; operationId?: string; registry?: string | undefined },
  options: LogModelOptions,
): Promise<Packed> {
  const { name } = options
  const packaged = await packageModel(deps, dir, model, options)
  options.signal?.throwIfAborted()
  const described = await packaged.finish({ artifactPath: name, runId })
  const info = modelInfo(described, { modelUri: `runs:/${runId}/${name}`, name, runId })
  const request = requestOf(packaged.flavor, options, known)
  return { packed: { dir, request, described }, info: { ...info, registeredModelName: options.registeredModelName } }
}

function requestOf(
  type: string,
  { name, params = {}, tags = {}, step = 0, registeredModelName, stage, alias }: LogModelOptions,
  { operationId, registry }: { operationId?: string; registry?: string | undefined },
): ModelRequest {
  const version = registeredModelName === undefined ? undefined : { name: registeredModelName, stage, alias, registry }
  return { name, type, params: toPairs(params, textOf), tags: toPairs(tags, textOf), step, operationId, version }
}

const textOf = (key: string, value: unknown): string => valueText(`The model's ${JSON.stringify(key)}`, value)
