import { CairnError, SignatureMismatchError } from '../errors.js'
import type { ColumnType, Property, TensorSpec } from './schema.js'
import type { SignatureParts } from './signature.js'
import type { ModelInput, NamedTensors, Row, Scalar, Tensor, TensorLike, TensorType } from './tensor.js'
import { dataAs, describe, isNamedTensors, isRows, isTensor, isTensorLike, shapeText, tensor } from './tensor-data.js'

const EXPECTED: Readonly<Record<string, string>> = {
  boolean: 'boolean',
  integer: 'integer (a whole number of 32 bits)',
  long: 'long (a whole number of 64 bits)',
  float: 'float (a number)',
  double: 'double (a number)',
  string: 'string',
  binary: 'binary (a Uint8Array)',
  datetime: 'datetime (a Date, or ISO 8601 text)',
}
const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

const mismatch = (message: string, cause?: unknown): never => {
  throw new SignatureMismatchError(message, cause === undefined ? {} : { cause })
}

const isWhole = (value: unknown, bits: 32 | 64): boolean => {
  if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint') return false
  return BigInt.asIntN(bits, BigInt(value as number | bigint)) === BigInt(value as number | bigint)
}

const HOLDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  boolean: (value) => typeof value === 'boolean',
  integer: (value) => isWhole(value, 32),
  long: (value) => isWhole(value, 64),
  float: (value) => typeof value === 'number' || isWhole(value, 32),
  double: (value) => typeof value === 'number' || isWhole(value, 64),
  string: (value) => typeof value === 'string',
  binary: (value) => value instanceof Uint8Array,
  datetime: (value) =>
    value instanceof Date ? !Number.isNaN(value.getTime()) : typeof value === 'string' && ISO.test(value),
}

const isObject = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

function checkValue(value: unknown, type: ColumnType, where: string): unknown {
  if (type.type === 'any') return value
  if (type.type === 'array') {
    if (!isList(value)) return mismatch(`${where}: expected an array, got ${describe(value)}`)
    return Array.from(value, (item, index) => checkValue(item, type.items, `${where}[${index}]`))
  }
  if (type.type === 'map') {
    if (!isObject(value)) return mismatch(`${where}: expected a map, got ${describe(value)}`)
    const entries = Object.entries(value)
    return Object.fromEntries(entries.map(([key, item]) => [key, checkValue(item, type.values, `${where}.${key}`)]))
  }
  if (type.type === 'object') {
    if (!isObject(value)) return mismatch(`${where}: expected an object, got ${describe(value)}`)
    return checkProperties(value, Object.entries(type.properties), (key) => `${where}.${key}`)
  }
  if (!HOLDS[type.type]!(value)) return mismatch(`${where}: expected ${EXPECTED[type.type]}, got ${describe(value)}`)
  return typeof value === 'bigint' && (type.type === 'float' || type.type === 'double') ? Number(value) : value
}

function checkProperties(
  row: Row,
  columns: readonly (readonly [string, Property])[],
  where: (key: string) => string,
): Row {
  const out: [string, unknown][] = []
  for (const [key, column] of columns) {
    const value = Object.hasOwn(row, key) ? row[key] : undefined
    if (value !== undefined && value !== null) out.push([key, checkValue(value, column, where(key))])
    else if (column.required)
      mismatch(`${where(key)}: it is required (${EXPECTED[column.type] ?? column.type}), got ${describe(value)}`)
    else out.push([key, null])
  }
  return Object.fromEntries(out)
}

function checkRows(rows: readonly Row[], columns: readonly (Property & { readonly name?: string })[]): readonly Row[] {
  const [only] = columns
  const lone = columns.length === 1 && only?.name === undefined
  const named = columns.map((column, index) => [column.name ?? String(index), column] as const)
  return rows.map((row, index) => {
    const keys = Object.keys(row)
    // A lone column without a name takes whatever the row's only key is called.
    const entries = lone && only && keys.length === 1 ? [[keys[0]!, only] as const] : named
    return checkProperties(row, entries, (key) => `Row ${index}, column ${JSON.stringify(key)}`)
  })
}

/** A column table also takes one numeric tensor with a value per column. */
function checkTable(value: TensorLike, columns: readonly Property[]): TensorLike {
  const given = read(value, 'input')
  const width = given.dims.length === 1 && columns.length === 1 ? 1 : given.dims[1]
  if (width !== columns.length || given.dims.length > 2)
    mismatch(`The input: expected rows of ${columns.length} columns, got a tensor ${shapeText(given.dims)}`)
  const values = given.data as ArrayLike<Scalar>
  for (let index = 0; index < values.length; index++) {
    const column = index % columns.length
    checkValue(values[index], columns[column]!, `Row ${Math.floor(index / columns.length)}, column ${column}`)
  }
  return value
}

function read(value: TensorLike, name: string): Tensor {
  try {
    return tensor(value)
  } catch (error) {
    return mismatch(`The ${name}: ${error instanceof CairnError ? error.message : String(error)}`, error)
  }
}

/** The type of a tensor that holds numpy's dtype. */
export const typeOfDtype = (dtype: string): TensorType =>
  dtype === 'str' || dtype === 'object' || /^[<>|]?U\d*$/.test(dtype) ? 'string' : (dtype as TensorType)

function checkTensor(value: TensorLike, spec: TensorSpec, name: string): Tensor {
  const given = read(value, name)
  const type = typeOfDtype(spec.dtype)
  const { shape } = spec
  const fits =
    given.dims.length === shape.length && shape.every((size, index) => size === -1 || size === given.dims[index])
  if (!fits) mismatch(`The ${name}: expected shape ${shapeText(shape)}, got ${shapeText(given.dims)}`)
  if (given.type === type) return given
  // Arrays of plain numbers have no type of their own: they take the signature's, if every value fits it.
  if (isTensor(value) && value.type !== undefined) return mismatch(`The ${name}: expected ${type}, got ${given.type}`)
  try {
    return { ...given, data: dataAs(given.data, type), type }
  } catch (error) {
    return mismatch(`The ${name}: expected ${type}: ${error instanceof CairnError ? error.message : ''}`, error)
  }
}

const called = (spec: TensorSpec): string => (spec.name === undefined ? 'input' : `input ${JSON.stringify(spec.name)}`)

function checkNamed(input: NamedTensors, specs: readonly TensorSpec[]): NamedTensors {
  const entries = specs.map((spec): [string, Tensor] => {
    const name = spec.name ?? Object.keys(input)[0] ?? ''
    const value = Object.hasOwn(input, name) ? input[name] : undefined
    if (value === undefined)
      return mismatch(
        `The ${called(spec)} is missing: expected ${spec.dtype} ${shapeText(spec.shape)}, got ${Object.keys(input).join(', ')}`,
      )
    return [name, checkTensor(value, spec, called(spec))]
  })
  return Object.fromEntries(entries)
}

/** One row of tensors: for each input its value without the first dimension; `[k, 1]` also takes a bare value. */
function checkTensorRow(row: Row, specs: readonly TensorSpec[], index: number): Row {
  const entries = specs.map((spec): [string, unknown] => {
    const key = spec.name ?? '0'
    const where = `row ${index}, input ${JSON.stringify(key)}`
    const value = Object.hasOwn(row, key) ? row[key] : undefined
    if (value === undefined || value === null)
      return mismatch(
        `${`R${where.slice(1)}`}: it is required, ${spec.dtype} ${shapeText(spec.shape.slice(1))}, got ${describe(value)}; its rows have the keys ${specs.map((s) => s.name ?? '0').join(', ')}`,
      )
    const inner = spec.shape.slice(1)
    const list = (ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<Scalar>) : value) as
      | Scalar
      | TensorLike
    const bare = !Array.isArray(list) && !isTensor(list)
    if (bare && !(inner.length === 0 || inner.every((size) => size === 1 || size === -1)))
      return mismatch(`R${where.slice(1)}: expected shape ${shapeText(inner)}, got ${describe(value)}`)
    const nested = bare ? [list] : list
    checkTensor(nested as TensorLike, { ...spec, shape: bare ? [1] : inner }, where)
    return [key, value]
  })
  return Object.fromEntries(entries)
}

/**
 * Checks input against a model's signature and answers it ready for the model: rows with the signature's columns alone, in
 * its order, `null` where an optional value is absent; whole numbers widen, nothing narrows; plain arrays get the
 * signature's dtype. Without input schema everything passes. Throws `SignatureMismatchError` naming the column or input,
 * what was expected and what came.
 */
export function checkInput(signature: SignatureParts | undefined, input: ModelInput): ModelInput {
  const schema = signature?.inputs
  if (!schema) return input
  if (schema.kind === 'columns') {
    if (isRows(input)) return checkRows(input, schema.columns)
    if (isTensorLike(input)) return checkTable(input, schema.columns)
    if (isNamedTensors(input)) {
      const absent = schema.columns.find(({ name = '', required }) => required && !Object.hasOwn(input, name))
      if (absent)
        mismatch(`Column ${JSON.stringify(absent.name)}: it is required (${EXPECTED[absent.type]}), got nothing`)
      return Object.fromEntries(
        Object.entries(input).filter(([key]) => schema.columns.some(({ name }) => name === key)),
      )
    }
    return mismatch(
      `The input: expected rows of ${schema.columns.map(({ name }) => name).join(', ')}, got ${describe(input)}`,
    )
  }
  const { tensors } = schema
  const [only] = tensors
  if (isRows(input)) return input.map((row, index) => checkTensorRow(row, tensors, index))
  if (isTensorLike(input)) {
    if (!only || tensors.length > 1)
      return mismatch(
        `The input: expected tensors by name (${tensors.map(({ name }) => name).join(', ')}), got one without`,
      )
    return checkTensor(input, only, called(only))
  }
  if (isNamedTensors(input)) return checkNamed(input, tensors)
  return mismatch(`The input: expected a tensor, tensors by name or rows, got ${describe(input)}`)
}
