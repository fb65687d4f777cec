import { IntegrityError } from '../../errors.js'

/** Where a tensor of an ONNX file keeps its values when they are not in the file; numbers as the file gives them. */
export interface ExternalData {
  readonly location: string
  readonly offset: number
  /** Bytes; absent: to the end of the file. */
  readonly length?: number
}

/** What an ONNX file says of itself that must be known before a runtime opens it. */
export interface OnnxFile {
  readonly irVersion: number
  /** Of the default operator set. */
  readonly opset: number
  readonly external: readonly ExternalData[]
}

interface Field {
  readonly number: number
  /** The value of a varint, else `undefined`. */
  readonly value: number | undefined
  /** The content of a length-delimited field, else `undefined`. */
  readonly bytes: Uint8Array | undefined
}

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'function' | 'training'

// Which fields of onnx.proto lead to further tensors.
const INNER: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
}
const DEPTH_LIMIT = 100

const corrupt = (why: string): never => {
  throw new IntegrityError(`The bytes are not an ONNX model: ${why}`)
}

function varint(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return corrupt('a number is cut off')
    // Exact below 2^53; what lies above is only ever compared with lengths, which are smaller.
    value += (byte & 127) * 2 ** (7 * index)
    if (byte < 128) return [value, at + index + 1]
  }
  return corrupt('a number is too long')
}

function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0
  while (at < bytes.length) {
    const [tag, start] = varint(bytes, at)
    if (tag > 0xffffffff || tag < 8) return corrupt(`there is no field ${tag}`)
    const [number, wire] = [Math.floor(tag / 8), tag % 8]
    if (wire === 0) {
      const [value, next] = varint(bytes, start)
      at = next
      yield { number, value, bytes: undefined }
    } else if (wire === 2) {
      const [length, from] = varint(bytes, start)
      at = from + length
      if (at > bytes.length)
        return corrupt(`field ${number} has ${length} bytes, of which ${bytes.length - from} are there`)
      yield { number, value: undefined, bytes: bytes.subarray(from, at) }
    } else if (wire === 1 || wire === 5) {
      at = start + (wire === 1 ? 8 : 4)
      if (at > bytes.length) return corrupt(`field ${number} is cut off`)
    } else return corrupt(`field ${number} has the unknown wire type ${wire}`)
  }
}

const text = (bytes: Uint8Array | undefined): string => (bytes ? Buffer.from(bytes).toString('utf8') : '')

function wholeNumber(value: string | undefined, name: string): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,15}$/.test(value)) return corrupt(`the ${name} of external data is ${JSON.stringify(value.slice(0, 40))}`)
  return Number(value)
}

function externalData(tensor: Uint8Array): ExternalData[] {
  const entries: [string, string][] = []
  let outside = false
  for (const { number, bytes, value } of fields(tensor)) {
    if (number === 14) outside = value === 1
    if (number !== 13 || !bytes) continue
    let [key, content] = ['', '']
    for (const field of fields(bytes)) {
      if (field.number === 1) key = text(field.bytes)
      if (field.number === 2) content = text(field.bytes)
    }
    entries.push([key, content])
  }
  const last = new Map(entries)
  const locations = entries.filter(([key]) => key === 'location').map(([, location]) => location)
  if (outside && locations.length === 0) return corrupt('a tensor has external data, but no location of it')
  const length = wholeNumber(last.get('length'), 'length')
  const offset = wholeNumber(last.get('offset'), 'offset') ?? 0
  return locations.map((location) => ({ location, offset, ...(length === undefined ? {} : { length }) }))
}

function opsetOf(bytes: Uint8Array): number {
  let [domain, version] = ['', 0]
  for (const field of fields(bytes)) {
    if (field.number === 1) domain = text(field.bytes)
    if (field.number === 2) version = field.value ?? 0
  }
  return domain === '' || domain === 'ai.onnx' ? version : 0
}

/** Reads what is needed of an ONNX file, in one pass over its bytes; throws `IntegrityError` when they are no such file. */
export function readOnnxFile(file: Uint8Array): OnnxFile {
  let [irVersion, opset, hasGraph] = [0, 0, false]
  const external: ExternalData[] = []
  const open: { readonly kind: Message; readonly bytes: Uint8Array; readonly depth: number }[] = []
  const descend = (kind: Message, field: Field, depth: number): void => {
    const inner = INNER[kind][field.number]
    if (!inner || !field.bytes) return
    if (depth > DEPTH_LIMIT) corrupt(`it nests deeper than ${DEPTH_LIMIT} levels`)
    if (inner === 'tensor') external.push(...externalData(field.bytes))
    else open.push({ kind: inner, bytes: field.bytes, depth: depth + 1 })
  }
  for (const field of fields(file)) {
    if (field.number === 1) irVersion = field.value ?? 0
    if (field.number === 8 && field.bytes) opset = Math.max(opset, opsetOf(field.bytes))
    if (field.number === 7 && field.bytes) hasGraph = true
    descend('model', field, 1)
  }
  for (let next = open.pop(); next; next = open.pop())
    for (const field of fields(next.bytes)) descend(next.kind, field, next.depth)
  if (!hasGraph) corrupt('it holds no graph')
  return { irVersion, opset, external }
}

// First release of the Python package `onnx` that knows an operator set, and a file format (IR version).
const BY_OPSET = [
  7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12, 7, 13, 8, 14, 9, 15, 10, 16, 11, 17, 12, 18, 13, 19, 14, 20, 15, 21, 16, 22, 17,
  23, 18, 24, 19, 25, 20,
]
const BY_IR = [3, 0, 4, 4, 5, 5, 6, 6, 7, 7, 8, 10, 9, 14, 10, 16, 11, 18, 12, 19, 13, 20]

const minor = (pairs: readonly number[], version: number): number =>
  pairs.reduce((found, value, index) => (index % 2 === 0 && value <= version ? (pairs[index + 1] ?? found) : found), 0)

/** The oldest release of Python's `onnx` that can read this file, `1.10.0`: what MLmodel gives as `onnx_version`. */
export const onnxVersion = ({ irVersion, opset }: OnnxFile): string =>
  `1.${Math.max(minor(BY_OPSET, opset), minor(BY_IR, irVersion))}.0`
