import {
  CairnError,
  InvalidParameterError,
  isBadRequest,
  isUnknown,
  NetworkError,
  NotFoundError,
  ProtocolError,
} from '../errors.js'
import type { Parcel } from './parcel.js'
import { type Step, TAKE_UP } from './steps.js'

/** The code of a failure that says: another run of this spool has to be made before this one. */
export const PARENT_FIRST = 'PARENT_FIRST'

/** The code of a failure that lies on this side of the wire: nothing can be sent as things are set. */
export const NO_WAY = 'NO_WAY'

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

/** Calls that every server has. */
const OLD_CALLS: ReadonlySet<string> = new Set(['deleteTag', 'updateRun', TAKE_UP])

/** Not the entry is wrong but the way there: other credentials, or the right server behind the address, may take it. */
export function isParking(error: CairnError, { stretch, steps }: Parcel): boolean {
  if (error instanceof ProtocolError || error instanceof NetworkError || error.notSent) return true
  // An older server lacks calls of later versions; it never lacks batches, nor what removes a tag or ends a run.
  const isOld = (step: Step) => 'param' in step || 'tag' in step || ('call' in step && OLD_CALLS.has(step.call))
  if (isUnknown(error)) return stretch.lane === 'points' || steps.some(isOld)
  return error.status !== undefined && !ENTRY_STATUS.has(error.status) && !(error instanceof InvalidParameterError)
}

/** Whether a request was refused because its run may not be written to any more: each part would be refused the same. */
export const isAboutRun = (error: CairnError, runId: string | undefined): boolean =>
  runId !== undefined &&
  error.message.includes(runId) &&
  /deleted|lifecycle|not found|no run|is gone/i.test(error.message)

/** Whether parts of a refused request may be taken: when one entry can be what is wrong, or all are too many. */
export const isDivisible = (error: CairnError, { points }: Parcel): boolean =>
  // A database that misses a logged model has the points of the run, and misses it of all that name it.
  !(error instanceof NotFoundError && isBadRequest(error.cause)) &&
  (error instanceof InvalidParameterError ||
    error.status === 400 ||
    error.status === 413 ||
    // A logged model that some points name is not there.
    (error instanceof NotFoundError && points.some(({ model_id }) => model_id !== undefined)))
