import { CairnError, ProtocolError, reworded, UnauthenticatedError } from '../errors.js'

/** Whether a failure says that the server is away or cannot now: what it was asked can be kept until it can. */
export const isOutage = (error: unknown): error is CairnError =>
  error instanceof CairnError &&
  error.retryable &&
  (error.status === undefined || error.status >= 500 || error.status === 408 || error.status === 429)

/** Whether what a run was given can be kept: its server is away, or takes other credentials by now, which may be renewed. */
export const mayWait = (error: unknown): error is CairnError => isOutage(error) || error instanceof UnauthenticatedError

/** As `isOutage`, of a server that was never there: a name that does not resolve, or what does not speak HTTP, may be a wrong address. */
export const isAway = (error: unknown): error is CairnError =>
  isOutage(error) &&
  !(error instanceof ProtocolError && error.status === undefined) &&
  (error.cause as { code?: unknown } | undefined)?.code !== 'ENOTFOUND'

/** The same outage, told where no run may begin on disk meanwhile: it says what to do. */
export const sayingNever = (error: CairnError): CairnError =>
  reworded(
    error,
    `${error.message}. CAIRN_OFFLINE is never: try again when the server is back, or without that variable, so that runs begin on disk and are sent later`,
  )
