/**
 * Trains inside onnxruntime: each step runs one graph that holds forward, backward and update,
 * and every loss is held against a plain JavaScript reference.
 */
import { inferSignature, loadModel, setExperiment, startRun } from 'cairn-ml'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { accuracy, loadIris, oneHot, scaleOf, species, standardise } from './support/iris.js'
import type { Matrix } from './support/matrix.js'
import { type Network, networkToOnnx, newNetwork, trainStep } from './support/network.js'
import { trainingGraph } from './support/training-graph.js'

const tolerance = 1e-5
const { train, test } = loadIris()
const scale = scaleOf(train.features)
const x = standardise(train.features, scale)
const y = oneHot(train.labels)

await setExperiment('iris-onnx-training')

await startRun({ runName: 'onnx-training', params: { learning_rate: 1, epochs: 40 } }, async (run) => {
  const session = await InferenceSession.create(trainingGraph())
  const batch = { x: tensor(x), y: tensor(y), learning_rate: new Tensor('float32', [1], []) }
  let reference = newNetwork()
  let weights = mapWeights(tensor, reference)

  console.log('epoch  loss (onnxruntime)  loss (JavaScript)  difference')
  for (let epoch = 0; epoch < 40; epoch++) {
    const { loss: output, ...next } = await session.run({ ...batch, ...weights })
    weights = mapWeights((name) => next[`next_${name}`]!, { w1: 'w1', b1: 'b1', w2: 'w2', b2: 'b2' })
    const loss = Number(output!.data[0])
    const [nextReference, expected] = trainStep(reference, x, y, 1)
    reference = nextReference

    const difference = Math.abs(loss - expected)
    run.logMetrics({ loss, difference }, epoch)
    const columns = [String(epoch).padStart(5), loss.toFixed(8).padEnd(18), expected.toFixed(8).padEnd(17)]
    console.log([...columns, difference.toExponential(1)].join('  '))
    if (!(difference <= tolerance)) throw new Error(`Epoch ${epoch} is too far off the reference`)
  }
  console.log(`Every epoch agrees with the reference to ${tolerance.toExponential()}.`)

  const network: Network = mapWeights(matrix, weights)
  const { modelUri } = await run.logModel(networkToOnnx(network, scale, species), {
    name: 'model',
    flavor: 'onnx',
    signature: inferSignature(train.rows),
    inputExample: train.rows.slice(0, 3),
  })
  await using model = await loadModel(modelUri)
  const answers = await model.predict(test.rows)
  const guesses = answers.map((answer) => species.indexOf(String(answer.species)))
  console.log(`${modelUri} loaded back: accuracy ${accuracy(guesses, test.labels).toFixed(3)} on held-out rows.`)
})

function tensor(rows: Matrix): Tensor {
  return new Tensor('float32', rows.flat(), [rows.length, rows[0]!.length])
}

function matrix({ data, dims: [rows = 0, columns = 0] }: Tensor): Matrix {
  const values = Array.from(data as Float32Array)
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns))
}

/** The same four weights, each of them changed by `fn`. */
function mapWeights<A, B>(
  fn: (weight: A) => B,
  { w1, b1, w2, b2 }: Record<keyof Network, A>,
): Record<keyof Network, B> {
  return { w1: fn(w1), b1: fn(b1), w2: fn(w2), b2: fn(b2) }
}
