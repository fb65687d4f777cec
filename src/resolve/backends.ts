import type { OpenArtifacts } from '../artifacts/store.js'
import type { Transport } from '../transport/transport.js'

/** One backend, and what tells it from others. */
export interface Backend {
  readonly uri: string
  readonly transport: () => Promise<Transport>
  /** Whether it lives on this machine's disk; only then its places may be paths of this machine. */
  readonly local: boolean
}

/** What references are looked up in: runs and logged models in `tracking`, names and versions in `registry`. */
export interface Backends {
  readonly tracking: Backend
  readonly registry: Backend
  readonly openArtifacts: OpenArtifacts
  /** Whether remote backends may name places on this machine, too (both share a disk); default false. */
  readonly allowLocalSources?: boolean | undefined
}

export interface ResolveOptions {
  readonly signal?: AbortSignal | undefined
}
