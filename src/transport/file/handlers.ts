import type { Input, Operation, Output } from '../protocol.js'
import type { CallOptions } from '../transport.js'

/** One handler for each operation of the protocol: one that is missing does not compile. */
export type Handlers = { [O in Operation]: (input: Input<O>, options?: CallOptions) => Promise<Output<O>> }

/** The operations with a name of this kind. */
export type HandlersOf<O extends Operation> = Pick<Handlers, O>
