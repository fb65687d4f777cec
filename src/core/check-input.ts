import { checkRows, checkTable, EXPECTED } from './check-columns.js'
import { checkNamed, checkTensor, checkTensorRow } from './check-tensors.js'
import { mismatch } from './mismatch.js'
import type { SignatureParts } from './signature.js'
import type { ModelInput } from './tensor.js'
import { describe, isNamedTensors, isRows, isTensorLike } from './tensor-data.js'

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
    return checkTensor(input, only)
  }
  if (isNamedTensors(input)) return checkNamed(input, tensors)
  return mismatch(`The input: expected a tensor, tensors by name or rows, got ${describe(input)}`)
}
