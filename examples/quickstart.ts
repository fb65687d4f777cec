/** From a training script to models:/iris/Production and back, in ./mlruns: no server, no account. Run it with `npm run quickstart`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  getStageHistory,
  inferSignature,
  loadModel,
  rollback,
  setExperiment,
  startRun,
  transitionStage,
} from 'cairn-ml'
import { confusionMatrix, lossCurve, toPng } from './support/charts.js'
import { accuracy, loadIris, oneHot, scaleOf, species, standardise } from './support/iris.js'
import { argMax, type Matrix } from './support/matrix.js'
import { forward, networkToOnnx, newNetwork, trainStep } from './support/network.js'

const { train, test } = loadIris()
const scale = scaleOf(train.features)
const say = (text: string) => console.log(text)

await setExperiment('iris')

const first = await trainVersion('short training', { hidden: 8, learningRate: 0.5, epochs: 20 })
await transitionStage('iris', first.version, 'Staging', { comment: 'ready for a look' })
await transitionStage('iris', first.version, 'Production', { archiveExisting: true, comment: 'the first to serve' })
say(`2. Promoted version ${first.version} to Staging, then to Production.`)
say(`3. ${await serveHeldOutRows()}`)

const second = await trainVersion('long training', { hidden: 8, learningRate: 0.5, epochs: 300 })
if (second.accuracy <= first.accuracy) throw new Error('More training did not help')
await transitionStage('iris', second.version, 'Production', { archiveExisting: true, comment: 'more accurate' })
say(`5. Version ${second.version} is the better one: promoted to Production, version ${first.version} archived.`)
say(`6. ${await serveHeldOutRows()}`)

await rollback('iris', 'Production', { comment: 'a drill' })
say(`7. Rolled back, as if version ${second.version} had failed. ${await serveHeldOutRows()}`)

say('8. The last moves between stages:')
for (const { timestamp, version, from, to, comment } of (await getStageHistory('iris')).slice(-5))
  say(`   ${new Date(timestamp).toISOString()}  version ${version}: ${from} → ${to}  ${comment ?? ''}`)
say('All of it is in ./mlruns, as MLflow keeps it. To look around: npx cairn-ml runs list')

/** One run: trains a network, logs all there is to know about it, registers it as a new version of `iris`. */
async function trainVersion(runName: string, params: { hidden: number; learningRate: number; epochs: number }) {
  return startRun({ runName, params: { ...params, optimiser: 'gradient descent' } }, async (run) => {
    const x = standardise(train.features, scale)
    const losses: number[] = []
    let network = newNetwork({ hidden: params.hidden })
    for (let epoch = 0; epoch < params.epochs; epoch++) {
      const [next, loss] = trainStep(network, x, oneHot(train.labels), params.learningRate)
      network = next
      losses.push(loss)
      run.logMetrics({ loss, train_accuracy: accuracy(argMax(forward(network, x).probabilities), train.labels) }, epoch)
    }

    const predict = (features: Matrix) => forward(network, standardise(features, scale)).probabilities
    const predicted = argMax(predict(test.features))
    const reached = accuracy(predicted, test.labels)
    run.logMetric('test_accuracy', reached)

    const matrix = await confusionMatrix(names(test.labels), names(predicted), species)
    await run.logFigure(matrix, 'charts/confusion-matrix.svg')
    await run.logFigure(await lossCurve(losses), 'charts/loss.svg')
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'confusion-matrix.png'), toPng(matrix))
      await run.logArtifact(join(dir, 'confusion-matrix.png'), 'charts')
    })

    const answers = predict(train.features).map((row) => ({
      species: names(argMax([row]))[0]!,
      confidence: Math.max(...row),
    }))
    const model = await run.logModel(networkToOnnx(network, scale, species), {
      name: 'model',
      flavor: 'onnx',
      signature: inferSignature(train.rows, answers),
      inputExample: train.rows.slice(0, 3),
      registeredModelName: 'iris',
    })
    const version = model.registeredModelVersion!
    say(
      `${runName === 'short training' ? 1 : 4}. Trained on ${train.rows.length} flowers in run "${runName}" (${run.runId}):`,
    )
    say(
      `   ${params.epochs} epochs, loss ${losses.at(-1)!.toFixed(3)}, accuracy ${reached.toFixed(3)} on held-out rows.`,
    )
    say(`   Logged parameters, metrics per epoch, three charts, and the model as version ${version} of "iris".`)
    return { version: String(version), accuracy: reached }
  })
}

/** What a service would do: load whatever is in Production and ask it about flowers it has never seen. */
async function serveHeldOutRows(): Promise<string> {
  await using model = await loadModel('models:/iris/Production')
  const answers = await model.predict(test.rows)
  const guesses = answers.map((answer) => species.indexOf(String(answer.species)))
  const reached = accuracy(guesses, test.labels).toFixed(3)
  return `models:/iris/Production is version ${model.info.version}: accuracy ${reached} on ${test.rows.length} held-out rows.`
}

async function withTempDir(fn: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'iris-'))
  try {
    await fn(dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}

function names(labels: readonly number[]): string[] {
  return labels.map((label) => species[label]!)
}
