import { fileArtifacts } from '../artifacts/file.js'
import { isLocal, localPath } from '../artifacts/location.js'
import type { ArtifactStore, OpenArtifacts } from '../artifacts/store.js'
import { UnsafePathError } from '../errors.js'
import type { FileTransport } from '../transport/file/file.js'
import { protocol } from '../transport/protocol.js'
import type { CallOptions, Input, Operation, Output, Transport } from '../transport/transport.js'
import { type ClientOptions, wire } from '../wire.js'
import { homesOf, servedPlaces } from './places.js'
import type { SearchThread } from './search-thread.js'

/** What a server stands on. */
export interface Backend {
  readonly local: boolean
  /** Whether the store has nobody that looks through it ahead. */
  readonly wantsLook: boolean
  readonly title: string
  /** The name under which versions are moved where none is given. */
  readonly user: string | undefined
  /** The store with places as they are. */
  readonly inner: Transport
  /** The store with places as clients elsewhere can use them. */
  readonly shown: Transport
  /** Where models are registered, with places as they are. */
  readonly models: Transport
  readonly artifacts: ArtifactStore
  /** Opens what a run or version names. */
  readonly openArtifacts: OpenArtifacts
  close(): Promise<void>
}

/** Opens what is served: a folder of this machine or another server. */
export async function openBackend(
  options: Pick<ClientOptions, 'trackingUri' | 'registryUri' | 'auth' | 'headers' | 'dispatcher' | 'logger'>,
  thread?: SearchThread | undefined,
): Promise<Backend> {
  const parts = wire(options)
  const { tracking, registry } = parts.backends
  const [ownRuns, models] = await Promise.all([tracking.transport(), registry.transport()])
  const place = isLocal(tracking.uri) ? localPath(tracking.uri) : undefined
  // What is plugged in may keep something else at that place.
  const isSearched = thread !== undefined && thread.root === place && 'logBatchNow' in ownRuns
  if (isSearched) thread.warnTo((ownRuns as FileTransport).warn)
  else void thread?.close()
  const runs = isSearched ? searchedBy(thread, ownRuns) : ownRuns
  const inner = registry.uri === tracking.uri ? runs : apart(runs, models)
  const common = { title: tracking.uri, user: parts.settings.user, inner, models, close }
  async function close(): Promise<void> {
    await thread?.close()
    await parts.close()
  }
  if (place !== undefined) {
    const openArtifacts: OpenArtifacts = (uri) => (isLocal(uri) ? fileArtifacts(uri) : parts.openNamedPlace(uri))
    return {
      ...common,
      local: true,
      wantsLook: !isSearched,
      shown: servedPlaces(inner, place),
      artifacts: homesOf(place),
      openArtifacts,
    }
  }
  return {
    ...common,
    local: false,
    wantsLook: false,
    shown: inner,
    artifacts: await parts.openNamedPlace('mlflow-artifacts:/'),
    openArtifacts(uri) {
      // What another machine calls its disk would be read from ours.
      if (isLocal(uri))
        throw new UnsafePathError(`The files lie on the disk of ${tracking.uri}, which does not serve them`)
      return parts.openNamedPlace(uri)
    },
  }
}

/** Searches over runs go to their thread; what that cannot answer is searched for here. */
function searchedBy(thread: SearchThread, inner: Transport): Transport {
  return {
    async call<O extends Operation>(operation: O, input: Input<O>, options?: CallOptions): Promise<Output<O>> {
      const found = operation === 'searchRuns' ? await thread.search(input as Input<'searchRuns'>) : undefined
      return found ? (found as Output<O>) : inner.call(operation, input, options)
    },
    close: () => inner.close(),
  }
}

const isRegistry = /\/mlflow\/(?:registered-models|model-versions)\//

/** Runs in one place, registered models in another. */
function apart(runs: Transport, models: Transport): Transport {
  return {
    call: (operation, input, options) =>
      (isRegistry.test(protocol[operation].path) ? models : runs).call(operation, input, options),
    async close() {
      await Promise.all([runs.close(), models.close()])
    },
  }
}
