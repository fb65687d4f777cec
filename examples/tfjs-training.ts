/** A network trained by TensorFlow.js with `model.fit`: metrics as the epochs end, the model logged and loaded back. */
import * as tf from '@tensorflow/tfjs'
import { inferSignature, loadModel, setExperiment, startRun } from 'cairn-ml'
import { accuracy, loadIris, oneHot, scaleOf, standardise } from './support/iris.js'
import { argMax } from './support/matrix.js'

tf.enableProdMode()
const params = { units: 16, learning_rate: 0.05, epochs: 40 }
const { train, test } = loadIris()
const scale = scaleOf(train.features)
const x = standardise(train.features, scale)
const heldOut = standardise(test.features, scale)

await setExperiment('iris-tfjs')

await startRun({ runName: 'tfjs-fit', params }, async (run) => {
  const network = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [4], units: params.units, activation: 'relu', kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer: seeded(2) }),
    ],
  })
  const optimizer = tf.train.adam(params.learning_rate)
  network.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] })

  await network.fit(tf.tensor2d(x), tf.tensor2d(oneHot(train.labels)), {
    epochs: params.epochs,
    shuffle: false,
    verbose: 0,
    validationData: [tf.tensor2d(heldOut), tf.tensor2d(oneHot(test.labels))],
    callbacks: {
      onEpochEnd: async (epoch, logs = {}) => {
        run.logMetrics(logs, epoch)
        if (epoch % 10 === 9)
          console.log(`epoch ${epoch + 1}: loss ${logs.loss?.toFixed(4)}, held out ${logs.val_acc?.toFixed(3)}`)
      },
    },
  })

  const before = (network.predict(tf.tensor2d(heldOut)) as tf.Tensor2D).arraySync()
  const { modelUri } = await run.logModel(network, {
    name: 'model',
    flavor: 'tfjs',
    signature: inferSignature(x, before),
    inputExample: x.slice(0, 3),
  })
  console.log(`Logged as ${modelUri}`)

  await using model = await loadModel(modelUri)
  const { data } = await model.predict(heldOut)
  const after = before.map((row, i) => row.map((_, j) => Number(data[i * row.length + j])))
  const furthest = Math.max(...before.flat().map((value, index) => Math.abs(value - after.flat()[index]!)))
  console.log(`Loaded back: accuracy ${accuracy(argMax(after), test.labels).toFixed(3)} on held-out rows,`)
  console.log(`largest difference in any probability ${furthest}`)
  if (!(furthest <= 1e-6)) throw new Error('The loaded model predicts something else')
})

function seeded(seed: number) {
  return tf.initializers.glorotUniform({ seed })
}
