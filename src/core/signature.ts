import type { ZodType } from 'zod'
import { IntegrityError } from '../errors.js'
import { parsePythonJson, writePythonJson } from './python-json.js'
import { type Param, paramsJson, readParams, readSchema, type Schema, SchemaFault, schemaJson } from './schema.js'
import type { Row } from './tensor.js'

/** The three texts under `signature:` in MLmodel, each JSON, or null. */
export interface SignatureText {
  readonly inputs: string | null
  readonly outputs: string | null
  readonly params: string | null
}

export interface SignatureParts {
  readonly inputs?: Schema | undefined
  readonly outputs?: Schema | undefined
  readonly params?: readonly Param[] | undefined
}

/** What a model takes, gives, and may be told: MLflow's schema. */
export interface Signature extends SignatureParts {
  /** The form it has in MLmodel. */
  toJSON(): SignatureText
  /** The zod schema of one input row; extra keys are dropped. zod is imported at the first call. */
  zod(): Promise<ZodType<Row>>
}

/** A signature of these parts. */
export function signature(parts: SignatureParts): Signature {
  const { inputs, outputs, params } = parts
  return {
    ...(inputs ? { inputs } : {}),
    ...(outputs ? { outputs } : {}),
    ...(params && params.length > 0 ? { params } : {}),
    toJSON: () => ({
      inputs: inputs ? writePythonJson(schemaJson(inputs)) : null,
      outputs: outputs ? writePythonJson(schemaJson(outputs)) : null,
      params: params && params.length > 0 ? writePythonJson(paramsJson(params)) : null,
    }),
    zod: async () => (await import('./row-schema.js')).rowSchema(inputs),
  }
}

function part(texts: Readonly<Record<string, unknown>>, key: keyof SignatureText, what: string): unknown {
  const text = texts[key]
  if (text === null || text === undefined) return undefined
  if (typeof text !== 'string') throw new IntegrityError(`${what}: the ${key} of the signature must be JSON text`)
  try {
    return parsePythonJson(text)
  } catch (error) {
    throw new IntegrityError(`${what}: the ${key} of the signature are not JSON`, { cause: error })
  }
}

/** Reads the `signature:` map of an MLmodel, of any MLflow version; throws `IntegrityError` naming `what` and the broken rule. */
export function parseSignature(texts: Readonly<Record<string, unknown>>, what = 'MLmodel'): Signature {
  const [inputs, outputs, params] = [
    part(texts, 'inputs', what),
    part(texts, 'outputs', what),
    part(texts, 'params', what),
  ]
  try {
    return signature({
      inputs: inputs === undefined || inputs === null ? undefined : readSchema(inputs, 'input'),
      outputs: outputs === undefined || outputs === null ? undefined : readSchema(outputs, 'output'),
      params: params === undefined || params === null ? undefined : readParams(params),
    })
  } catch (error) {
    if (error instanceof SchemaFault)
      throw new IntegrityError(`${what}: the signature is not MLflow's: ${error.message}`, { cause: error })
    throw error
  }
}
