import { CairnError, IntegrityError } from '../errors.js'
import { isMap } from './options.js'
import { checkRelativePath } from './relative-path.js'
import { parseSignature, type Signature } from './signature.js'
import { readYaml, readYamlText, writeYaml } from './yaml.js'

type Entries = Readonly<Record<string, unknown>>

/** An MLmodel file: what a model folder holds and how to load it. */
export interface MlModel {
  /** Entry per flavor. */
  readonly flavors: Readonly<Record<string, Entries>>
  readonly signature?: Signature | undefined
  /** MLflow 3: URI of the model's artifacts; 2.x: path below the run's. */
  readonly artifactPath?: string | undefined
  readonly runId?: string | undefined
  readonly modelId?: string | undefined
  readonly modelUuid?: string | undefined
  readonly mlflowVersion?: string | undefined
  /** Bytes of all files but MLmodel. */
  readonly modelSizeBytes?: number | undefined
  /** `YYYY-MM-DD HH:MM:SS.ffffff`, UTC. */
  readonly utcTimeCreated?: string | undefined
  readonly savedInputExampleInfo?: Entries | undefined
  readonly metadata?: Entries | undefined
  /** Whatever else the file says, under its own keys. */
  readonly rest?: Entries | undefined
}

const TEXTS = {
  artifact_path: 'artifactPath',
  run_id: 'runId',
  model_id: 'modelId',
  model_uuid: 'modelUuid',
  mlflow_version: 'mlflowVersion',
  utc_time_created: 'utcTimeCreated',
} as const
const MAPS = { saved_input_example_info: 'savedInputExampleInfo', metadata: 'metadata' } as const
const KNOWN = new Set<string>([...Object.keys(TEXTS), ...Object.keys(MAPS), 'flavors', 'signature', 'model_size_bytes'])
// Absolute or outside, these would make a loader read or run what is not part of the model.
const PATHS = ['data', 'code', 'model_path', 'python_model', 'pickled_model', 'saved_model_dir'] as const
const FLAVOR = /^[A-Za-z_][\w.-]{0,99}$/
const INHERITED = new Set(['__proto__', 'constructor', 'prototype'])
const NODES_LIMIT = 200_000

/** Refuses keys that would reach an object's prototype, wherever they stand, and more nodes than a model has. */
function checkKeys(root: unknown, what: string): void {
  const open: unknown[] = [root]
  for (let seen = 0; open.length > 0; seen++) {
    if (seen > NODES_LIMIT) throw new IntegrityError(`${what} holds more than ${NODES_LIMIT} values`)
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    if (!Array.isArray(value))
      for (const key of Object.keys(value))
        if (INHERITED.has(key)) throw new IntegrityError(`${what} has the key ${key}, which no MLmodel may hold`)
    for (const item of Object.values(value)) open.push(item)
  }
}

function readFlavors(value: unknown, what: string): MlModel['flavors'] {
  if (!isMap(value) || Object.keys(value).length === 0)
    throw new IntegrityError(`${what} has no "flavors"; it does not describe a model`)
  const entries = Object.entries(value).map(([name, config]) => {
    if (!FLAVOR.test(name)) throw new IntegrityError(`${what} has the flavor ${JSON.stringify(name)}, which is no name`)
    if (config !== null && !isMap(config))
      throw new IntegrityError(`${what}: the entry of the flavor ${name} must be a map`)
    for (const key of PATHS) checkPath(config?.[key], `${key} of the flavor ${name}`, what)
    return [name, config ?? {}] as const
  })
  return Object.fromEntries(entries)
}

function checkPath(path: unknown, name: string, what: string): void {
  if (path === null || path === undefined) return
  try {
    checkRelativePath(path as string, name)
  } catch (error) {
    throw new IntegrityError(`${what}: ${error instanceof CairnError ? error.message : name}`, { cause: error })
  }
}

/**
 * Reads the text of an MLmodel, written by MLflow 1, 2 or 3; ids and versions stay text even where they look like numbers.
 * Throws `IntegrityError` naming `what` (the file) and the broken rule. Nothing in it is run, imported or resolved.
 */
export function readMlModel(text: string, what = 'MLmodel'): MlModel {
  const typed = readYaml(text, what)
  if (!isMap(typed)) throw new IntegrityError(`${what} is not a map of keys; it does not describe a model`)
  checkKeys(typed, what)
  // An id such as 123e4 stands there without quotes; only then the text is read again, for its spelling.
  let spelled: Entries | undefined
  const asText = (key: string): unknown => {
    if (typeof typed[key] !== 'number' && typeof typed[key] !== 'boolean') return typed[key]
    spelled ??= readYamlText(text, what) as Entries
    return spelled[key]
  }
  const model: Record<string, unknown> = { flavors: readFlavors(typed.flavors, what) }
  for (const [key, field] of Object.entries(TEXTS)) {
    const value = asText(key)
    if (typeof value === 'string') model[field] = value
    else if (value !== null && value !== undefined) throw new IntegrityError(`${what}: ${key} must be a text`)
  }
  for (const [key, field] of Object.entries(MAPS)) {
    const value = typed[key]
    if (isMap(value)) model[field] = value
    else if (value !== null && value !== undefined) throw new IntegrityError(`${what}: ${key} must be a map`)
  }
  if (typeof typed.model_size_bytes === 'number') model.modelSizeBytes = typed.model_size_bytes
  if (isMap(typed.signature)) model.signature = parseSignature(typed.signature, what)
  else if (typed.signature) throw new IntegrityError(`${what}: signature must be a map`)
  const rest = Object.entries(typed).filter(([key]) => !KNOWN.has(key))
  if (rest.length > 0) model.rest = Object.fromEntries(rest)
  return model as unknown as MlModel
}

/** Writes an MLmodel as Python does: sorted keys, block style; absent fields are left out. */
export function writeMlModel(model: MlModel): string {
  const { flavors, signature, modelSizeBytes, rest } = model
  const fields = Object.entries({ ...TEXTS, ...MAPS }).map(([key, field]) => [key, model[field]] as const)
  const all = {
    ...rest,
    ...Object.fromEntries(fields.filter(([, value]) => value !== undefined)),
    flavors,
    ...(signature ? { signature: { ...signature.toJSON() } } : {}),
    ...(modelSizeBytes === undefined ? {} : { model_size_bytes: modelSizeBytes }),
  }
  return writeYaml(all)
}
