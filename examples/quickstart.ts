/**
 * From a training script to models:/iris/Production and back, with a store in ./mlruns: no server, no account.
 * Run it with `npm run quickstart`, as often as you like.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  getStageHistory,
  getTrackingUri,
  inferSignature,
  loadModel,
  type Run,
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
const names = (labels: readonly number[]) => labels.map((label) => species[label]!)

let step = 0
const say = (text: string, ...details: string[]) => console.log([`${++step}. ${text}`, ...details].join('\n   '))

await setExperiment('iris')

const first = await trainVersion('short training', { hidden: 8, learning_rate: 0.5, epochs: 20 })
await transitionStage('iris', first.version, 'Staging', { comment: 'ready for a look' })
await transitionStage('iris', first.version, 'Production', {
  archiveExisting: true,
  comment: 'good enough to begin with',
})
say(`Promoted version ${first.version} to Staging, then to Production.`)
await askProduction()

const second = await trainVersion('long training', { hidden: 8, learning_rate: 0.5, epochs: 300 })
if (second.accuracy <= first.accuracy) throw new Error('The longer training did not help')
await transitionStage('iris', second.version, 'Production', { archiveExisting: true, comment: 'more accurate' })
say(`Version ${second.version} is the better one: promoted to Production, version ${first.version} archived.`)
await askProduction()

await rollback('iris', 'Production', { comment: 'a drill' })
say(`Rolled back, as if version ${second.version} had failed in service.`)
await askProduction()

const moves = (await getStageHistory('iris')).slice(-5)
say(
  'Every move is on record; the last five:',
  ...moves.map(({ timestamp, version, from, to, comment }) =>
    [new Date(timestamp).toISOString(), `version ${version}`, `${from} → ${to}`.padEnd(21), comment].join('  '),
  ),
)
console.log(`All of it is in ${getTrackingUri()}, as MLflow keeps it. To look around: npx cairn-ml runs list`)

/** One run: trains a network, logs all there is to know about it, registers it as a new version of `iris`. */
async function trainVersion(runName: string, params: { hidden: number; learning_rate: number; epochs: number }) {
  const trained = await startRun({ runName, params }, async (run) => {
    const x = standardise(train.features, scale)
    const losses: number[] = []
    let network = newNetwork(params)
    for (let epoch = 0; epoch < params.epochs; epoch++) {
      const [next, loss] = trainStep(network, x, oneHot(train.labels), params.learning_rate)
      network = next
      losses.push(loss)
      run.logMetrics({ loss, train_accuracy: accuracy(argMax(forward(network, x).probabilities), train.labels) }, epoch)
    }

    const predict = (features: Matrix) => forward(network, standardise(features, scale)).probabilities
    const predicted = argMax(predict(test.features))
    const reached = accuracy(predicted, test.labels)
    run.logMetric('test_accuracy', reached)
    await logCharts(run, losses, names(predicted))

    const answers = predict(train.features).map((row) => ({
      species: names(argMax([row]))[0],
      confidence: Math.max(...row),
    }))
    const model = await run.logModel(networkToOnnx(network, scale, species), {
      name: 'model',
      flavor: 'onnx',
      signature: inferSignature(train.rows, answers),
      inputExample: train.rows.slice(0, 3),
      registeredModelName: 'iris',
    })
    say(
      `Trained on ${train.rows.length} flowers in run "${runName}" (${run.runId}):`,
      `${params.epochs} epochs, loss ${losses.at(-1)!.toFixed(3)}, accuracy ${reached.toFixed(3)} on held-out rows.`,
      `Logged parameters, metrics per epoch, three charts, and the model${model.registeredModelVersion ? ` as version ${model.registeredModelVersion}` : ', a version'} of "iris".`,
    )
    return { version: model.registeredModelVersion, accuracy: reached }
  })
  const { version } = trained
  if (version === undefined) {
    console.log('The server is away: run and model wait on this disk for it. Start it, and run this again.')
    process.exit(1)
  }
  return { ...trained, version }
}

/** A confusion matrix and a loss curve as SVG, and one of them as PNG too, as a file that some other tool left behind. */
async function logCharts(run: Run, losses: readonly number[], predicted: readonly string[]): Promise<void> {
  const matrix = await confusionMatrix(names(test.labels), predicted, species)
  await run.logFigure(matrix, 'charts/confusion-matrix.svg')
  await run.logFigure(await lossCurve(losses), 'charts/loss.svg')
  const dir = await mkdtemp(join(tmpdir(), 'iris-'))
  try {
    await writeFile(join(dir, 'confusion-matrix.png'), toPng(matrix))
    await run.logArtifact(join(dir, 'confusion-matrix.png'), 'charts')
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** What a service does: loads whatever is in Production and asks it about flowers it has never seen. */
async function askProduction(): Promise<void> {
  await using model = await loadModel('models:/iris/Production')
  const answers = await model.predict(test.rows)
  const guesses = answers.map((answer) => species.indexOf(String(answer.species)))
  const reached = accuracy(guesses, test.labels).toFixed(3)
  say(
    `models:/iris/Production is version ${model.info.version}: accuracy ${reached} on ${test.rows.length} held-out rows.`,
    `${JSON.stringify(test.rows[0])} → ${answers[0]?.species}, ${Number(answers[0]?.confidence).toFixed(2)} sure`,
  )
}
