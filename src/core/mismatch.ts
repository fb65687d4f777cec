import { CairnError, SignatureMismatchError } from '../errors.js'
import type { Tensor, TensorData, TensorLike, TensorType } from './tensor.js'
import { dataAs, tensor } from './tensor-data.js'

/** Throws the error of input that does not fit. */
export const mismatch = (message: string, cause?: unknown): never => {
  throw new SignatureMismatchError(message, cause === undefined ? {} : { cause })
}

function orMismatch<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    return mismatch(`${what}: ${error instanceof CairnError ? error.message : String(error)}`, error)
  }
}

/** A tensor in whichever form, read; what is none is a mismatch of `what`. */
export const read = (value: TensorLike, what: string): Tensor => orMismatch(what, () => tensor(value))

/** Flat data as this type has it; a value it cannot hold is a mismatch of `what`. */
export const cast = (data: TensorData, type: TensorType, what: string): TensorData =>
  orMismatch(`${what}: expected ${type}`, () => dataAs(data, type))
