import { InvalidParameterError } from '../errors.js'
import type { Column, ColumnType, Param, Property, Schema, TensorSpec } from './schema.js'
import { type Signature, signature } from './signature.js'
import type { ModelInput, Row, TensorLike } from './tensor.js'
import { describe, isNamedTensors, isRows, isTensorLike, tensor } from './tensor-data.js'

const DEPTH_LIMIT = 32
const NUMBERS: readonly string[] = ['integer', 'long', 'float', 'double']
const VIEWS: readonly (readonly [new (length: number) => object, ColumnType['type']])[] = [
  [Float32Array, 'float'],
  [Float64Array, 'double'],
  [BigInt64Array, 'long'],
  [Int32Array, 'integer'],
  [Int16Array, 'integer'],
  [Uint16Array, 'integer'],
  [Int8Array, 'integer'],
  [Uint32Array, 'long'],
]

const missing = (value: unknown): value is null | undefined => value === null || value === undefined

function typeOf(value: unknown, where: string, depth = 0): ColumnType | undefined {
  if (depth > DEPTH_LIMIT) throw new InvalidParameterError(`${where} nests deeper than ${DEPTH_LIMIT} levels`)
  if (missing(value)) return undefined
  if (typeof value === 'number') return { type: Number.isSafeInteger(value) ? 'long' : 'double' }
  if (typeof value === 'bigint') return { type: 'long' }
  if (typeof value === 'string') return { type: 'string' }
  if (typeof value === 'boolean') return { type: 'boolean' }
  if (value instanceof Date) return { type: 'datetime' }
  if (value instanceof Uint8Array) return { type: 'binary' }
  if (Array.isArray(value))
    return { type: 'array', items: typeOfAll(value, `${where}[]`, depth + 1) ?? { type: 'any' } }
  const view = VIEWS.find(([Type]) => value instanceof Type)?.[1]
  if (view) return { type: 'array', items: { type: view } as ColumnType }
  if (typeof value === 'object' && !ArrayBuffer.isView(value))
    return { type: 'object', properties: propertiesOf([value as Row], where, depth + 1) }
  throw new InvalidParameterError(`${where} holds ${describe(value)}, for which MLflow's schema has no type`)
}

const typeOfAll = (values: readonly unknown[], where: string, depth: number): ColumnType | undefined =>
  values.reduce<ColumnType | undefined>((known, value) => merge(known, typeOf(value, where, depth), where), undefined)

function merge(a: ColumnType | undefined, b: ColumnType | undefined, where: string): ColumnType | undefined {
  if (!a || b?.type === 'any') return a ?? b
  if (!b || a.type === 'any') return b ?? a
  if (a.type === 'array' && b.type === 'array')
    return { type: 'array', items: merge(a.items, b.items, `${where}[]`) ?? { type: 'any' } }
  if (a.type === 'object' && b.type === 'object')
    return { type: 'object', properties: mergeAll(a.properties, b.properties, where) }
  if (a.type === b.type) return a
  const wider = NUMBERS[Math.max(NUMBERS.indexOf(a.type), NUMBERS.indexOf(b.type))]
  if (NUMBERS.includes(a.type) && NUMBERS.includes(b.type)) return { type: wider } as ColumnType
  throw new InvalidParameterError(`${where} holds both ${a.type} and ${b.type}; a column has one type`)
}

type Properties = Readonly<Record<string, Property>>

function mergeAll(a: Properties, b: Properties, where: string): Properties {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  const known = (all: Properties, key: string) => (Object.hasOwn(all, key) ? all[key] : undefined)
  const entry = (key: string): [string, Property] => {
    const [left, right] = [known(a, key), known(b, key)]
    const type = merge(left, right, `${where}.${key}`) ?? { type: 'any' }
    return [key, { ...type, required: left?.required === true && right?.required === true }]
  }
  return Object.fromEntries(keys.map(entry))
}

function propertiesOf(rows: readonly Row[], where: string, depth: number): Properties {
  const columns = new Map<string, { type: ColumnType | undefined; present: number }>()
  const name = (key: string) => (where === '' ? `The column ${JSON.stringify(key)}` : `${where}.${key}`)
  for (const row of rows)
    for (const [key, value] of Object.entries(row)) {
      const column = columns.get(key) ?? { type: undefined, present: 0 }
      column.type = merge(column.type, typeOf(value, name(key), depth), name(key))
      if (!missing(value)) column.present++
      columns.set(key, column)
    }
  return Object.fromEntries(
    [...columns].map(([key, { type, present }]) => [
      key,
      { ...(type ?? { type: 'any' }), required: present === rows.length },
    ]),
  )
}

function tensorSpec(value: TensorLike, name?: string): TensorSpec {
  const { dims, type } = tensor(value)
  const shape = dims.map((size, index) => (index === 0 ? -1 : size))
  return { ...(name === undefined ? {} : { name }), dtype: type === 'string' ? 'str' : type, shape }
}

function schemaOf(value: ModelInput, what: string): Schema {
  if (isRows(value)) {
    if (value.length === 0)
      throw new InvalidParameterError(`The ${what} has no rows, so there are no types to read from it`)
    const columns = Object.entries(propertiesOf(value, '', 0)).map(([name, column]): Column => ({ ...column, name }))
    return { kind: 'columns', columns }
  }
  if (isTensorLike(value)) return { kind: 'tensors', tensors: [tensorSpec(value)] }
  if (isNamedTensors(value))
    return { kind: 'tensors', tensors: Object.entries(value).map(([name, item]) => tensorSpec(item, name)) }
  throw new InvalidParameterError(
    `The ${what} of a signature is rows ([{ age: 41 }, …]), a tensor (nested arrays or { data, dims, type }) or tensors by name, not ${describe(value)}`,
  )
}

function param(name: string, value: unknown): Param {
  const type = typeOf(value, `The param ${JSON.stringify(name)}`)
  const inner = type?.type === 'array' ? type.items : type
  if (!inner || inner.type === 'array' || inner.type === 'map' || inner.type === 'any')
    throw new InvalidParameterError(`The param ${JSON.stringify(name)} must be a value, a list of values or an object`)
  return {
    name,
    type: inner.type,
    default: value,
    shape: type?.type === 'array' ? [-1] : null,
    ...(inner.type === 'object' ? { properties: inner.properties } : {}),
  }
}

/**
 * MLflow's schema of an example: rows give columns (whole numbers `long`, others `double`; a value missing in some row
 * makes its column optional), tensors give dtype and shape, the first dimension free. `params` are the parameters of
 * inference with their defaults. Throws `InvalidParameterError` naming the column whose values have no one type.
 */
export function inferSignature(
  input: ModelInput | undefined,
  output?: ModelInput,
  params?: Readonly<Record<string, unknown>>,
): Signature {
  return signature({
    inputs: missing(input) ? undefined : schemaOf(input, 'input'),
    outputs: missing(output) ? undefined : schemaOf(output, 'output'),
    params: params && Object.entries(params).map(([name, value]) => param(name, value)),
  })
}
