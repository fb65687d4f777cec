import { CairnError, InvalidParameterError, NetworkError } from '../errors.js'
import type { Parcel } from './backlog.js'

/** The code of a failure that says: another run of this spool has to be made before this one. */
export const PARENT_FIRST = 'PARENT_FIRST'

/** What a courier threw, as an error of ours; what is no such error (a user's own function failed) may pass. */
export function asError(reason: unknown): CairnError {
  if (reason instanceof CairnError) return reason
  return new NetworkError(`Delivery failed: ${(reason as Error | undefined)?.message ?? String(reason)}`, {
    cause: reason,
    notSent: true,
  })
}

/** What a server says of the entries themselves. */
const ENTRY_STATUS = new Set([400, 404, 409, 413, 422])

/** Not the entry is wrong but the way there: other credentials, or the right server behind the address, may take it. */
export function isParking(error: CairnError, { stretch, steps }: Parcel): boolean {
  if (error.code === 'PROTOCOL_ERROR' || error.code === 'NETWORK_ERROR') return true
  // An older server lacks calls of later versions; it never lacks batches.
  const isBatch = stretch.lane === 'points' || steps.some((step) => 'param' in step || 'tag' in step)
  if (error.code === 'ENDPOINT_NOT_FOUND') return isBatch
  return error.status !== undefined && !ENTRY_STATUS.has(error.status) && !(error instanceof InvalidParameterError)
}
