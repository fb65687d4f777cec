/** A flavor of one's own: a nearest-centroid classifier, kept as JSON, logged and loaded like any built-in kind of model. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Flavor, inferSignature, loadModel, type Row, registerFlavor, setExperiment, startRun } from 'cairn-ml'
import { accuracy, loadIris, scaleOf, species } from './support/iris.js'

/** The average flower of each species; a flower belongs to the nearest one. */
class Centroids {
  constructor(readonly centres: readonly (readonly number[])[]) {}

  predict(row: Row) {
    const distances = this.centres.map((centre) =>
      Math.hypot(...Object.values(row).map((x, j) => Number(x) - centre[j]!)),
    )
    const distance = Math.min(...distances)
    return { species: species[distances.indexOf(distance)]!, distance }
  }
}

const centroids: Flavor = {
  name: 'centroids',
  accepts: (model) => model instanceof Centroids,
  async save(model, dir) {
    await writeFile(join(dir, 'centroids.json'), JSON.stringify((model as Centroids).centres))
    return { config: { data: 'centroids.json' } }
  },
  async load(dir, config) {
    const model = new Centroids(JSON.parse(await readFile(join(dir, String(config.data)), 'utf8')))
    const predict = async (input: unknown) => (input as readonly Row[]).map((row) => model.predict(row))
    return { native: model, predict, dispose: async () => {} }
  },
}

registerFlavor(centroids)

const { train, test } = loadIris()
const ofSpecies = (wanted: number) => train.features.filter((_, index) => train.labels[index] === wanted)
const model = new Centroids(species.map((_, label) => scaleOf(ofSpecies(label)).mean))

await setExperiment('iris-centroids')
const { modelUri } = await startRun({ runName: 'nearest-centroid' }, (run) =>
  run.logModel(model, {
    name: 'model',
    signature: inferSignature(
      train.rows,
      train.rows.map((row) => model.predict(row)),
    ),
    inputExample: train.rows.slice(0, 3),
  }),
)

await using loaded = await loadModel(modelUri)
const answers = await loaded.predict(test.rows)
const guesses = answers.map((answer) => species.indexOf(String(answer.species)))
const reached = accuracy(guesses, test.labels).toFixed(3)
console.log(`${modelUri} is a "${loaded.info.flavor}" model: accuracy ${reached} on ${test.rows.length} held-out rows.`)
