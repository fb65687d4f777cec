import { join } from 'node:path'
import { checkArtifactPath } from '../artifacts/paths.js'
import { isMap } from '../core/options.js'
import { parsePythonJson, writePythonJson } from '../core/python-json.js'
import type { Signature } from '../core/signature.js'
import type { ModelInput, Row, Scalar, Tensor, TensorLike } from '../core/tensor.js'
import { describe, isNamedTensors, isRows, isTensor, isTensorLike, sizeOf, tensor } from '../core/tensor-data.js'
import { readText, saveFile } from '../disk/files.js'
import { IntegrityError, InvalidParameterError } from '../errors.js'

type Entries = Readonly<Record<string, unknown>>

const EXAMPLE = 'input_example.json'
const SERVING = 'serving_input_example.json'
const LIMIT = 64 * 1024 * 1024

function nested({ data, dims }: Tensor, depth = 0, from = 0): unknown {
  const [length, ...inner] = dims.slice(depth)
  if (length === undefined) return cell((data as ArrayLike<Scalar>)[from])
  const step = sizeOf(inner)
  return Array.from({ length }, (_, index) => nested({ data, dims } as Tensor, depth + 1, from + index * step))
}

/** A value of a row as Python's MLflow keeps it: times without a zone, bytes in base64 with a line end. */
function cell(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (value instanceof Date) return value.toISOString().replace('Z', '')
  if (value instanceof Uint8Array) return `${Buffer.from(value).toString('base64')}\n`
  if (isTensor(value)) return nested(tensor(value))
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, cell)
  if (Array.isArray(value)) return value.map(cell)
  if (typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cell(item)]))
}

const array = (value: TensorLike): unknown => nested(tensor(value))

interface Form {
  readonly type: Entries
  readonly saved: unknown
  readonly serving: unknown
}

function formOf(example: ModelInput): Form {
  if (isRows(example)) {
    if (example.length === 0) throw new InvalidParameterError('An input example needs at least one row')
    const columns = [...new Set(example.flatMap((row) => Object.keys(row)))]
    const saved = { columns, data: example.map((row) => columns.map((column) => cell(row[column]))) }
    return { type: { type: 'dataframe', pandas_orient: 'split' }, saved, serving: { dataframe_split: saved } }
  }
  const given = isTensorLike(example) ? array(example) : undefined
  const named = isNamedTensors(example)
    ? Object.fromEntries(Object.entries(example).map(([name, value]) => [name, array(value)]))
    : undefined
  const saved = given ?? named
  if (saved === undefined)
    throw new InvalidParameterError(
      `An input example is rows, one tensor (nested arrays or { data, dims, type }) or tensors by name, not ${describe(example)}`,
    )
  return { type: { type: 'ndarray' }, saved, serving: { inputs: saved } }
}

/** Writes an input example as Python's MLflow does and answers MLmodel's `saved_input_example_info`. */
export async function writeExample(dir: string, example: ModelInput): Promise<Entries> {
  const { type, saved, serving } = formOf(example)
  await saveFile(join(dir, EXAMPLE), writePythonJson(saved))
  await saveFile(join(dir, SERVING), writePythonJson(serving, 2))
  return { artifact_path: EXAMPLE, serving_input_path: SERVING, ...type }
}

function rowsOf(saved: unknown, signature: Signature | undefined, what: string): readonly Row[] | TensorLike {
  if (!isMap(saved) || !Array.isArray(saved.data))
    throw new IntegrityError(`${what} is not a table as pandas writes it`)
  if (!Array.isArray(saved.columns)) return saved.data as TensorLike
  const columns = saved.columns.map(String)
  const binary = new Set(
    signature?.inputs?.kind === 'columns'
      ? signature.inputs.columns.filter(({ type }) => type === 'binary').map(({ name }) => name)
      : [],
  )
  return saved.data.map((values: unknown) =>
    Object.fromEntries(
      columns.map((column, index) => {
        const value = Array.isArray(values) ? (values[index] as unknown) : undefined
        return [column, binary.has(column) && typeof value === 'string' ? Buffer.from(value, 'base64') : value]
      }),
    ),
  )
}

/** Reads the input example of a model, written by us or by Python; throws `IntegrityError` when it is damaged or of a kind that no model here takes. */
export async function readExample(dir: string, info: Entries, signature?: Signature): Promise<ModelInput> {
  const path = checkArtifactPath(String(info.artifact_path ?? EXAMPLE))
  const what = join(dir, path)
  let saved: unknown
  try {
    saved = parsePythonJson(await readText(what, LIMIT))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new IntegrityError(`${what} is not JSON`, { cause: error })
  }
  if (String(info.params) === 'true' && isMap(saved)) saved = saved.inputs
  if (info.type === 'dataframe') return rowsOf(saved, signature, what)
  if (isRows(saved) || isTensorLike(saved) || isNamedTensors(saved)) return saved as ModelInput
  throw new IntegrityError(`${what} holds ${describe(saved)}, which is neither rows nor tensors`)
}
