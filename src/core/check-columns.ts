import { mismatch, read } from './mismatch.js'
import type { ColumnType, Property } from './schema.js'
import type { Row, Scalar, TensorLike } from './tensor.js'
import { describe, shapeText } from './tensor-data.js'

/** What a column type expects, in words. */
export const EXPECTED: Readonly<Record<string, string>> = {
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

/** Checks rows against columns; answers them with these columns alone, in this order. */
export function checkRows(
  rows: readonly Row[],
  columns: readonly (Property & { readonly name?: string })[],
): readonly Row[] {
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
export function checkTable(value: TensorLike, columns: readonly Property[]): TensorLike {
  const given = read(value, 'The input')
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
