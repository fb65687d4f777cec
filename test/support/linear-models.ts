import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { op, writeOnnx } from '../../examples/support/onnx-writer.js'
import { tempDir } from './temp-dir.js'

/** ONNX: `sum` = a + 2 b over one input `[N, 2]`. */
export const linearOnnx = (): Uint8Array =>
  writeOnnx({
    name: 'linear',
    inputs: [{ name: 'features', type: 'float32', shape: ['N', 2] }],
    outputs: [{ name: 'sum', type: 'float32', shape: ['N', 1] }],
    initializers: [{ name: 'w', type: 'float32', dims: [2, 1], data: [1, 2] }],
    nodes: [op('MatMul', ['features', 'w'], 'sum')],
  })

/** TensorFlow.js: the same as a network of one layer. */
export function linearLayers(): tf.Sequential {
  const model = tf.sequential({
    layers: [tf.layers.dense({ name: 'sum', units: 1, useBias: false, inputShape: [2] })],
  })
  model.setWeights([tf.tensor2d([[1], [2]])])
  return model
}

const MODULE = `
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
export function load(dir) {
  const [wa, wb] = JSON.parse(readFileSync(join(dir, 'weights', 'w.json'), 'utf8'))
  const flat = (input) => ('data' in input ? Array.from(input.data) : input.flat())
  return {
    predict(input) {
      if (Array.isArray(input) && !Array.isArray(input[0])) return input.map(({ a, b }) => ({ sum: wa * a + wb * b }))
      const values = flat(input)
      const data = Float32Array.from({ length: values.length / 2 }, (_, i) => wa * values[2 * i] + wb * values[2 * i + 1])
      return { data, dims: [data.length, 1], type: 'float32' }
    },
  }
}
`

/** Node: the same as a module that reads its weights from beside it. */
export function linearModule(): { dir: string; module: string } {
  const dir = tempDir()
  mkdirSync(join(dir, 'weights'))
  writeFileSync(join(dir, 'weights', 'w.json'), '[1, 2]')
  writeFileSync(join(dir, 'model.mjs'), MODULE)
  return { dir, module: 'model.mjs' }
}
