import { z } from 'zod'
import { InvalidParameterError } from '../errors.js'
import type { ColumnType, DataType, Property, Schema, TensorSpec } from './schema.js'
import type { Row } from './tensor.js'

/** Any number, those that JSON has no word for included. */
const float = () => z.union([z.number(), z.nan(), z.literal([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])])

const SCALARS: Readonly<Record<DataType | 'any', () => z.ZodType>> = {
  boolean: () => z.boolean(),
  integer: () => z.int32(),
  long: () => z.union([z.int(), z.int64()]),
  float,
  double: float,
  string: () => z.string(),
  binary: () => z.instanceof(Uint8Array),
  datetime: () => z.union([z.date(), z.iso.datetime({ local: true, offset: true })]),
  any: () => z.unknown(),
}

function value(column: ColumnType): z.ZodType {
  if (column.type === 'array') return z.array(value(column.items))
  if (column.type === 'map') return z.record(z.string(), value(column.values))
  if (column.type === 'object') return z.object(shape(Object.entries(column.properties)))
  return SCALARS[column.type]()
}

const shape = (entries: readonly (readonly [string, Property])[]): Record<string, z.ZodType> =>
  Object.fromEntries(
    entries.map(([key, property]) => [key, property.required ? value(property) : value(property).nullish()]),
  )

function element(dtype: string): z.ZodType {
  if (dtype === 'bool') return z.boolean()
  if (/^u?int64$/.test(dtype)) return z.union([z.int(), z.bigint()])
  if (/^u?int/.test(dtype)) return z.int()
  return dtype.startsWith('float') ? float() : z.string()
}

const tensor = ({ dtype, shape: dims }: TensorSpec): z.ZodType =>
  dims.slice(1).reduceRight((inner, size) => (size < 0 ? z.array(inner) : z.array(inner).length(size)), element(dtype))

/** The zod schema of one row of these inputs: a key per column, or per tensor (without its first dimension). */
export function rowSchema(inputs: Schema | undefined): z.ZodType<Row> {
  if (!inputs) throw new InvalidParameterError('The signature says nothing of inputs, so there is no schema of a row')
  const entries =
    inputs.kind === 'columns'
      ? shape(inputs.columns.map((column, index) => [column.name ?? String(index), column]))
      : Object.fromEntries(inputs.tensors.map((spec, index) => [spec.name ?? String(index), tensor(spec)]))
  return z.object(entries) as z.ZodType<Row>
}
