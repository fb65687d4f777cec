import { linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { op, writeOnnx } from '../../../examples/support/onnx-writer.js'
import { inferSignature } from '../../../src/core/infer-signature.js'
import type { Tensor } from '../../../src/core/tensor.js'
import {
  IntegrityError,
  InvalidParameterError,
  MissingPeerError,
  SignatureMismatchError,
  UnsafePathError,
} from '../../../src/errors.js'
import { onnx } from '../../../src/models/flavors/onnx.js'
import { onnxVersion, readOnnxFile } from '../../../src/models/flavors/onnx-file.js'
import { linearOnnx } from '../../support/linear-models.js'
import { externalOnnx, nestedOnnx } from '../../support/onnx-external.js'
import { tempDir } from '../../support/temp-dir.js'

const flavor = onnx()
const weights = Buffer.from(Float32Array.of(1, 2).buffer)

async function saved(model: unknown) {
  const dir = tempDir()
  return { dir, ...(await flavor.save(model, dir, {})) }
}

/** A model folder as an attacker would make it. */
function folder(bytes: Uint8Array): string {
  const dir = join(tempDir(), 'model')
  mkdirSync(dir)
  writeFileSync(join(dir, 'model.onnx'), bytes)
  return dir
}
const load = (dir: string) => flavor.load(dir, { data: 'model.onnx' }, {})

it('the entries are those that Python reads, the signature is the graph’s own', async () => {
  const { config, pythonFunction, signature, dir } = await saved(linearOnnx())
  expect(config).toMatchObject({ data: 'model.onnx', code: null, onnx_version: '1.10.0' })
  expect(pythonFunction).toEqual({ data: 'model.onnx', loader_module: 'mlflow.onnx' })
  expect(signature?.toJSON()).toEqual({
    inputs: '[{"name":"features","type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,2]}}]',
    outputs: '[{"name":"sum","type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,1]}}]',
    params: null,
  })
  expect(readdirSync(dir)).toEqual(['model.onnx'])
})

it('a path and a session with its bytes are saved as well', async () => {
  const file = join(folder(linearOnnx()), 'model.onnx')
  const session = await ort.InferenceSession.create(linearOnnx())
  for (const model of [file, { session, bytes: linearOnnx() }]) {
    const { dir, config } = await saved(model)
    const loaded = await flavor.load(dir, config, {})
    expect(await loaded.predict([{ features: [1, 2] }])).toEqual([{ sum: 5 }])
  }
  await expect(saved(session)).rejects.toThrow(InvalidParameterError)
})

it('texts, whole numbers and values without a second dimension come back as plain values', async () => {
  const bytes = writeOnnx({
    name: 'kinds',
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    outputs: [
      { name: 'label', type: 'string', shape: ['N'] },
      { name: 'index', type: 'int64', shape: ['N'] },
      { name: 'scores', type: 'float32', shape: ['N', 2] },
    ],
    initializers: [{ name: 'names', type: 'string', dims: [2], data: ['no', 'yes'] }],
    nodes: [
      op('ArgMax', ['x'], 'index', { axis: 1, keepdims: 0 }),
      op('Gather', ['names', 'index'], 'label'),
      op('Identity', ['x'], 'scores'),
    ],
  })
  const rows = [
    { a: 1, b: 2 },
    { a: 4, b: 3 },
  ]
  const { dir, config, signature } = await saved(bytes)
  expect(signature?.outputs).toMatchObject({ tensors: [{ dtype: 'str' }, { dtype: 'int64' }, { dtype: 'float32' }] })
  const loaded = await flavor.load(dir, config, { signature: inferSignature(rows) })
  expect(await loaded.predict(rows)).toEqual([
    { label: 'yes', index: 1, scores: [1, 2] },
    { label: 'no', index: 0, scores: [4, 3] },
  ])
  const named = (await loaded.predict({ x: [[1, 2]] })) as Record<string, Tensor>
  expect(named.index).toEqual({ type: 'int64', dims: [1], data: BigInt64Array.of(1n) })
  expect(named.label).toEqual({ type: 'string', dims: [1], data: ['yes'] })
})

it('rows without names to go by are refused, not guessed at', async () => {
  const { dir, config } = await saved(linearOnnx())
  const loaded = await flavor.load(dir, config, {})
  await expect(loaded.predict([{ a: 1, b: 2 }])).rejects.toThrow(/"features"/)
  await expect(loaded.predict([{ a: 1, b: 2 }])).rejects.toThrow(SignatureMismatchError)
})

it('a signature of other columns than the graph takes is told', async () => {
  const { dir, config } = await saved(linearOnnx())
  const rows = [{ a: 1, b: 2, c: 3 }]
  const loaded = await flavor.load(dir, config, { signature: inferSignature(rows) })
  await expect(loaded.predict(rows)).rejects.toThrow('the columns a, b, c give 3')
})

it('after dispose a call is refused, and one under way is answered', async () => {
  const { dir, config } = await saved(linearOnnx())
  const loaded = await flavor.load(dir, config, {})
  const running = loaded.predict([{ features: [1, 2] }])
  await Promise.all([loaded.dispose(), loaded.dispose()])
  expect(await running).toEqual([{ sum: 5 }])
  await expect(loaded.predict([{ features: [1, 2] }])).rejects.toThrow(/disposed/)
})

it('session options come from MLmodel, and from the caller', async () => {
  const { dir, config } = await saved(linearOnnx())
  const options = {
    execution_mode: 'sequential',
    graph_optimization_level: 99,
    intra_op_num_threads: 1,
    extra_session_config: { x: 1 },
  }
  const loaded = await flavor.load(
    dir,
    { ...config, onnx_session_options: options },
    { sessionOptions: { logSeverityLevel: 3 } },
  )
  expect(await loaded.predict([{ features: [1, 2] }])).toEqual([{ sum: 5 }])
})

it('a runtime before 1.24 is refused, with the command that brings a newer one', async () => {
  const old = { env: { versions: { common: '1.23.2', node: '1.23.2' } } }
  const refused = flavor.load(folder(linearOnnx()), {}, { lib: old })
  await expect(refused).rejects.toThrow(MissingPeerError)
  await expect(refused).rejects.toThrow('ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@latest')
  await expect(flavor.save(linearOnnx(), tempDir(), { lib: {} })).rejects.toThrow(/an older one/)
})

it.each([
  ['text', Buffer.from('not a model')],
  ['nothing', Buffer.alloc(0)],
  ['a cut file', linearOnnx().subarray(0, 60)],
  ['a graph of unknown operators', writeOnnx({ name: 'x', inputs: [], outputs: [], nodes: [op('NoSuchOp', [], 'y')] })],
  ['graphs nested too deep', nestedOnnx(2000)],
])('%s is an IntegrityError, at saving and at loading', async (_, bytes) => {
  await expect(saved(bytes)).rejects.toThrow(IntegrityError)
  await expect(load(folder(bytes))).rejects.toThrow(IntegrityError)
})

describe('external data', () => {
  it('beside the model is saved with it and loaded', async () => {
    const source = folder(
      externalOnnx([
        ['location', 'weights/w.bin'],
        ['offset', '4'],
        ['length', '8'],
      ]),
    )
    mkdirSync(join(source, 'weights'))
    writeFileSync(join(source, 'weights', 'w.bin'), Buffer.concat([Buffer.alloc(4), weights]))
    const { dir, config } = await saved(join(source, 'model.onnx'))
    const loaded = await flavor.load(dir, config, {})
    expect(await loaded.predict([{ features: [1, 2] }])).toEqual([{ sum: 5 }])
    await expect(saved(externalOnnx([['location', 'w.bin']]))).rejects.toThrow(/give the path/)
  })

  it.each([
    '../secret.bin',
    '/etc/passwd',
    'a/../../secret.bin',
    '..\\secret.bin',
    '%2e%2e/secret.bin',
    'C:\\secret.bin',
    'file:///etc/passwd',
    '*/_ORT_MEM_ADDR_/*',
    'w.bin\u0000',
    './w.bin',
    '',
  ])('at %j is refused', async (location) => {
    const dir = folder(externalOnnx([['location', location]]))
    writeFileSync(join(dir, '..', 'secret.bin'), weights)
    await expect(load(dir)).rejects.toThrow(UnsafePathError)
    await expect(flavor.save(join(dir, 'model.onnx'), tempDir(), {})).rejects.toThrow(UnsafePathError)
  })

  it.each(['initializer', 'constant', 'subgraph', 'sparse', 'function', 'training'] as const)(
    'is found wherever it hides: %s',
    async (place) => {
      await expect(load(folder(externalOnnx([['location', '../secret.bin']], place)))).rejects.toThrow(UnsafePathError)
    },
  )

  it('is refused when any of several locations is unsafe', async () => {
    const dir = folder(
      externalOnnx([
        ['location', '../secret.bin'],
        ['location', 'w.bin'],
      ]),
    )
    writeFileSync(join(dir, 'w.bin'), weights)
    await expect(load(dir)).rejects.toThrow(UnsafePathError)
  })

  it('behind a symbolic link, a linked folder or a hard link is refused', async () => {
    const outside = tempDir()
    writeFileSync(join(outside, 'w.bin'), weights)
    const dir = folder(externalOnnx([['location', 'w.bin']]))
    symlinkSync(join(outside, 'w.bin'), join(dir, 'w.bin'))
    await expect(load(dir)).rejects.toThrow(UnsafePathError)
    const linked = folder(externalOnnx([['location', 'sub/w.bin']]))
    symlinkSync(outside, join(linked, 'sub'))
    await expect(load(linked)).rejects.toThrow(UnsafePathError)
    const hard = folder(externalOnnx([['location', 'w.bin']]))
    linkSync(join(outside, 'w.bin'), join(hard, 'w.bin'))
    await expect(load(hard)).rejects.toThrow(UnsafePathError)
  })

  it.each([
    ['missing', [['location', 'absent.bin']]],
    [
      'shorter than it says',
      [
        ['location', 'w.bin'],
        ['length', '9000000000000000'],
      ],
    ],
    [
      'beyond its end',
      [
        ['location', 'w.bin'],
        ['offset', '9'],
        ['length', '0'],
      ],
    ],
    [
      'of a negative length',
      [
        ['location', 'w.bin'],
        ['length', '-1'],
      ],
    ],
    [
      'of a length that is no number',
      [
        ['location', 'w.bin'],
        ['length', '1e3'],
      ],
    ],
    ['without location', []],
  ] as const)('%s is an IntegrityError', async (_, entries) => {
    const dir = folder(externalOnnx(entries))
    writeFileSync(join(dir, 'w.bin'), weights)
    await expect(load(dir)).rejects.toThrow(IntegrityError)
  })
})

it('reading any bytes ends in a description or an IntegrityError', () => {
  const whole = Buffer.from(externalOnnx([['location', 'w.bin']]))
  const mutated = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
    const bytes = Buffer.from(whole)
    for (const [at, value] of changes) bytes[at] = value
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        expect(readOnnxFile(bytes).external).toBeInstanceOf(Array)
      } catch (error) {
        expect(error).toBeInstanceOf(IntegrityError)
      }
    }),
    { numRuns: 2000 },
  )
})

it('the version of Python’s onnx follows operator set and file format', () => {
  expect(onnxVersion({ irVersion: 8, opset: 13, external: [] })).toBe('1.10.0')
  expect(onnxVersion({ irVersion: 8, opset: 17, external: [] })).toBe('1.12.0')
  expect(onnxVersion({ irVersion: 10, opset: 13, external: [] })).toBe('1.16.0')
})
