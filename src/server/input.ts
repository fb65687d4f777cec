import type { z } from 'zod'
import { InvalidParameterError } from '../errors.js'
import { parseJson } from '../transport/json.js'
import { type Input, type Operation, protocol } from '../transport/protocol.js'

/** What an operation is given, read from path, query and body; `InvalidParameterError` in MLflow's words. */
export function inputOf<O extends Operation>(
  operation: O,
  given: { readonly fields: object; readonly query: URLSearchParams; readonly body: string },
): Input<O> {
  const { method, input } = protocol[operation]
  const asked = method === 'GET' ? fromQuery(given.query, input) : fromBody(given.body)
  const whole = { ...asked, ...given.fields }
  const read = (input as z.ZodType).safeParse(whole)
  // What stands in the schemas' own words goes on: they say it in both directions.
  if (read.success) return read.data as Input<O>
  const [issue] = read.error.issues
  const name = issue?.path.join('.') || 'body'
  const value = issue?.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], whole)
  throw new InvalidParameterError(
    value === undefined || value === ''
      ? `Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`
      : `Invalid value ${JSON.stringify(value)?.slice(0, 200)} for parameter '${name}' supplied: ${issue?.message}`,
  )
}

function fromBody(text: string): Record<string, unknown> {
  if (text === '') return {}
  let value: unknown
  try {
    value = parseJson(text)
  } catch {
    throw new InvalidParameterError('The body of the request is not JSON')
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new InvalidParameterError('The body of the request is not a JSON object')
  return value as Record<string, unknown>
}

type Shape = Readonly<Record<string, z.ZodType>>

function fromQuery(query: URLSearchParams, input: z.ZodType): Record<string, unknown> {
  const { shape } = input as unknown as { shape: Shape }
  const fields: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(shape)) {
    const values = query.getAll(name)
    const last = values.at(-1)
    if (last === undefined) continue
    const type = typeOf(schema)
    if (type === 'array') fields[name] = values
    else if (type === 'boolean') fields[name] = last === 'true' ? true : last === 'false' ? false : last
    else if (type === 'number') fields[name] = last.trim() === '' ? last : Number(last)
    else fields[name] = last
  }
  return fields
}

function typeOf(schema: z.ZodType): string {
  const { type, innerType } = schema.def as { type: string; innerType?: z.ZodType }
  return innerType ? typeOf(innerType) : type
}
