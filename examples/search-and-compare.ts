/** Five learning rates, trained side by side in one process; the best one is found by a search, as it would be among thousands. */
import { searchRuns, setExperiment, startRun } from 'cairn-ml'
import { accuracy, loadIris, oneHot, scaleOf, standardise } from './support/iris.js'
import { argMax } from './support/matrix.js'
import { forward, newNetwork, trainStep } from './support/network.js'

const { train, test } = loadIris()
const scale = scaleOf(train.features)
const x = standardise(train.features, scale)
const rates = [0.001, 0.01, 0.1, 0.5, 1]

await setExperiment('iris-learning-rates')

// Runs started inside another one are its children, and each keeps its own metrics.
const sweep = await startRun({ runName: 'sweep' }, async (parent) => {
  await Promise.all(rates.map(tryRate))
  return parent.runId
})

const found = await searchRuns({
  experimentNames: ['iris-learning-rates'],
  filter: `tags."mlflow.parentRunId" = '${sweep}' AND metrics.test_accuracy > 0.7`,
  orderBy: ['metrics.test_accuracy DESC', 'metrics.loss ASC'],
})

console.log(`${found.length} of ${rates.length} runs reached an accuracy above 0.7; the best one first:`)
console.table(
  found.map(({ info, data: { params, metrics } }) => ({
    run: info.runName,
    learningRate: Number(params.learning_rate),
    accuracy: metrics.test_accuracy?.toFixed(3),
    loss: metrics.loss?.toFixed(3),
  })),
)
console.log(`Best: learning rate ${found[0]?.data.params.learning_rate} (run ${found[0]?.info.runId})`)

function tryRate(learningRate: number): Promise<void> {
  return startRun({ runName: `rate-${learningRate}`, params: { learning_rate: learningRate } }, async (run) => {
    let network = newNetwork()
    for (let epoch = 0; epoch < 100; epoch++) {
      const [next, loss] = trainStep(network, x, oneHot(train.labels), learningRate)
      network = next
      run.logMetric('loss', loss, epoch)
      if (epoch % 10 === 0) await new Promise(setImmediate)
    }
    const guesses = argMax(forward(network, standardise(test.features, scale)).probabilities)
    run.logMetric('test_accuracy', accuracy(guesses, test.labels))
  })
}
