import { NotFoundError } from '../errors.js'
import type { Input, Operation, Transport } from '../transport/transport.js'

/** Calls that write a run's id down without looking for the run. */
const UNSEEN: Readonly<Partial<Record<Operation, string>>> = {
  createModelVersion: 'run_id',
  createLoggedModel: 'source_run_id',
}

/**
 * A transport to which a run that was made away from its server is known by both of its ids. Asked for only when the
 * server does not know the one given; one that has not arrived yet is a `NotFoundError` that says so.
 */
export function knowingOurIds(inner: Transport, serverRunId: (runId: string) => string | undefined): Transport {
  const translated = <O extends Operation>(input: Input<O>, field: string): Input<O> | undefined => {
    const id = (input as Record<string, unknown>)[field]
    if (typeof id !== 'string') return undefined
    const theirs = serverRunId(id)
    if (theirs === undefined)
      throw new NotFoundError(
        `The run ${id} was made while its server was away and has not reached it yet; send it with npx cairn-ml sync`,
      )
    return theirs === id ? undefined : { ...input, [field]: theirs }
  }
  const wrapped: Transport = {
    ...inner,
    async call(operation, input, options) {
      const field = UNSEEN[operation]
      if (field !== undefined) return inner.call(operation, translated(input, field) ?? input, options)
      try {
        return await inner.call(operation, input, options)
      } catch (error) {
        const known = error instanceof NotFoundError ? translated(input, 'run_id') : undefined
        if (known === undefined) throw error
        return inner.call(operation, known, options)
      }
    },
    close: () => inner.close(),
  }
  return wrapped
}
