import type * as tf from '@tensorflow/tfjs'
import { signature } from '../../core/signature.js'
import type { Tensor, TensorType } from '../../core/tensor.js'
import { writeInside } from '../../disk/inside.js'
import { IntegrityError, InvalidParameterError } from '../../errors.js'
import type { Flavor, FlavorConfig, LoadOptions } from '../flavor.js'
import { lifetime } from '../lifetime.js'
import { peer, peerIfThere, thrown } from '../peer.js'
import { ask, type GraphPort, schemaOfPorts, type Tensors } from '../tensors.js'
import { readTfjsFiles } from './tfjs-files.js'

type Lib = typeof tf
type Model = tf.LayersModel | tf.GraphModel

const FILE = 'model.json'
const WEIGHTS = 'weights.bin'
// A variable keeps bundlers and the type checker from wanting a package that only some users have.
const NATIVE: string = '@tensorflow/tfjs-node'

async function library(lib: unknown): Promise<Lib> {
  if (lib) return lib as Lib
  const native = await peerIfThere(NATIVE, () => import(NATIVE) as Promise<Lib>).catch(() => undefined)
  const found =
    native ??
    (await peer('@tensorflow/tfjs', 'npm install @tensorflow/tfjs', () => import('@tensorflow/tfjs').catch(thrown)))
  return 'loadLayersModel' in found ? found : (found as { default: Lib }).default
}

const isGraph = (model: Model): model is tf.GraphModel => 'executeAsync' in model
const isModel = (model: unknown): model is Model =>
  typeof model === 'object' &&
  model !== null &&
  typeof (model as Model).predict === 'function' &&
  typeof (model as Model).save === 'function' &&
  ('executeAsync' in model || 'getLayer' in model)

interface Described {
  readonly shape?: readonly (number | null)[] | null | undefined
  readonly dtype: string
}

const port = (name: string, { shape, dtype }: Described): GraphPort => ({
  name,
  type: dtype as TensorType,
  ...(shape ? { shape: shape.map((size) => (size === null || size < 0 ? -1 : size)) } : {}),
})

// Layers keep their names when they are saved and loaded; the names of their tensors count up within a process.
function layerPorts(tensors: readonly tf.SymbolicTensor[]): GraphPort[] {
  const names = tensors.map(({ sourceLayer, name }) => sourceLayer?.name ?? name)
  return tensors.map((info, index) => {
    const name = names[index] ?? info.name
    const twin = names.indexOf(name) !== names.lastIndexOf(name)
    return port(twin ? `${name}:${index}` : name, info)
  })
}

const portsOf = (model: Model, side: 'inputs' | 'outputs'): GraphPort[] =>
  isGraph(model)
    ? model[side].map((info) => port(info.name.replace(/:0$/, ''), info as Described))
    : layerPorts(model[side])

/** Everything a model is, as TensorFlow.js hands it to a save handler. */
async function artifactsOf(model: Model): Promise<tf.io.ModelArtifacts> {
  let taken: tf.io.ModelArtifacts | undefined
  await model.save({
    save: async (artifacts) => {
      taken = artifacts
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } }
    },
  })
  if (!taken?.modelTopology) throw new InvalidParameterError('The TensorFlow.js model gave no topology to save')
  return taken
}

function joined(data: tf.io.WeightData | undefined): Buffer {
  const parts = data === undefined ? [] : Array.isArray(data) ? data : [data]
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}

/** A graph's one signature may hold the names of its outputs; kept as TensorFlow.js gives it. */
const KEPT = [
  'format',
  'generatedBy',
  'convertedBy',
  'signature',
  'userDefinedMetadata',
  'modelInitializer',
  'initializerSignature',
  'trainingConfig',
] as const

async function save(model: unknown, dir: string) {
  if (!isModel(model))
    throw new InvalidParameterError('The tfjs flavor saves a LayersModel or a GraphModel of TensorFlow.js')
  const artifacts = await artifactsOf(model)
  const kept = Object.fromEntries(KEPT.map((key) => [key, artifacts[key]]).filter(([, value]) => value !== undefined))
  const weightsManifest = [{ paths: [WEIGHTS], weights: artifacts.weightSpecs ?? [] }]
  await writeInside(dir, WEIGHTS, joined(artifacts.weightData))
  await writeInside(dir, FILE, JSON.stringify({ ...kept, modelTopology: artifacts.modelTopology, weightsManifest }))
  const [inputs, outputs] = [portsOf(model, 'inputs'), portsOf(model, 'outputs')]
  return {
    config: { data: FILE, format: isGraph(model) ? 'graph-model' : 'layers-model' },
    signature: signature({ inputs: schemaOfPorts(inputs), outputs: schemaOfPorts(outputs) }),
    dependencies: { '@tensorflow/tfjs': '>=4' },
  }
}

async function open(lib: Lib, dir: string, config: FlavorConfig): Promise<Model> {
  const { model, specs, weights } = await readTfjsFiles(dir, typeof config.data === 'string' ? config.data : FILE)
  const { weightsManifest: _, ...rest } = model
  const artifacts = { ...rest, weightSpecs: specs, weightData: weights } as unknown as tf.io.ModelArtifacts
  try {
    const graph = (model.format ?? config.format) === 'graph-model'
    return await (graph
      ? lib.loadGraphModel({ load: async () => artifacts })
      : lib.loadLayersModel({ load: async () => artifacts }))
  } catch (error) {
    throw new IntegrityError(`TensorFlow.js does not take the model: ${(error as Error).message}`, { cause: error })
  }
}

async function read(value: tf.Tensor): Promise<Tensor> {
  const data = (await value.data()) as Float32Array | Int32Array | Uint8Array | string[]
  return { data, dims: value.shape, type: value.dtype as TensorType }
}

// Only graphs with control flow need (and want) the asynchronous way, and only by trying do they say so.
async function execute(model: tf.GraphModel, named: tf.NamedTensorMap, outputs: readonly GraphPort[]) {
  const names = outputs.map(({ name }) => name)
  try {
    return model.execute(named, names)
  } catch (error) {
    if (!(error as Error).message.includes('executeAsync')) throw error
    return model.executeAsync(named, names)
  }
}

/** Asks the model once; every tensor made on the way is freed, also when it fails. */
async function run(lib: Lib, model: Model, feeds: Tensors, outputs: readonly GraphPort[]): Promise<Tensors> {
  const given: tf.Tensor[] = []
  let answered: tf.Tensor[] = []
  try {
    const named: tf.NamedTensorMap = {}
    for (const [name, { data, dims, type }] of Object.entries(feeds)) {
      named[name] = lib.tensor(data as Float32Array, [...dims], type as 'float32')
      given.push(named[name])
    }
    const answer = isGraph(model) ? await execute(model, named, outputs) : model.predict(given)
    answered = (Array.isArray(answer) ? answer : [answer]) as tf.Tensor[]
    const tensors = await Promise.all(answered.map(read))
    return Object.fromEntries(tensors.map((value, index) => [outputs[index]?.name ?? String(index), value]))
  } finally {
    lib.dispose([...given, ...answered])
  }
}

async function load(dir: string, config: FlavorConfig, options: LoadOptions) {
  const lib = await library(options.lib)
  const model = await open(lib, dir, config)
  const [inputs, outputs] = [portsOf(model, 'inputs'), portsOf(model, 'outputs')]
  const graph = { inputs, schema: options.signature?.inputs, run: (feeds: Tensors) => run(lib, model, feeds, outputs) }
  return lifetime({
    native: model,
    predict: (input) => ask(graph, input),
    dispose: async () => {
      model.dispose()
    },
  })
}

/**
 * TensorFlow.js models, `LayersModel` and `GraphModel`, as `model.json` and `weights.bin`. Run by the `lib` given, else by
 * `@tensorflow/tfjs-node` where it is installed, else by `@tensorflow/tfjs` (`MissingPeerError` without). `UnsafePathError`
 * for weight files outside of the model's folder, `IntegrityError` for damaged ones.
 */
export const tfjs = (): Flavor => ({ name: 'tfjs', accepts: isModel, save, load })
