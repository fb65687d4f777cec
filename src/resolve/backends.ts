import type { OpenArtifacts } from '../artifacts/store.js'
import type { Transport } from '../transport/transport.js'

/** One backend, and what tells it from others. */
export interface Backend {
  readonly uri: string
  readonly transport: () => Promise<Transport>
  /** Whether it lives on this machine's disk. */
  readonly local: boolean
  /** Whether the places it names may be paths of this machine. */
  readonly sharesDisk: boolean
}

/** What references are looked up in: runs and logged models in `tracking`, names and versions in `registry`. */
export interface Backends {
  readonly tracking: Backend
  readonly registry: Backend
  /** Opens any place, unchecked; what a backend names has to go through `checkSource` before. */
  readonly openAnyPlace: OpenArtifacts
}

export interface ResolveOptions {
  readonly signal?: AbortSignal | undefined
}
