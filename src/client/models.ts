import { dirname } from 'node:path'
import type { Client } from '../client.js'
import type { ModelCache } from '../models/cache.js'
import type { LoadDeps } from '../models/load.js'
import type { PackageDeps } from '../models/package.js'
import type { CarryDeps } from '../models/packed-model.js'
import type { LogModelWays } from '../run/model.js'
import { contextTags } from '../run/start.js'
import type { Parts } from '../wire.js'

/** What a client has to do with models and their files, loaded when it is first needed. */
export interface ModelWork {
  readonly cache: () => Promise<ModelCache>
  /** How a run logs a model. */
  readonly ways: LogModelWays
  readonly verbs: Pick<
    Client,
    'saveModel' | 'loadModel' | 'packModel' | 'listArtifacts' | 'downloadArtifacts' | 'cacheInfo' | 'pruneCache'
  >
}

/** What the work needs beside the parts. */
export interface ModelWorkDeps {
  readonly user: () => string | undefined
  readonly warn: (message: string) => void
  /** Told what waits on disk, and why. */
  readonly away: (said: string) => void
}

/** Does that work over a client's parts; each is imported and opened by the first verb that needs it. */
export function modelWork(parts: Parts, { user, warn, away }: ModelWorkDeps): ModelWork {
  const { settings, backends, rules, impatient } = parts

  /** The way of a logged model to a backend, and of its version to the registry. */
  const carrying = (
    transport: CarryDeps['transport'],
    registryTransport: CarryDeps['transport'],
    openArtifacts: CarryDeps['openArtifacts'],
  ): CarryDeps => ({
    transport,
    openArtifacts,
    registerModel: async (request) => {
      const { registerLogged } = await import('../registry/logged.js')
      return registerLogged({ transport: registryTransport, tracking: transport, user }, request)
    },
  })
  const ways: LogModelWays = {
    packaging: packageDeps,
    backend: carrying(backends.tracking.transport, backends.registry.transport, parts.openNamedPlace),
    contextTags: () => contextTags({ ...settings, rules }),
    impatient: carrying(impatient.transport, impatient.registry, impatient.openNamedPlace),
    registry: parts.registryAddress,
    away,
  }

  let madeCache: Promise<ModelCache> | undefined
  const cache = (): Promise<ModelCache> => {
    madeCache ??= import('../models/cache.js').then(({ modelCache }) => modelCache({ dir: settings.cacheDir, warn }))
    return madeCache
  }

  /** A model's environment is that of the script which logs it. */
  async function packageDeps(): Promise<PackageDeps> {
    const script = process.argv[1]
    return { flavors: await parts.flavors(), projectDir: script === undefined ? undefined : dirname(script), warn }
  }

  async function loadDeps(): Promise<LoadDeps> {
    const { resolveModel } = await import('../resolve/model.js')
    return {
      resolve: (uri, options) => resolveModel(backends, uri, options),
      openArtifacts: backends.openAnyPlace,
      cache: await cache(),
      scope: [backends.tracking.uri, backends.registry.uri],
      flavors: await parts.flavors(),
      warn,
    }
  }

  return {
    cache,
    ways,
    verbs: {
      async saveModel(model, dir, options = {}) {
        const { saveModel } = await import('../models/package.js')
        return saveModel(await packageDeps(), model, dir, options)
      },
      async loadModel(uri, options = {}) {
        const { loadModel } = await import('../models/load.js')
        return loadModel(await loadDeps(), uri, options)
      },
      async packModel(uri, file, options = {}) {
        const { packModel } = await import('../models/bundle.js')
        return packModel(await loadDeps(), uri, file, options)
      },
      async listArtifacts(runId, path, options) {
        const { listArtifacts } = await import('../resolve/artifacts.js')
        return listArtifacts(backends, { runId }, path, options)
      },
      async downloadArtifacts(target, options) {
        const { downloadArtifacts } = await import('../resolve/artifacts.js')
        return downloadArtifacts(backends, target, options)
      },
      cacheInfo: async () => (await cache()).info(),
      pruneCache: async (options) => (await cache()).prune(options),
    },
  }
}
