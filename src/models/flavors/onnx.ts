import { dirname, join } from 'node:path'
import { checkRelativePath } from '../../core/relative-path.js'
import { signature } from '../../core/signature.js'
import { readBytes } from '../../disk/files.js'
import { readInside, sizeInside, writeInside } from '../../disk/inside.js'
import { CairnError, IntegrityError, InvalidParameterError, NotFoundError, UnsafePathError } from '../../errors.js'
import type { Flavor, FlavorConfig, LoadOptions } from '../flavor.js'
import { lifetime } from '../lifetime.js'
import { ask, portsOfSchema, schemaOfPorts } from '../tensors.js'
import { type OnnxFile, onnxVersion, readOnnxFile } from './onnx-file.js'
import { open, portsOf, runner, runtime, type Session, savedOptions } from './onnx-runtime.js'

const FILE = 'model.onnx'
const bytesOf = (data: Uint8Array | ArrayBuffer): Uint8Array =>
  data instanceof Uint8Array ? data : new Uint8Array(data)
const isBytes = (value: unknown): value is Uint8Array | ArrayBuffer =>
  value instanceof Uint8Array || value instanceof ArrayBuffer
const hasSession = (value: unknown): value is { session: Session; bytes: Uint8Array | ArrayBuffer } =>
  typeof value === 'object' && value !== null && 'session' in value && 'bytes' in value && isBytes(value.bytes)

/** Refuses external data that is not a plain file beside the model, or not as long as the model says. */
async function checkExternal({ external }: OnnxFile, dir: string): Promise<string[]> {
  for (const { location, offset, length } of external) {
    const what = `The external data ${JSON.stringify(location.slice(0, 200))} of the ONNX model`
    checkRelativePath(location, 'External data of the ONNX model')
    // The runtime takes locations with "*" for addresses in its own memory.
    if (location.includes('*'))
      throw new UnsafePathError(`${what} is not a file: "*" has a meaning of its own to the runtime`)
    const size = await sizeInside(dir, location, { hardLinks: false }).catch((error: unknown) => {
      if (!(error instanceof NotFoundError)) throw error
      throw new IntegrityError(`${what} is missing in ${dir}`, { cause: error })
    })
    if (offset + (length ?? 0) > size)
      throw new IntegrityError(`${what} should hold ${length ?? 0} bytes from ${offset}, but has ${size} in all`)
  }
  return [...new Set(external.map(({ location }) => location))]
}

/** Where the model's bytes come from, and the folder of its external data, if there is one. */
async function sourceOf(model: unknown): Promise<{ bytes: Uint8Array; beside?: string; session?: Session }> {
  if (isBytes(model)) return { bytes: bytesOf(model) }
  if (typeof model === 'string') return { bytes: await readBytes(model), beside: dirname(model) }
  if (hasSession(model)) return { bytes: bytesOf(model.bytes), session: model.session }
  throw new InvalidParameterError(
    'The onnx flavor saves the bytes of a model (Uint8Array), the path of its file, or { session, bytes }: a session does not keep the bytes it was made from',
  )
}

async function load(dir: string, config: FlavorConfig, options: LoadOptions) {
  const file = typeof config.data === 'string' ? config.data : FILE
  const bytes = await readInside(dir, file)
  const read = readOnnxFile(bytes)
  const folder = dirname(join(dir, file))
  await checkExternal(read, folder)
  const ort = await runtime(options.lib)
  const settings = { ...savedOptions(config), ...options.sessionOptions }
  const session = await open(ort, read.external.length > 0 ? join(dir, file) : bytes, settings)
  const inputs = portsOf(session.inputMetadata) ?? portsOfSchema(options.signature?.inputs)
  if (!inputs)
    throw new InvalidParameterError(
      'This runtime does not tell the inputs of a model, and its signature does not either',
    )
  const graph = { inputs, schema: options.signature?.inputs, run: runner(ort, session) }
  return lifetime({ native: session, predict: (input) => ask(graph, input), dispose: () => session.release() })
}

/**
 * ONNX models, run by onnxruntime-node 1.24 or newer: given as bytes, as the path of a file, or as `{ session, bytes }`.
 * Python's `mlflow.onnx` and `mlflow.pyfunc` load what it saves. Throws `MissingPeerError` without the runtime,
 * `IntegrityError` for bytes that are no model, `UnsafePathError` for external data outside of the model's folder.
 */
export const onnx = (): Flavor => ({
  name: 'onnx',
  accepts: (model) => isBytes(model) || hasSession(model) || (typeof model === 'string' && /\.onnx$/i.test(model)),
  async save(model, dir, { lib }) {
    const { bytes, beside, session: given } = await sourceOf(model)
    const file = readOnnxFile(bytes)
    if (file.external.length > 0 && beside === undefined)
      throw new InvalidParameterError(
        'The ONNX model keeps weights in files beside it; give the path of its file, not its bytes',
      )
    const ort = await runtime(lib)
    for (const path of beside === undefined ? [] : await checkExternal(file, beside))
      await writeInside(dir, path, await readInside(beside!, path))
    await writeInside(dir, FILE, bytes)
    const session = given ?? (await open(ort, file.external.length > 0 ? join(dir, FILE) : bytes, {}))
    try {
      const [inputs, outputs] = [portsOf(session.inputMetadata), portsOf(session.outputMetadata)]
      const version = ort.env.versions.node ?? ort.env.versions.common
      return {
        config: {
          code: null,
          data: FILE,
          onnx_session_options: null,
          onnx_version: onnxVersion(file),
          providers: ['CUDAExecutionProvider', 'CPUExecutionProvider'],
        },
        pythonFunction: { data: FILE, loader_module: 'mlflow.onnx' },
        signature: signature({ inputs: inputs && schemaOfPorts(inputs), outputs: outputs && schemaOfPorts(outputs) }),
        requirements: [`onnx>=${onnxVersion(file)}`, 'onnxruntime'],
        dependencies: { 'onnxruntime-node': `^${version}` },
      }
    } catch (error) {
      throw error instanceof CairnError
        ? error
        : new IntegrityError('The ONNX model cannot be described', { cause: error })
    } finally {
      if (!given) await session.release()
    }
  },
  load,
})
