import { InvalidParameterError } from '../errors.js'
import { isPlain } from './options.js'
import type { NestedArray, Row, Scalar, Tensor, TensorData, TensorLike, TensorType } from './tensor.js'

const ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const
const TYPES: readonly string[] = ['bool', 'float16', 'string', ...Object.keys(ARRAYS)]
const BITS = /^u?int(8|16|32|64)$/

/** Whether a value is `{ data, dims, type }`; a framework's tensor with these properties is one too. */
export function isTensor(value: unknown): value is Tensor {
  if (typeof value !== 'object' || value === null || !('data' in value) || !('dims' in value)) return false
  return (Array.isArray(value.data) || ArrayBuffer.isView(value.data)) && Array.isArray(value.dims)
}

/** Whether a value is a list of rows: plain objects, or nothing at all. */
export const isRows = (value: unknown): value is readonly Row[] =>
  Array.isArray(value) && value.every((item) => isPlain(item) && !isTensor(item))

/** Whether a value is a tensor in either form. */
export const isTensorLike = (value: unknown): value is TensorLike =>
  isTensor(value) || (Array.isArray(value) && value.length > 0 && !isPlain(value[0]))

/** Whether a value is tensors by name. */
export const isNamedTensors = (value: unknown): value is Readonly<Record<string, TensorLike>> =>
  isPlain(value) && !isTensor(value) && Object.values(value).length > 0 && Object.values(value).every(isTensorLike)

/** How many elements a tensor of these dimensions has. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1)

/** The element type of flat data: of a typed array its own, of plain values as numpy would choose. */
export function typeOfData(data: TensorData): TensorType {
  for (const [type, Type] of Object.entries(ARRAYS)) if (data instanceof Type) return type as TensorType
  const values = data as readonly Scalar[]
  const kinds = new Set(values.map((value) => typeof value))
  if (kinds.size === 1 && kinds.has('boolean')) return 'bool'
  if (kinds.size === 1 && kinds.has('string')) return 'string'
  if (kinds.size === 1 && kinds.has('bigint')) return 'int64'
  if (values.every((value) => typeof value === 'bigint' || Number.isSafeInteger(value))) return 'int64'
  if (!kinds.has('boolean') && !kinds.has('string')) return 'float64'
  throw new InvalidParameterError(`A tensor holds one type of element, not ${[...kinds].join(' and ')}`)
}

function flatten(nested: NestedArray): { data: Scalar[]; dims: number[] } {
  const dims: number[] = []
  for (let level: unknown = nested; Array.isArray(level); level = level[0]) dims.push(level.length)
  const data: Scalar[] = []
  const take = (level: unknown, depth: number): void => {
    if (depth === dims.length) {
      if (!['number', 'bigint', 'boolean', 'string'].includes(typeof level))
        throw new InvalidParameterError(`A tensor holds numbers, booleans or texts, not ${describe(level)}`)
      data.push(level as Scalar)
    } else if (!Array.isArray(level) || level.length !== dims[depth])
      throw new InvalidParameterError(
        `The arrays of a tensor must have one length at each depth; at depth ${depth} ${dims[depth]} is expected and ${describe(level)} came`,
      )
    else for (const item of level) take(item, depth + 1)
  }
  take(nested, 0)
  return { data, dims }
}

/** A short name of a value's kind, for messages. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value instanceof Date) return 'a Date'
  if (isTensor(value)) return `a tensor of ${value.type} ${shapeText(value.dims)}`
  if (typeof value === 'object') return ArrayBuffer.isView(value) ? value.constructor.name : 'an object'
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value)}`
  return `the ${typeof value} ${String(value)}`
}

/** A shape as text, `[2, 4]`. */
export const shapeText = (dims: readonly (number | string)[]): string => `[${dims.join(', ')}]`

/** A tensor in whichever form as `{ data, dims, type }`; throws `InvalidParameterError` for ragged arrays or a wrong count. */
export function tensor(value: TensorLike): Tensor {
  if (!isTensor(value)) {
    const { data, dims } = flatten(value)
    return { data, dims, type: typeOfData(data) }
  }
  const { data, dims } = value
  const type = value.type ?? typeOfData(data)
  if (!TYPES.includes(type))
    throw new InvalidParameterError(
      `${JSON.stringify(type)} is not a type of tensor; the types are ${TYPES.join(', ')}`,
    )
  if (!dims.every((size) => Number.isSafeInteger(size) && size >= 0))
    throw new InvalidParameterError(`The dims of a tensor must be whole numbers from 0, not ${shapeText(dims)}`)
  if (data.length !== sizeOf(dims))
    throw new InvalidParameterError(`A tensor ${shapeText(dims)} has ${sizeOf(dims)} elements, but ${data.length} came`)
  return { data, dims, type }
}

const fits = (value: Scalar, type: TensorType): boolean => {
  if (type === 'bool') return typeof value === 'boolean' || value === 0 || value === 1
  if (type === 'string') return typeof value === 'string'
  if (typeof value === 'string' || typeof value === 'boolean') return false
  const bits = BITS.exec(type)?.[1]
  if (!bits) return true
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return false
  const whole = BigInt(value)
  return whole === (type.startsWith('u') ? BigInt.asUintN(Number(bits), whole) : BigInt.asIntN(Number(bits), whole))
}

/**
 * Flat data as the array that a framework wants for this type: `string` plain, `bool` one byte each, else the typed array.
 * Throws `InvalidParameterError` naming the first value that the type cannot hold.
 */
export function dataAs(data: TensorData, type: TensorType): TensorData {
  if (type === 'float16') {
    if (data instanceof Uint16Array) return data
    throw new InvalidParameterError('Elements of float16 must be given as their bits, in a Uint16Array')
  }
  const Type = type === 'string' ? undefined : ARRAYS[type === 'bool' ? 'uint8' : type]
  if (Type && data instanceof Type) return data
  const values = data as ArrayLike<Scalar>
  for (let index = 0; index < values.length; index++)
    if (!fits(values[index]!, type))
      throw new InvalidParameterError(`Element ${index} is ${describe(values[index])}, which ${type} cannot hold`)
  if (!Type) return Array.from(values)
  if (Type === BigInt64Array || Type === BigUint64Array) return Type.from(Array.from(values, BigInt))
  return (Type as typeof Float64Array).from(values as ArrayLike<number>, Number)
}

/** The type of a tensor that holds numpy's dtype. */
export const typeOfDtype = (dtype: string): TensorType =>
  dtype === 'str' || dtype === 'object' || /^[<>|]?U\d*$/.test(dtype) ? 'string' : (dtype as TensorType)
