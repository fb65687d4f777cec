/** Element types by numpy's names, save that text is `string`. */
export type TensorType =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'string'

/** Flat values, the last dimension running fastest; 64-bit whole numbers are `bigint`, booleans one byte each. */
export type TensorData =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | readonly (number | bigint | boolean | string)[]

/** A tensor: flat data, the length of each dimension (`[]` for a single value), and the type of its elements. */
export interface Tensor {
  readonly data: TensorData
  readonly dims: readonly number[]
  readonly type: TensorType
}

/** One element of a tensor. */
export type Scalar = number | bigint | boolean | string
/** A tensor as arrays in arrays, all of one length at each depth. */
export type NestedArray = readonly (Scalar | NestedArray)[]
/** A tensor in either form that a caller may give. */
export type TensorLike = Tensor | NestedArray
/** Tensors by the names that the model gives its inputs and outputs. */
export type NamedTensors = Readonly<Record<string, TensorLike>>

/** One row: a value per column. */
export type Row = Readonly<Record<string, unknown>>

/** What a model is asked: rows, one tensor, or tensors by name. */
export type ModelInput = readonly Row[] | TensorLike | NamedTensors
/** What it answers, in the form it was asked: a row per row, one tensor for one, tensors by name. */
export type ModelOutput = readonly Row[] | Tensor | Readonly<Record<string, Tensor>>
