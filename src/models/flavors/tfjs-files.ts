import { isMap } from '../../core/options.js'
import { checkRelativePath } from '../../core/relative-path.js'
import { readInside } from '../../disk/inside.js'
import { IntegrityError } from '../../errors.js'

/** One weight as `model.json` lists it. */
export interface WeightSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: string
  readonly quantization?: { readonly dtype: string }
}

/** A `model.json` and its weights, read whole and checked. */
export interface TfjsFiles {
  /** What `model.json` says beside its weights: topology, format, signature and the like. */
  readonly model: Readonly<Record<string, unknown>>
  readonly specs: readonly WeightSpec[]
  readonly weights: ArrayBuffer
}

const BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  bool: 1,
  float16: 2,
  uint8: 1,
  uint16: 2,
  complex64: 8,
}
const MODEL_LIMIT = 256 * 1024 * 1024

const corrupt = (why: string): never => {
  throw new IntegrityError(`The TensorFlow.js model is damaged: ${why}`)
}
function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (isMap(json) && isMap(json.modelTopology)) return json
  } catch (error) {
    throw new IntegrityError('The TensorFlow.js model is damaged: its model.json is not JSON', { cause: error })
  }
  return corrupt('its model.json has no modelTopology')
}

function spec(value: unknown): WeightSpec {
  if (!isMap(value) || typeof value.name !== 'string' || typeof value.dtype !== 'string')
    return corrupt('a weight has no name or dtype')
  const { shape } = value
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0))
    return corrupt(`the weight ${value.name} has no shape`)
  return value as unknown as WeightSpec
}

/** Bytes the weights must have; `undefined` when a dtype does not tell, as text does not. */
function bytesOf(specs: readonly WeightSpec[]): number | undefined {
  let total = 0
  for (const { shape, dtype, quantization } of specs) {
    const each = BYTES[quantization?.dtype ?? dtype]
    if (each === undefined) return undefined
    total += each * shape.reduce((product, size) => product * size, 1)
  }
  return total
}

/**
 * Reads `model.json` and the weight files it lists, each a plain relative path beside it; a loader gets bytes and never a
 * path. Throws `UnsafePathError` for a path that leads elsewhere, `IntegrityError` for what is damaged.
 */
export async function readTfjsFiles(dir: string, file: string): Promise<TfjsFiles> {
  const model = parse(await readInside(dir, file, MODEL_LIMIT))
  const folder = file.split('/').slice(0, -1)
  const manifest = model.weightsManifest ?? []
  if (!Array.isArray(manifest)) return corrupt('its weightsManifest is not a list')
  const groups = manifest.map((group: unknown) => {
    if (!isMap(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights))
      return corrupt('a group of weights has no paths or weights')
    const paths = group.paths.map((path: unknown) =>
      typeof path === 'string'
        ? checkRelativePath(path, 'A weight file of the TensorFlow.js model')
        : corrupt('a weight file has no path'),
    )
    return { paths, specs: group.weights.map(spec) }
  })
  const chunks: Uint8Array[] = []
  for (const { paths, specs } of groups) {
    const parts: Uint8Array[] = []
    for (const path of paths) parts.push(await readInside(dir, [...folder, path].join('/')))
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    const expected = bytesOf(specs)
    if (expected !== undefined && expected !== bytes)
      corrupt(`${paths.join(', ')} should have ${expected} bytes and has ${bytes}`)
    chunks.push(...parts)
  }
  const weights = new Uint8Array(chunks.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const chunk of chunks) {
    weights.set(chunk, at)
    at += chunk.length
  }
  return { model, specs: groups.flatMap(({ specs }) => specs), weights: weights.buffer }
}
