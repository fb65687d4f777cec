import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import type { Tensor, TensorData, TensorType } from '../../core/tensor.js'
import { IntegrityError, InvalidParameterError, MissingPeerError } from '../../errors.js'
import type { FlavorConfig } from '../flavor.js'
import { peer, thrown } from '../peer.js'
import type { GraphPort, Tensors } from '../tensors.js'

type Runtime = typeof import('onnxruntime-node')
export type Session = InferenceSession

const COMMAND = 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node'
const WHY = 'without "skip" its install script fetches GPU libraries from the network, and the CPU needs none'

/** onnxruntime: the `lib` given, else onnxruntime-node; `MissingPeerError` when it is absent or older than 1.24. */
export async function runtime(lib: unknown): Promise<Runtime> {
  const ort = (lib ??
    (await peer('onnxruntime-node', `${COMMAND} (${WHY})`, async () => {
      const module = await import('onnxruntime-node').catch(thrown)
      return module.InferenceSession ? module : (module as unknown as { default: Runtime }).default
    }))) as Runtime
  const version = ort.env?.versions?.node ?? ort.env?.versions?.common ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 1 || (major === 1 && minor < 24))
    throw new MissingPeerError(
      `onnxruntime-node 1.24 or newer is needed, ${version === '0' ? 'an older one' : version} is installed: before 1.24 a model could read files outside of its folder; install it with: ${COMMAND}@latest (${WHY})`,
    )
  return ort
}

/** A session of a model, by its path or its bytes; `IntegrityError` with the runtime's reason when it takes neither. */
export async function open(
  ort: Runtime,
  source: string | Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<Session> {
  try {
    return await (typeof source === 'string'
      ? ort.InferenceSession.create(source, options)
      : ort.InferenceSession.create(source, options))
  } catch (error) {
    throw new IntegrityError(`onnxruntime does not take the ONNX model: ${(error as Error).message}`, { cause: error })
  }
}

const port = (value: InferenceSession.ValueMetadata): GraphPort => {
  if (!value.isTensor)
    throw new InvalidParameterError(
      `${value.name} of the ONNX model is not a tensor; convert it without ZipMap or sequences`,
    )
  // A shape that the file does not give reads as one without dimensions.
  const shape = value.shape.length === 0 ? undefined : value.shape.map((size) => (typeof size === 'number' ? size : -1))
  return { name: value.name, type: value.type as TensorType, ...(shape ? { shape } : {}) }
}
/** What the runtime tells of inputs or outputs; `undefined` when it tells nothing. */
export const portsOf = (values: readonly InferenceSession.ValueMetadata[] | undefined): GraphPort[] | undefined =>
  values?.map(port)

const LEVELS: Readonly<Record<string, 'disabled' | 'basic' | 'extended' | 'all'>> = {
  0: 'disabled',
  1: 'basic',
  2: 'extended',
  99: 'all',
}

/** The session options that MLmodel keeps, in the runtime's words; what it does not know is left out. */
export function savedOptions({ onnx_session_options: saved }: FlavorConfig): InferenceSession.SessionOptions {
  if (typeof saved !== 'object' || saved === null) return {}
  const options = saved as Record<string, unknown>
  const level = LEVELS[String(options.graph_optimization_level)]
  const { execution_mode: mode, intra_op_num_threads: intra, inter_op_num_threads: inter } = options
  return {
    ...(mode === 'sequential' || mode === 'parallel' ? { executionMode: mode } : {}),
    ...(level ? { graphOptimizationLevel: level } : {}),
    ...(typeof intra === 'number' ? { intraOpNumThreads: intra } : {}),
    ...(typeof inter === 'number' ? { interOpNumThreads: inter } : {}),
  }
}

/** One run of a session, tensors to tensors. */
export function runner(ort: Runtime, session: Session) {
  return async (feeds: Tensors): Promise<Tensors> => {
    const values: Record<string, OrtTensor> = {}
    for (const [name, { type, data, dims }] of Object.entries(feeds))
      values[name] = new ort.Tensor(type as 'float32', data as Float32Array, dims)
    const outputs = await session.run(values)
    return Object.fromEntries(
      session.outputNames.map((name): [string, Tensor] => {
        const { type, data, dims } = outputs[name]!
        return [name, { type: type as TensorType, data: data as TensorData, dims }]
      }),
    )
  }
}
