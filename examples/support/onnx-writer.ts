/**
 * An ONNX file is one protocol-buffers message. Written by hand it takes a screenful:
 * every field is a tag (number and wire type) followed by a varint, four bytes, or length-prefixed bytes.
 */
export type Dim = number | string
export type ElementType = 'float32' | 'int64' | 'string'
export type Attribute = number | string | readonly number[] | { readonly float: number }

/** Name, element type and shape of a graph's input or output; a string is a symbolic size, such as `'N'`. */
export interface Port {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly Dim[]
}

/** One operator: outputs = op(inputs). Whole numbers become INT attributes, `{ float }` a FLOAT, arrays INTS. */
export interface Node {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>>
}

/** A node with one output, which is all that most operators have: `op('MatMul', ['x', 'w'], 'product')`. */
export const op = (
  name: string,
  inputs: readonly string[],
  output: string,
  attributes: Node['attributes'] = {},
): Node => ({
  op: name,
  inputs,
  outputs: [output],
  attributes,
})

/** A constant of the graph: trained weights, scales, class names. `data` is flat, in row-major order. */
export type Initializer = { readonly name: string; readonly dims: readonly number[] } & (
  | { readonly type: 'float32' | 'int64'; readonly data: readonly number[] }
  | { readonly type: 'string'; readonly data: readonly string[] }
)

export interface Graph {
  readonly name: string
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  readonly initializers?: readonly Initializer[]
  readonly nodes: readonly Node[]
  readonly metadata?: Readonly<Record<string, string>>
}

const ELEMENT: Record<ElementType, number> = { float32: 1, int64: 7, string: 8 }

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 127n) | 128)
  }
}

const int = (field: number, value: number) => Buffer.concat([varint(field << 3), varint(value)])

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([varint((field << 3) | 5), bytes])
}

function bytes(field: number, content: string | Buffer | readonly Buffer[]): Buffer {
  const body = typeof content === 'string' ? Buffer.from(content) : Buffer.isBuffer(content) ? content : join(content)
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body])
}

const join = (parts: readonly Buffer[]) => Buffer.concat([...parts])
const each = <T>(items: readonly T[] | undefined, write: (item: T) => Buffer) => join((items ?? []).map(write))

function attribute(name: string, value: Attribute): Buffer {
  if (typeof value === 'number') return join([bytes(1, name), int(3, value), int(20, 2)])
  if (typeof value === 'string') return join([bytes(1, name), bytes(4, value), int(20, 3)])
  if ('float' in value) return join([bytes(1, name), float(2, value.float), int(20, 1)])
  return join([bytes(1, name), each(value, (item) => int(8, item)), int(20, 7)])
}

const node = ({ op, inputs, outputs, attributes = {} }: Node) =>
  join([
    each(inputs, (name) => bytes(1, name)),
    each(outputs, (name) => bytes(2, name)),
    bytes(4, op),
    each(Object.entries(attributes), ([name, value]) => bytes(5, attribute(name, value))),
  ])

function tensorData(tensor: Initializer): Buffer {
  if (tensor.type === 'string') return each(tensor.data, (item) => bytes(6, item))
  const raw = tensor.type === 'float32' ? Float32Array.from(tensor.data) : BigInt64Array.from(tensor.data, BigInt)
  return bytes(9, Buffer.from(raw.buffer))
}

const initializer = (tensor: Initializer) =>
  join([
    each(tensor.dims, (dim) => int(1, dim)),
    int(2, ELEMENT[tensor.type]),
    bytes(8, tensor.name),
    tensorData(tensor),
  ])

function port({ name, type, shape }: Port): Buffer {
  const dims = each(shape, (dim) => bytes(1, typeof dim === 'string' ? bytes(2, dim) : int(1, dim)))
  return join([bytes(1, name), bytes(2, bytes(1, [int(1, ELEMENT[type]), bytes(2, dims)]))])
}

/** The bytes of a `.onnx` file (IR version 8, opset 13) for this graph; nodes must stand in the order they run. */
export function writeOnnx(graph: Graph): Uint8Array {
  const body = [
    each(graph.nodes, (item) => bytes(1, node(item))),
    bytes(2, graph.name),
    each(graph.initializers, (item) => bytes(5, initializer(item))),
    each(graph.inputs, (item) => bytes(11, port(item))),
    each(graph.outputs, (item) => bytes(12, port(item))),
  ]
  return join([
    int(1, 8),
    bytes(2, 'cairn-ml examples'),
    bytes(7, body),
    bytes(8, [bytes(1, ''), int(2, 13)]),
    each(Object.entries(graph.metadata ?? {}), ([key, value]) => bytes(14, [bytes(1, key), bytes(2, value)])),
  ])
}
