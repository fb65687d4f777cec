/** The training of examples/tfjs-training.ts, with and without its points going to a server. */
import * as tf from '@tensorflow/tfjs'
import { loadIris, oneHot, scaleOf, standardise } from '../../examples/support/iris.js'

const EPOCHS = 200

/** Trains once; the milliseconds it takes, with what `log` does after each epoch. */
export function trainer(): (log: (metrics: Record<string, number>, epoch: number) => void) => Promise<number> {
  tf.enableProdMode()
  const { train, test } = loadIris()
  const scale = scaleOf(train.features)
  const x = tf.tensor2d(standardise(train.features, scale))
  const y = tf.tensor2d(oneHot(train.labels))
  const heldOut: [tf.Tensor, tf.Tensor] = [
    tf.tensor2d(standardise(test.features, scale)),
    tf.tensor2d(oneHot(test.labels)),
  ]
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed })
  return async (log) => {
    const network = tf.sequential({
      layers: [
        tf.layers.dense({ inputShape: [4], units: 16, activation: 'relu', kernelInitializer: seeded(1) }),
        tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer: seeded(2) }),
      ],
    })
    network.compile({ optimizer: tf.train.adam(0.05), loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
    const from = performance.now()
    await network.fit(x, y, {
      epochs: EPOCHS,
      shuffle: false,
      verbose: 0,
      validationData: heldOut,
      callbacks: { onEpochEnd: async (epoch, logs = {}) => log(logs as Record<string, number>, epoch) },
    })
    const took = performance.now() - from
    network.dispose()
    return took
  }
}
