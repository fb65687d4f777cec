import { cast, mismatch as refuse } from '../core/mismatch.js'
import type { Schema, TensorSpec } from '../core/schema.js'
import type { ModelInput, ModelOutput, Row, Scalar, Tensor, TensorLike, TensorType } from '../core/tensor.js'
import {
  describe,
  isNamedTensors,
  isRows,
  isTensor,
  isTensorLike,
  shapeText,
  sizeOf,
  tensor,
  typeOfDtype,
} from '../core/tensor-data.js'
import { InvalidParameterError } from '../errors.js'

/** An input or output of a graph: its shape has -1 where a length varies; without a shape any will do. */
export interface GraphPort {
  readonly name: string
  readonly type: TensorType
  readonly shape?: readonly number[] | undefined
}

export type Tensors = Readonly<Record<string, Tensor>>

/** What a graph is asked through: its inputs, the model's input schema, and one run of it. */
export interface Graph {
  readonly inputs: readonly GraphPort[]
  readonly schema?: Schema | undefined
  run(feeds: Tensors): Promise<Tensors>
}

/** A graph's inputs or outputs as MLflow's schema. */
export const schemaOfPorts = (ports: readonly GraphPort[]): Schema => ({
  kind: 'tensors',
  tensors: ports.map(
    ({ name, type, shape = [-1] }): TensorSpec => ({ name, dtype: type === 'string' ? 'str' : type, shape }),
  ),
})

/** A graph's inputs as a schema says they are; for runtimes that do not tell. */
export const portsOfSchema = (schema: Schema | undefined): GraphPort[] | undefined =>
  schema?.kind === 'tensors'
    ? schema.tensors.map(({ name = '', dtype, shape }) => ({ name, type: typeOfDtype(dtype), shape }))
    : undefined

function feed(value: TensorLike, port: GraphPort): Tensor {
  const where = `The input ${JSON.stringify(port.name)}`
  const { data, dims } = tensor(value)
  const { shape, type } = port
  const fits = !shape || (shape.length === dims.length && shape.every((size, i) => size < 0 || size === dims[i]))
  if (!fits) refuse(`${where}: expected shape ${shapeText(shape)}, got ${shapeText(dims)}`)
  return { data: cast(data, type, where), dims, type }
}

const flat = (value: unknown): readonly Scalar[] => {
  if (isTensor(value)) return Array.from(value.data as ArrayLike<Scalar>)
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<Scalar>)
  return Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value as Scalar]
}

/** The values of one row, laid out one after the other; a missing number is NaN where the type has one. */
function layOut(row: Row, keys: readonly string[], port: GraphPort, index: number): readonly Scalar[] {
  return keys.flatMap((key) =>
    flat(row[key]).map((value) => {
      if (value !== null && value !== undefined) return value
      if (port.type.startsWith('float')) return Number.NaN
      return refuse(
        `Row ${index}, column ${JSON.stringify(key)}: ${port.type} has no missing value, got ${describe(value)}`,
      )
    }),
  )
}

function stack(rows: readonly Row[], keys: readonly string[], port: GraphPort): Tensor {
  const values = rows.map((row, index) => layOut(row, keys, port, index))
  const width = values[0]?.length ?? 0
  const odd = values.findIndex((row) => row.length !== width)
  if (odd > 0) refuse(`Row ${odd}: it has ${values[odd]?.length} values for input ${port.name}, row 0 has ${width}`)
  const inner = port.shape?.slice(1)
  const first = flatShape(rows[0]?.[keys[0] ?? ''])
  const free = inner === undefined || inner.includes(-1)
  const shape = free ? (keys.length === 1 && first.length > 0 ? first : [width]) : inner
  const dims = [rows.length, ...(inner?.length === 0 && width === 1 ? [] : shape)]
  if (sizeOf(dims.slice(1)) !== width)
    refuse(
      `The rows: input ${JSON.stringify(port.name)} takes ${shapeText(port.shape ?? [])}, ${sizeOf(dims.slice(1))} values a row; the columns ${keys.join(', ')} give ${width}`,
    )
  return feed({ data: values.flat(), dims, type: port.type }, port)
}

function flatShape(value: unknown): number[] {
  if (isTensor(value)) return [...value.dims]
  if (ArrayBuffer.isView(value)) return [(value as unknown as ArrayLike<unknown>).length]
  return Array.isArray(value) ? [value.length, ...flatShape(value[0])] : []
}

/** Rows as the tensors of a graph: a column per input by name, or all columns of the schema, in its order, as the one input. */
function feedsOfRows(rows: readonly Row[], { inputs, schema }: Graph): Tensors {
  const [only] = inputs
  const named = inputs.every(({ name }) => rows.every((row) => Object.hasOwn(row, name)))
  if (named) return Object.fromEntries(inputs.map((port) => [port.name, stack(rows, [port.name], port)]))
  if (inputs.length === 1 && only && schema?.kind === 'columns') {
    const columns = schema.columns.map(({ name }, index) => name ?? Object.keys(rows[0] ?? {})[0] ?? String(index))
    return { [only.name]: stack(rows, columns, only) }
  }
  const names = inputs.map(({ name }) => JSON.stringify(name)).join(', ')
  const absent = inputs.find(({ name }) => !rows.every((row) => Object.hasOwn(row, name)))
  return refuse(
    inputs.length === 1
      ? `The rows have no key ${names}, the model's one input, and the model's signature names no columns whose order could be relied on; log it with a signature of columns (inferSignature(rows)), or give a tensor`
      : `The rows have no key ${JSON.stringify(absent?.name)}; the model's inputs are ${names}`,
  )
}

const number = (value: bigint): number | bigint => {
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

function item({ data, type }: Tensor, index: number): unknown {
  const value = (data as ArrayLike<Scalar>)[index]
  if (type === 'bool') return Boolean(value)
  return typeof value === 'bigint' ? number(value) : value
}

function nest(value: Tensor, dims: readonly number[], from: number): unknown {
  const [length, ...inner] = dims
  if (length === undefined) return item(value, from)
  const step = sizeOf(inner)
  return Array.from({ length }, (_, index) => nest(value, inner, from + index * step))
}

/** A graph's outputs as rows: an object per row, a value where an output has one per row, nested arrays where it has more. */
function rowsOfTensors(outputs: Tensors, count: number): Row[] {
  const columns = Object.entries(outputs).map(([name, value]) => {
    const [rows, ...inner] = value.dims
    if (rows !== count && !(count === 1 && rows === undefined))
      throw new InvalidParameterError(
        `The output ${JSON.stringify(name)} has shape ${shapeText(value.dims)} for ${count} rows, so it cannot be told apart by row; give tensors to get tensors`,
      )
    const dims = inner.length === 1 && inner[0] === 1 ? [] : inner
    return [name, dims, value, sizeOf(dims)] as const
  })
  return Array.from({ length: count }, (_, index) =>
    Object.fromEntries(columns.map(([name, dims, value, size]) => [name, nest(value, dims, index * size)])),
  )
}

/** Asks a graph in the form of the input: rows in, rows out; one tensor in, one out where the graph has one output; else by name. */
export async function ask(graph: Graph, input: ModelInput): Promise<ModelOutput> {
  const { inputs } = graph
  if (isRows(input))
    return input.length === 0 ? [] : rowsOfTensors(await graph.run(feedsOfRows(input, graph)), input.length)
  if (isTensorLike(input)) {
    const [only] = inputs
    if (!only || inputs.length > 1)
      return refuse(
        `One tensor came, but the model has the inputs ${inputs.map(({ name }) => name).join(', ')}; name them`,
      )
    const outputs = await graph.run({ [only.name]: feed(input, only) })
    const [first, ...more] = Object.values(outputs)
    return first && more.length === 0 ? first : outputs
  }
  if (!isNamedTensors(input))
    return refuse(`The input: expected rows, a tensor or tensors by name, got ${describe(input)}`)
  const [lone] = Object.keys(input)
  // A signature may call the only input what it likes; the graph's own name is what counts here.
  const alias = inputs.length === 1 && Object.keys(input).length === 1 ? lone : undefined
  const feeds = inputs.map((port): [string, Tensor] => {
    const value = Object.hasOwn(input, port.name) ? input[port.name] : alias === undefined ? undefined : input[alias]
    if (value === undefined)
      return refuse(`The input ${JSON.stringify(port.name)} is missing; got ${Object.keys(input).join(', ')}`)
    return [port.name, feed(value, port)]
  })
  return graph.run(Object.fromEntries(feeds))
}
