import { linkSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { expect, it } from 'vitest'
import type { Tensor } from '../../../src/core/tensor.js'
import { IntegrityError, InvalidParameterError, UnsafePathError } from '../../../src/errors.js'
import { tfjs } from '../../../src/models/flavors/tfjs.js'
import { linearLayers } from '../../support/linear-models.js'
import { tempDir } from '../../support/temp-dir.js'

const flavor = tfjs()

async function saved(model: unknown = linearLayers()) {
  const dir = tempDir()
  return { dir, ...(await flavor.save(model, dir, {})) }
}

function edit(dir: string, change: (model: { weightsManifest: { paths: unknown }[] }) => void): void {
  const model = JSON.parse(readFileSync(join(dir, 'model.json'), 'utf8'))
  change(model)
  writeFileSync(join(dir, 'model.json'), JSON.stringify(model))
}

it('a network has the names, types and shapes of its layers as signature', async () => {
  const { signature } = await saved()
  expect(signature?.inputs).toEqual({
    kind: 'tensors',
    tensors: [{ name: 'sum_input', dtype: 'float32', shape: [-1, 2] }],
  })
  expect(signature?.outputs).toEqual({
    kind: 'tensors',
    tensors: [{ name: 'sum', dtype: 'float32', shape: [-1, 1] }],
  })
})

it('a network answers after loading exactly as before', async () => {
  const network = tf.sequential({
    layers: [
      tf.layers.dense({ units: 7, activation: 'tanh', inputShape: [3] }),
      tf.layers.dense({ units: 4, activation: 'softmax' }),
    ],
  })
  const x = [
    [0.1, 0.2, 0.3],
    [5, -6, 7],
  ]
  const before = Array.from((network.predict(tf.tensor2d(x)) as tf.Tensor).dataSync())
  const { dir, config } = await saved(network)
  const loaded = await flavor.load(dir, config, {})
  const after = (await loaded.predict(x)) as Tensor
  expect(after.dims).toEqual([2, 4])
  expect(Array.from(after.data as Float32Array)).toEqual(before)
})

it('predicting and disposing leave no tensor behind', async () => {
  const { dir, config } = await saved()
  const before = tf.memory().numTensors
  const loaded = await flavor.load(dir, config, {})
  for (let i = 0; i < 5; i++) await loaded.predict([[1, 2]])
  await expect(loaded.predict([[1, 2, 3]])).rejects.toThrow(/shape/)
  await loaded.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

it('a model of two inputs takes a column for each', async () => {
  const [a, b] = [tf.input({ shape: [1], name: 'a' }), tf.input({ shape: [1], name: 'b' })]
  const model = tf.model({
    inputs: [a, b],
    outputs: tf.layers.add({ name: 'total' }).apply([a, b]) as tf.SymbolicTensor,
  })
  const { dir, config } = await saved(model)
  const loaded = await flavor.load(dir, config, {})
  expect(
    await loaded.predict([
      { b: 2, a: 1 },
      { a: 3, b: 4 },
    ]),
  ).toEqual([{ total: 3 }, { total: 7 }])
  await expect(loaded.predict([[1]])).rejects.toThrow(/name them/)
})

it('a graph model is saved, loaded and asked as well', async () => {
  const float = { type: 'DT_FLOAT' }
  const shape = (...dims: number[]) => ({ shape: { dim: dims.map((size) => ({ size: String(size) })) } })
  const tensor = { dtype: 'DT_FLOAT', tensorShape: { dim: [{ size: '2' }, { size: '1' }] } }
  const graph = await tf.loadGraphModel({
    load: async () => ({
      format: 'graph-model',
      modelTopology: {
        node: [
          { name: 'features', op: 'Placeholder', attr: { dtype: float, shape: shape(-1, 2) } },
          { name: 'w', op: 'Const', attr: { dtype: float, value: { tensor } } },
          { name: 'sum', op: 'MatMul', input: ['features', 'w'], attr: { T: float } },
        ],
        versions: { producer: 1 },
      },
      weightSpecs: [{ name: 'w', shape: [2, 1], dtype: 'float32' as const }],
      weightData: Float32Array.of(1, 2).buffer,
    }),
  })
  expect(flavor.accepts(graph)).toBe(true)
  const { dir, config } = await saved(graph)
  expect(config.format).toBe('graph-model')
  const loaded = await flavor.load(dir, config, {})
  expect(await loaded.predict([{ features: [1, 2] }, { features: [3, 4] }])).toEqual([{ sum: 5 }, { sum: 11 }])
})

it.each([
  ['../../etc/passwd'],
  ['/etc/passwd'],
  ['http://x/weights.bin'],
  ['file:///etc/passwd'],
  ['..\\weights.bin'],
  ['%2e%2e/weights.bin'],
  ['a/../weights.bin'],
  [''],
  ['weights.bin\u0000'],
])('weights at %j are refused before the loader sees them', async (path) => {
  const { dir, config } = await saved()
  edit(dir, (model) => {
    model.weightsManifest[0]!.paths = [path]
  })
  await expect(flavor.load(dir, config, {})).rejects.toThrow(UnsafePathError)
})

it.each([[5], [null]])('weights at %j are a damaged model', async (path) => {
  const { dir, config } = await saved()
  edit(dir, (model) => {
    model.weightsManifest[0]!.paths = [path]
  })
  await expect(flavor.load(dir, config, {})).rejects.toThrow(/a weight file has no path/)
})

it('weights behind a link are refused', async () => {
  const { dir, config } = await saved()
  unlinkSync(join(dir, 'weights.bin'))
  symlinkSync('/etc/passwd', join(dir, 'weights.bin'))
  await expect(flavor.load(dir, config, {})).rejects.toThrow(UnsafePathError)
})

it('a hard link is only another name of the same bytes', async () => {
  const { dir, config } = await saved()
  linkSync(join(dir, 'weights.bin'), join(tempDir(), 'copy.bin'))
  await (await flavor.load(dir, config, {})).dispose()
})

const write = (file: string, data: string | Buffer) => (dir: string) => writeFileSync(join(dir, file), data)
const group = (changes: object) => (dir: string) =>
  edit(dir, (model) => Object.assign(model.weightsManifest[0]!, changes))
const weight = { name: 'sum/kernel', dtype: 'float32' }

it.each<[string, (dir: string) => void]>([
  ['cut weights', write('weights.bin', Buffer.alloc(3))],
  ['no JSON', write('model.json', '{"modelTopology":')],
  ['a list for a model', write('model.json', '[1]')],
  ['a weight with a huge shape', group({ weights: [{ ...weight, shape: [1e9, 1e9] }] })],
  ['a weight without a shape', group({ weights: [weight] })],
  ['weights that are no list', group({ weights: 5 })],
  ['paths that are no list', group({ paths: 'weights.bin' })],
  ['weights of other layers', group({ weights: [{ ...weight, name: 'other/kernel', shape: [2, 1] }] })],
])('%s is an IntegrityError', async (_, damage) => {
  const { dir, config } = await saved()
  damage(dir)
  await expect(flavor.load(dir, config, {})).rejects.toThrow(IntegrityError)
})

it('the library given is the one that runs the model', async () => {
  const { dir, config } = await saved()
  let used = 0
  const lib = {
    ...tf,
    loadLayersModel: (handler: tf.io.IOHandler) => {
      used++
      return tf.loadLayersModel(handler)
    },
  }
  const loaded = await flavor.load(dir, config, { lib })
  expect(await loaded.predict([{ sum_input: [1, 2] }])).toEqual([{ sum: 5 }])
  expect(used).toBe(1)
})

it('weights in several files are read in their order', async () => {
  const { dir, config } = await saved()
  const bytes = readFileSync(join(dir, 'weights.bin'))
  writeFileSync(join(dir, 'one.bin'), bytes.subarray(0, 3))
  writeFileSync(join(dir, 'two.bin'), bytes.subarray(3))
  edit(dir, (model) => {
    model.weightsManifest[0]!.paths = ['one.bin', 'two.bin']
  })
  const loaded = await flavor.load(dir, config, {})
  expect(await loaded.predict([{ sum_input: [1, 2] }])).toEqual([{ sum: 5 }])
})

it('saving anything else says what it takes', async () => {
  await expect(flavor.save('model.json', tempDir(), {})).rejects.toThrow(InvalidParameterError)
})
