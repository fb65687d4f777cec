import { cast, mismatch, read } from './mismatch.js'
import type { TensorSpec } from './schema.js'
import type { NamedTensors, Row, Scalar, Tensor, TensorLike } from './tensor.js'
import { describe, isTensor, shapeText, typeOfDtype } from './tensor-data.js'

const called = ({ name }: TensorSpec): string =>
  name === undefined ? 'The input' : `The input ${JSON.stringify(name)}`

/** Checks one tensor; plain arrays, which have no type of their own, get the signature's where every value fits it. */
export function checkTensor(value: TensorLike, spec: TensorSpec, where = called(spec)): Tensor {
  const given = read(value, where)
  const type = typeOfDtype(spec.dtype)
  const { shape } = spec
  const fits =
    given.dims.length === shape.length && shape.every((size, index) => size === -1 || size === given.dims[index])
  if (!fits) mismatch(`${where}: expected shape ${shapeText(shape)}, got ${shapeText(given.dims)}`)
  if (isTensor(value) && given.type !== type) mismatch(`${where}: expected ${type}, got ${given.type}`)
  return { data: cast(given.data, type, where), dims: given.dims, type }
}

/** Checks tensors by name; answers those of the signature alone. */
export function checkNamed(input: NamedTensors, specs: readonly TensorSpec[]): NamedTensors {
  const entries = specs.map((spec): [string, Tensor] => {
    const name = spec.name ?? Object.keys(input)[0] ?? ''
    const value = Object.hasOwn(input, name) ? input[name] : undefined
    if (value !== undefined) return [name, checkTensor(value, spec)]
    const expected = `${spec.dtype} ${shapeText(spec.shape)}`
    return mismatch(`${called(spec)} is missing: expected ${expected}, got ${Object.keys(input).join(', ')}`)
  })
  return Object.fromEntries(entries)
}

function checkPart(value: unknown, spec: TensorSpec, where: string): void {
  const shape = spec.shape.slice(1)
  const list = ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<Scalar>) : value
  if (Array.isArray(list) || isTensor(list)) {
    checkTensor(list, { ...spec, shape }, where)
    return
  }
  if (!shape.every((size) => size === 1 || size === -1))
    mismatch(`${where}: expected shape ${shapeText(shape)}, got ${describe(value)}`)
  checkTensor([list as Scalar], { ...spec, shape: [1] }, where)
}

/** Checks a row that holds, by the name of each input, its part of that tensor; a part of shape [1] may be a bare value. */
export function checkTensorRow(row: Row, specs: readonly TensorSpec[], index: number): Row {
  const names = specs.map(({ name }) => name ?? '0')
  const entries = specs.map((spec, position): [string, unknown] => {
    const key = names[position] ?? ''
    const where = `Row ${index}, input ${JSON.stringify(key)}`
    const value = Object.hasOwn(row, key) ? row[key] : undefined
    if (value === undefined || value === null)
      mismatch(
        `${where}: it is required (${spec.dtype} ${shapeText(spec.shape.slice(1))}), got ${describe(value)}; a row has the keys ${names.join(', ')}`,
      )
    checkPart(value, spec, where)
    return [key, value]
  })
  return Object.fromEntries(entries)
}
