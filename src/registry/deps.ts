import type { Transport } from '../transport/transport.js'

/** What the registry's verbs stand on. */
export interface RegistryDeps {
  /** The registry's backend, made when the first verb is called. */
  readonly transport: () => Promise<Transport>
  /** The backend that runs and logged models are read from; the registry's own by default. */
  readonly tracking?: (() => Promise<Transport>) | undefined
  /** The name under which versions are moved and approved where no `by` is given; none by default. */
  readonly user?: (() => string | undefined) | undefined
  /** The clock, epoch milliseconds. */
  readonly now?: (() => number) | undefined
}
