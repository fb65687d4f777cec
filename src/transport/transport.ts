import type { Input, Operation, Output } from './protocol.js'

export type { Input, Operation, Output } from './protocol.js'

/** What a caller may say about one call. */
export interface CallOptions {
  /** Ends the call early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** The call may have been carried out before, by a process that is gone: it is treated as one whose answer was lost. */
  readonly again?: boolean | undefined
  /** Nobody waits for the answer: where calls share a thread, it stands back while others are carried out. */
  readonly background?: boolean | undefined
}

/** Everything the SDK asks of a tracking and registry backend: one operation of the protocol, carried there and back. */
export interface Transport {
  /**
   * Carries out one operation. A backend on this machine has finished all writes of `logBatch` and `updateRun` when the
   * call returns, before its promise is looked at: that is what keeps points safe in a process that exits.
   */
  call<O extends Operation>(operation: O, input: Input<O>, options?: CallOptions): Promise<Output<O>>
  /** Lets go of connections; calls in flight finish. */
  close(): Promise<void>
}
