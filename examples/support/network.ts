import type { Scale } from './iris.js'
import { columnSums, type Matrix, multiply, random, transpose, zip } from './matrix.js'
import { type Initializer, op, writeOnnx } from './onnx-writer.js'

/** A network with one hidden layer: softmax(tanh(x·w1 + b1)·w2 + b2). */
export interface Network {
  readonly w1: Matrix
  readonly b1: Matrix
  readonly w2: Matrix
  readonly b2: Matrix
}

/** Small random weights, the same ones for the same seed. */
export function newNetwork({ inputs = 4, hidden = 8, classes = 3, seed = 1 } = {}): Network {
  const next = random(seed)
  const weights = (rows: number, columns: number) =>
    Array.from({ length: rows }, () => Array.from({ length: columns }, () => (next() - 0.5) / Math.sqrt(rows)))
  const zeros = (columns: number) => [new Array<number>(columns).fill(0)]
  return { w1: weights(inputs, hidden), b1: zeros(hidden), w2: weights(hidden, classes), b2: zeros(classes) }
}

/** What the hidden layer says of each row, and the probability of each class. */
export function forward(network: Network, x: Matrix): { hidden: Matrix; probabilities: Matrix } {
  const hidden = zip(multiply(x, network.w1), network.b1, (sum, bias) => Math.tanh(sum + bias))
  const logits = zip(multiply(hidden, network.w2), network.b2, (sum, bias) => sum + bias)
  return { hidden, probabilities: logits.map(softmax) }
}

/** One step of gradient descent on all rows: the new network, and the mean cross-entropy of the old one. */
export function trainStep(network: Network, x: Matrix, y: Matrix, learningRate: number): [Network, loss: number] {
  const { hidden, probabilities } = forward(network, x)
  const outputError = zip(probabilities, y, (p, target) => (p - target) / x.length)
  const hiddenError = zip(multiply(outputError, transpose(network.w2)), hidden, (error, h) => error * (1 - h * h))
  const descend = (weights: Matrix, gradient: Matrix) => zip(weights, gradient, (w, g) => w - learningRate * g)
  const next: Network = {
    w1: descend(network.w1, multiply(transpose(x), hiddenError)),
    b1: descend(network.b1, columnSums(hiddenError)),
    w2: descend(network.w2, multiply(transpose(hidden), outputError)),
    b2: descend(network.b2, columnSums(outputError)),
  }
  return [next, crossEntropy(probabilities, y)]
}

/** The network as an ONNX file that takes raw centimetres and answers with a species and how sure it is. */
export function networkToOnnx(network: Network, { mean, deviation }: Scale, classes: readonly string[]): Uint8Array {
  return writeOnnx({
    name: 'iris',
    inputs: [{ name: 'features', type: 'float32', shape: ['N', mean.length] }],
    outputs: [
      { name: 'species', type: 'string', shape: ['N'] },
      { name: 'confidence', type: 'float32', shape: ['N'] },
    ],
    initializers: [
      constant('mean', [mean]),
      constant('deviation', [deviation]),
      ...Object.entries(network).map(([name, weights]) => constant(name, weights)),
      { name: 'classes', type: 'string', dims: [classes.length], data: classes },
    ],
    nodes: [
      op('Sub', ['features', 'mean'], 'centred'),
      op('Div', ['centred', 'deviation'], 'x'),
      op('Gemm', ['x', 'w1', 'b1'], 'sum'),
      op('Tanh', ['sum'], 'hidden'),
      op('Gemm', ['hidden', 'w2', 'b2'], 'logits'),
      op('Softmax', ['logits'], 'probabilities', { axis: 1 }),
      op('ArgMax', ['probabilities'], 'label', { axis: 1, keepdims: 0 }),
      op('Gather', ['classes', 'label'], 'species'),
      op('ReduceMax', ['probabilities'], 'confidence', { axes: [1], keepdims: 0 }),
    ],
  })
}

/** A matrix as a constant of an ONNX graph. */
export const constant = (name: string, matrix: Matrix): Initializer => ({
  name,
  type: 'float32',
  dims: [matrix.length, matrix[0]!.length],
  data: matrix.flat(),
})

const crossEntropy = (probabilities: Matrix, y: Matrix) =>
  zip(probabilities, y, (p, target) => (target === 0 ? 0 : -target * Math.log(p)))
    .flat()
    .reduce((sum, value) => sum + value, 0) / y.length

function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits)
  const exponentials = logits.map((value) => Math.exp(value - top))
  const total = exponentials.reduce((sum, value) => sum + value, 0)
  return exponentials.map((value) => value / total)
}
