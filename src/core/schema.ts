import { isMap } from './options.js'

/** MLflow's column types: `integer` has 32 bits, `long` 64; `float` 32, `double` 64. */
export const DATA_TYPES = ['boolean', 'integer', 'long', 'float', 'double', 'string', 'binary', 'datetime'] as const
/** A plain type of a column, by MLflow's name. */
export type DataType = (typeof DATA_TYPES)[number]

/** The type of a value in a column; arrays, objects and maps nest. */
export type ColumnType =
  | { readonly type: DataType | 'any' }
  | { readonly type: 'array'; readonly items: ColumnType }
  | { readonly type: 'object'; readonly properties: Readonly<Record<string, Property>> }
  | { readonly type: 'map'; readonly values: ColumnType }
/** The type of a field of an object, and whether the field has to be there. */
export type Property = ColumnType & { readonly required: boolean }
/** One column; without a name only when it is the only one. */
export type Column = Property & { readonly name?: string }

/** One tensor: numpy's name of its dtype, and its shape with -1 for a length that varies; without a name only when alone. */
export interface TensorSpec {
  readonly name?: string
  readonly dtype: string
  readonly shape: readonly number[]
}

/** What goes into a model or comes out: columns or tensors, never both. */
export type Schema =
  | { readonly kind: 'columns'; readonly columns: readonly Column[] }
  | { readonly kind: 'tensors'; readonly tensors: readonly TensorSpec[] }

/** A parameter of inference; `shape` is `[-1]` for a list. */
export interface Param {
  readonly name: string
  readonly type: DataType | 'object'
  readonly default: unknown
  readonly shape: readonly [-1] | null
  readonly properties?: Readonly<Record<string, Property>>
}

const DEPTH_LIMIT = 32
type Json = Readonly<Record<string, unknown>>

/** A rule of MLflow's schema JSON that the text breaks; callers say where it stood. */
export class SchemaFault extends Error {}
const fault = (message: string): never => {
  throw new SchemaFault(message)
}

const object = (value: unknown, what: string): Json => (isMap(value) ? value : fault(`${what} must be an object`))
const list = (value: unknown, what: string): readonly unknown[] =>
  Array.isArray(value) ? value : fault(`${what} must be a list`)
const isDataType = (type: unknown): type is DataType => DATA_TYPES.includes(type as DataType)

function columnType(json: Json, what: string, depth = 0): ColumnType {
  if (depth > DEPTH_LIMIT) return fault(`${what} nests deeper than ${DEPTH_LIMIT} levels`)
  const { type } = json
  if (isDataType(type) || type === 'any') return { type }
  if (type === 'array') return { type, items: columnType(object(json.items, `items of ${what}`), what, depth + 1) }
  if (type === 'map') return { type, values: columnType(object(json.values, `values of ${what}`), what, depth + 1) }
  if (type === 'object') return { type, properties: properties(json.properties, what, depth + 1) }
  return fault(`${what} has the unknown type ${JSON.stringify(type)}`)
}

function properties(json: unknown, what: string, depth: number): Readonly<Record<string, Property>> {
  const entries = Object.entries(object(json, `properties of ${what}`))
  return Object.fromEntries(
    entries.map(([key, value]) => [key, property(object(value, `${what}.${key}`), what, depth)]),
  )
}

// MLflow before 2.11 wrote `optional: true`, and before 2.6 nothing at all.
const property = (json: Json, what: string, depth = 0): Property => ({
  ...columnType(json, what, depth),
  required: typeof json.required === 'boolean' ? json.required : json.optional !== true,
})

const nameOf = (json: Json): { name?: string } =>
  json.name === undefined || json.name === null ? {} : { name: String(json.name) }

function tensorSpec(json: Json, what: string): TensorSpec {
  const spec = object(json['tensor-spec'], `tensor-spec of ${what}`)
  const shape = list(spec.shape, `shape of ${what}`)
  if (!shape.every((size) => Number.isSafeInteger(size) && (size as number) >= -1))
    return fault(`the shape of ${what} must hold whole numbers from -1`)
  if (typeof spec.dtype !== 'string') return fault(`the dtype of ${what} must be a text`)
  return { ...nameOf(json), dtype: spec.dtype, shape: shape as number[] }
}

/** Reads the JSON value of a schema as MLflow 1 to 3 write it; throws `SchemaFault`. */
export function readSchema(json: unknown, what: string): Schema {
  const items = list(json, what).map((item, index) => object(item, `${what}[${index}]`))
  const called = (item: Json, index: number) => `${what} ${JSON.stringify(item.name ?? index)}`
  const tensors = items.filter((item) => item.type === 'tensor')
  if (items.length > 0 && tensors.length === items.length)
    return { kind: 'tensors', tensors: items.map((item, index) => tensorSpec(item, called(item, index))) }
  if (tensors.length > 0) return fault(`${what} mixes tensors and columns`)
  return {
    kind: 'columns',
    columns: items.map((item, index) => ({ ...property(item, called(item, index)), ...nameOf(item) })),
  }
}

/** Reads the JSON value of a list of parameters; throws `SchemaFault`. */
export function readParams(json: unknown): readonly Param[] {
  return list(json, 'params').map((value, index) => {
    const item = object(value, `params[${index}]`)
    const { type } = item
    if (typeof item.name !== 'string') return fault(`params[${index}] has no name`)
    if (!isDataType(type) && type !== 'object') return fault(`param ${item.name} has the unknown type ${String(type)}`)
    return {
      name: item.name,
      type,
      default: item.default,
      shape: Array.isArray(item.shape) ? [-1] : null,
      ...(type === 'object' ? { properties: properties(item.properties, `param ${item.name}`, 1) } : {}),
    }
  })
}

function typeJson(column: ColumnType): Json {
  if (column.type === 'array') return { type: 'array', items: typeJson(column.items) }
  if (column.type === 'map') return { type: 'map', values: typeJson(column.values) }
  if (column.type !== 'object') return { type: column.type }
  return { type: 'object', properties: propertiesJson(column.properties) }
}

// Python lists the properties of an object sorted.
const propertiesJson = (all: Readonly<Record<string, Property>>): Json =>
  Object.fromEntries(
    Object.entries(all)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, { ...typeJson(value), required: value.required }]),
  )

const named = (name: string | undefined): Json => (name === undefined ? {} : { name })

/** The JSON value of a schema as MLflow writes it. */
export const schemaJson = (schema: Schema): readonly Json[] =>
  schema.kind === 'columns'
    ? schema.columns.map((column) => ({ ...typeJson(column), ...named(column.name), required: column.required }))
    : schema.tensors.map(({ name, dtype, shape }) => ({
        ...named(name),
        type: 'tensor',
        'tensor-spec': { dtype, shape },
      }))

/** The JSON value of parameters as MLflow writes it. */
export const paramsJson = (params: readonly Param[]): readonly Json[] =>
  params.map(({ name, type, default: value, shape, properties }) => ({
    name,
    type,
    default: value instanceof Date ? value.toISOString().replace('Z', '') : value,
    shape,
    ...(properties ? { properties: propertiesJson(properties) } : {}),
  }))
