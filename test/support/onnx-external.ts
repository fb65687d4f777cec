import { writeOnnx } from '../../examples/support/onnx-writer.js'

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}
const field = (number: number, content: Buffer | string): Buffer => {
  const body = Buffer.from(content as string)
  return Buffer.concat([varint(number * 8 + 2), varint(body.length), body])
}
const int = (number: number, value: number): Buffer => Buffer.concat([varint(number * 8), varint(value)])

/** A tensor `w` of shape [2, 1] whose values lie where the entries say. */
function externalTensor(entries: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat([
    int(1, 2),
    int(1, 1),
    int(2, 1),
    field(8, 'w'),
    ...entries.map(([key, value]) => field(13, Buffer.concat([field(1, key), field(2, value)]))),
    int(14, 1),
  ])
}

/** The linear model with its weights outside of the file; `place` puts the tensor into another part of the model. */
export function externalOnnx(
  entries: readonly (readonly [string, string])[],
  place: 'initializer' | 'constant' | 'subgraph' | 'sparse' | 'function' | 'training' = 'initializer',
): Uint8Array {
  const tensor = externalTensor(entries)
  const whole = Buffer.from(
    writeOnnx({
      name: 'linear',
      inputs: [{ name: 'features', type: 'float32', shape: ['N', 2] }],
      outputs: [{ name: 'sum', type: 'float32', shape: ['N', 1] }],
      nodes: [{ op: 'MatMul', inputs: ['features', 'w'], outputs: ['sum'] }],
    }),
  )
  // Protocol buffers merge a message that comes twice, so what is added here becomes part of the one graph.
  const constant = field(
    1,
    Buffer.concat([
      field(2, 'w'),
      field(4, 'Constant'),
      field(5, Buffer.concat([field(1, 'value'), field(5, tensor), int(20, 4)])),
    ]),
  )
  const parts: Record<typeof place, Buffer> = {
    initializer: field(7, field(5, tensor)),
    constant: field(7, constant),
    subgraph: field(7, field(1, field(5, field(6, field(5, tensor))))),
    sparse: field(7, field(15, field(1, tensor))),
    function: field(25, field(7, field(5, field(5, tensor)))),
    training: field(20, field(2, field(5, tensor))),
  }
  return Buffer.concat([whole, parts[place]])
}

/** Bytes that nest graphs in graphs, `depth` times. */
export function nestedOnnx(depth: number): Uint8Array {
  let graph: Buffer = Buffer.alloc(0)
  for (let i = 0; i < depth; i++) graph = field(1, field(5, field(6, graph)))
  return field(7, graph)
}
