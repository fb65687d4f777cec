import { join } from 'node:path'
import { fileArtifacts } from '../../src/artifacts/file.js'
import type { ArtifactStore, OpenArtifacts } from '../../src/artifacts/store.js'
import { modelCache } from '../../src/models/cache.js'
import { type LoadDeps, type LoadModelOptions, loadModel } from '../../src/models/load.js'
import { type LogModelDeps, type LogModelOptions, logModel } from '../../src/models/log.js'
import type { Backends } from '../../src/resolve/backends.js'
import { resolveModel } from '../../src/resolve/model.js'
import { fileTransport } from '../../src/transport/file/file.js'
import type { Transport } from '../../src/transport/transport.js'
import { plain } from './plain-flavor.js'
import { tempDir } from './temp-dir.js'

/** Models, transport, artifacts and cache joined by hand on a fresh directory; every call and read is counted. */
export function modelHouse(overrides: { local?: boolean; transport?: (inner: Transport) => Transport } = {}) {
  const dir = tempDir()
  const root = join(dir, 'mlruns')
  const inner = fileTransport({ root })
  const calls: string[] = []
  const reads: string[] = []
  const warnings: string[] = []
  const counted: Transport = {
    close: () => inner.close(),
    call: (operation, input, options) => {
      calls.push(operation)
      return inner.call(operation, input, options)
    },
  }
  const transport = overrides.transport?.(counted) ?? counted
  const openArtifacts: OpenArtifacts = (uri) => {
    const store: ArtifactStore = fileArtifacts(uri)
    return {
      ...store,
      read: (path, options) => {
        reads.push(path)
        return store.read(path, options)
      },
    }
  }
  const local = overrides.local ?? true
  const backend = { uri: root, transport: async () => transport, local, sharesDisk: local }
  const backends: Backends = { tracking: backend, registry: backend, openAnyPlace: openArtifacts }
  const warn = (message: string): void => void warnings.push(message)
  const deps: LoadDeps & LogModelDeps = {
    resolve: (uri, options) => resolveModel(backends, uri, options),
    openArtifacts,
    cache: modelCache({ dir: join(dir, 'cache'), warn }),
    scope: [root],
    flavors: [plain],
    warn,
    transport: async () => transport,
    tempDir: join(dir, 'tmp'),
    registerModel: async ({ name, source, runId, modelId, stage, alias }) => {
      await transport.call('createRegisteredModel', { name }).catch(() => {})
      const made = await transport.call('createModelVersion', {
        name,
        source,
        run_id: runId,
        ...(modelId ? { model_id: modelId } : {}),
      })
      const { version } = made.model_version
      if (stage !== undefined)
        await transport.call('transitionModelVersionStage', { name, version, stage, archive_existing_versions: true })
      if (alias !== undefined) await transport.call('setRegisteredModelAlias', { name, alias, version })
      return version
    },
  }
  const newRun = async () => {
    const { run } = await inner.call('createRun', { experiment_id: '0' })
    return { runId: run.info.run_id, experimentId: '0', artifactUri: run.info.artifact_uri }
  }
  const log = async (model: unknown, options: Partial<LogModelOptions> = {}) =>
    logModel(deps, await newRun(), model, { name: 'model', ...options })
  const load = (uri: string, options?: LoadModelOptions) => loadModel(deps, uri, options)
  return { dir, root, inner, transport, calls, reads, warnings, backends, deps, newRun, log, load }
}
