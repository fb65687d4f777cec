import { op, type Port, writeOnnx } from './onnx-writer.js'

/**
 * One step of gradient descent on the network of network.ts, as an ONNX graph of standard operators: forward, loss,
 * backward and update. Weights go in as `w1 b1 w2 b2` and come out as `next_w1 … next_b2`; only the caller remembers them.
 */
export function trainingGraph({ inputs = 4, hidden = 8, classes = 3 } = {}): Uint8Array {
  const weights = { w1: [inputs, hidden], b1: [1, hidden], w2: [hidden, classes], b2: [1, classes] }
  const ports = (prefix: string): Port[] =>
    Object.entries(weights).map(([name, shape]) => ({ name: `${prefix}${name}`, type: 'float32', shape }))
  return writeOnnx({
    name: 'training-step',
    inputs: [
      { name: 'x', type: 'float32', shape: ['N', inputs] },
      { name: 'y', type: 'float32', shape: ['N', classes] },
      { name: 'learning_rate', type: 'float32', shape: [] },
      ...ports(''),
    ],
    outputs: [{ name: 'loss', type: 'float32', shape: [] }, ...ports('next_')],
    initializers: [
      { name: 'one', type: 'float32', dims: [], data: [1] },
      { name: 'over_rows', type: 'int64', dims: [1], data: [0] },
      { name: 'over_classes', type: 'int64', dims: [1], data: [1] },
    ],
    nodes: [
      // Forward
      op('Gemm', ['x', 'w1', 'b1'], 'sum'),
      op('Tanh', ['sum'], 'hidden'),
      op('Gemm', ['hidden', 'w2', 'b2'], 'logits'),
      op('Softmax', ['logits'], 'probabilities', { axis: 1 }),
      // Loss: the mean cross-entropy
      op('LogSoftmax', ['logits'], 'log_probabilities', { axis: 1 }),
      op('Mul', ['y', 'log_probabilities'], 'log_likelihood'),
      op('ReduceSum', ['log_likelihood', 'over_classes'], 'per_row', { keepdims: 0 }),
      op('ReduceMean', ['per_row'], 'mean_log_likelihood', { keepdims: 0 }),
      op('Neg', ['mean_log_likelihood'], 'loss'),
      // Backward
      op('Size', ['per_row'], 'row_count'),
      op('Cast', ['row_count'], 'rows', { to: 1 }),
      op('Sub', ['probabilities', 'y'], 'difference'),
      op('Div', ['difference', 'rows'], 'output_error'),
      op('Gemm', ['output_error', 'w2'], 'carried_back', { transB: 1 }),
      op('Mul', ['hidden', 'hidden'], 'hidden_squared'),
      op('Sub', ['one', 'hidden_squared'], 'slope'),
      op('Mul', ['carried_back', 'slope'], 'hidden_error'),
      op('Gemm', ['x', 'hidden_error'], 'gradient_w1', { transA: 1 }),
      op('ReduceSum', ['hidden_error', 'over_rows'], 'gradient_b1'),
      op('Gemm', ['hidden', 'output_error'], 'gradient_w2', { transA: 1 }),
      op('ReduceSum', ['output_error', 'over_rows'], 'gradient_b2'),
      // Update
      ...Object.keys(weights).flatMap((name) => [
        op('Mul', ['learning_rate', `gradient_${name}`], `step_${name}`),
        op('Sub', [name, `step_${name}`], `next_${name}`),
      ]),
    ],
  })
}
