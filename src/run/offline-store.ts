import type { ArtifactStore } from '../artifacts/store.js'
import { blobOf, makeDirs, saveStream } from '../disk/files.js'
import { NotFoundError, UnavailableError } from '../errors.js'
import type { Transport } from '../transport/transport.js'
import type { SpooledOutlet } from './spooled.js'

/** The artifacts of a run whose server is away: files are kept in the run's folder of the spool and sent in their turn. */
export function offlineStore(outlet: SpooledOutlet): ArtifactStore {
  const { dir } = outlet.folder
  const kept = new Map<string, { readonly file: string; readonly size: number }>()
  let serial = 0

  return {
    async list() {
      throw new UnavailableError('Artifacts of a run that has not reached its server yet cannot be listed')
    },
    async read(path) {
      const known = kept.get(path)
      if (!known) throw new NotFoundError(`${path} is not among what waits for the server`)
      return (await blobOf(`${dir}/${known.file}`)).stream() as ReadableStream<Uint8Array>
    },
    async write(path, data, { signal } = {}) {
      const file = `file-${serial++}`
      await makeDirs(dir, 0o700)
      await saveStream(`${dir}/${file}`, data.stream() as ReadableStream<Uint8Array>, { signal, mode: 0o600 })
      outlet.steps([{ artifact: { path, file, type: data.type } }])
      kept.set(path, { file, size: data.size })
    },
    async remove() {
      throw new UnavailableError('Artifacts of a run that has not reached its server yet cannot be removed')
    },
  }
}

/** The calls of a run whose server is away, which wait with all else; what needs an answer is refused. */
export function offlineTransport(outlet: SpooledOutlet): Transport {
  return {
    async call(operation, input) {
      if (operation !== 'logInputs' && operation !== 'logOutputs')
        throw new UnavailableError(`${operation} needs the server, which is away`)
      const { run_id: _, ...rest } = input as Record<string, unknown>
      outlet.steps([{ call: operation, input: rest }])
      return {} as never
    },
    close: async () => {},
  }
}
