/** What every failure of Cairn carries beside its message. */
export interface CairnErrorOptions {
  /** The failure underneath, kept as it came. */
  readonly cause?: unknown
  /** MLflow's `error_code`, where the failure has one of its own. */
  readonly code?: string | undefined
  /** Whether the very same call may succeed later. */
  readonly retryable?: boolean | undefined
  /** HTTP status of the answer that failed. */
  readonly status?: number | undefined
  /** Request id the server gave. */
  readonly requestId?: string | undefined
  /** Where the request went, without credentials or query. */
  readonly url?: string | undefined
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** True when nothing left this process, so that the backend cannot have acted on it. */
  readonly notSent?: boolean | undefined
}

/** The one family: every error Cairn throws on its own account is one of these. */
export class CairnError extends Error {
  /** Stable, machine-readable; MLflow's `error_code` where it has one. */
  readonly code: string
  /** Whether the very same call may succeed later. */
  readonly retryable: boolean
  readonly status?: number
  readonly requestId?: string
  readonly url?: string
  readonly retryAfterMs?: number
  readonly notSent?: boolean

  constructor(message: string, options: CairnErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = options.code ?? 'INTERNAL_ERROR'
    this.retryable = options.retryable ?? false
    if (options.status !== undefined) this.status = options.status
    if (options.requestId !== undefined) this.requestId = options.requestId
    if (options.url !== undefined) this.url = options.url
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
    if (options.notSent !== undefined) this.notSent = options.notSent
  }
}

type ErrorClass = new (message: string, options?: CairnErrorOptions) => CairnError

const kind = (code: string, retryable = false): ErrorClass =>
  class extends CairnError {
    constructor(message: string, options: CairnErrorOptions = {}) {
      super(message, { code, retryable, ...options })
    }
  }

/** A name, value, filter or option that breaks a rule: change the input. */
export class InvalidParameterError extends kind('INVALID_PARAMETER_VALUE') {}
/** The run, experiment, model, version or file asked for is not there. */
export class NotFoundError extends kind('RESOURCE_DOES_NOT_EXIST') {}
/** The name is taken. */
export class AlreadyExistsError extends kind('RESOURCE_ALREADY_EXISTS') {}
/** Known, but not allowed: by the server, or by the file system. */
export class PermissionDeniedError extends kind('PERMISSION_DENIED') {}
/** No credentials, or ones the server does not take. */
export class UnauthenticatedError extends kind('UNAUTHENTICATED') {}
/** Too many requests; `retryAfterMs` says when to come again, if the server did. */
export class RateLimitError extends kind('REQUEST_LIMIT_EXCEEDED', true) {}
/** The backend answers that it cannot now (5xx, a full disk). */
export class UnavailableError extends kind('TEMPORARILY_UNAVAILABLE', true) {}
/** A limit in time ran out. */
export class TimeoutError extends kind('DEADLINE_EXCEEDED', true) {}
/** The backend was not reached, or the connection broke. */
export class NetworkError extends kind('NETWORK_ERROR', true) {}
/** Something answered, but not as MLflow does. */
export class ProtocolError extends kind('PROTOCOL_ERROR') {}
/** Bytes, a checksum, a model or a store file are not what they should be. */
export class IntegrityError extends kind('DATA_LOSS') {}
/** A parameter was logged before with another value; parameters are written once. */
export class ParamConflictError extends InvalidParameterError {}
/** A bare verb was called and no run is active. */
export class NoActiveRunError extends kind('NO_ACTIVE_RUN') {}
/** None of the model's flavors is one that Cairn can load. */
export class UnsupportedFlavorError extends kind('UNSUPPORTED_FLAVOR') {}
/** An optional package is needed and not installed; the message gives the command. */
export class MissingPeerError extends kind('MISSING_PEER') {}
/** Input does not fit the model's signature. */
export class SignatureMismatchError extends kind('SIGNATURE_MISMATCH') {}
/** A path or URI that leads out of the place it was given for. */
export class UnsafePathError extends kind('INVALID_PARAMETER_VALUE') {}
/** The stage change still lacks approvals, was rejected, or misses its metric. */
export class ApprovalRequiredError extends kind('APPROVAL_REQUIRED') {}
/** Nobody held the stage before. */
export class NothingToRollBackError extends kind('NOTHING_TO_ROLL_BACK') {}

const BY_CODE: Readonly<Record<string, ErrorClass>> = {
  BAD_REQUEST: InvalidParameterError,
  INVALID_PARAMETER_VALUE: InvalidParameterError,
  INVALID_STATE: InvalidParameterError,
  RESOURCE_DOES_NOT_EXIST: NotFoundError,
  NOT_FOUND: NotFoundError,
  ENDPOINT_NOT_FOUND: NotFoundError,
  RESOURCE_ALREADY_EXISTS: AlreadyExistsError,
  ALREADY_EXISTS: AlreadyExistsError,
  RESOURCE_CONFLICT: AlreadyExistsError,
  PERMISSION_DENIED: PermissionDeniedError,
  UNAUTHENTICATED: UnauthenticatedError,
  CUSTOMER_UNAUTHORIZED: UnauthenticatedError,
  REQUEST_LIMIT_EXCEEDED: RateLimitError,
  RESOURCE_EXHAUSTED: RateLimitError,
  DEADLINE_EXCEEDED: TimeoutError,
  DATA_LOSS: IntegrityError,
}

const BY_STATUS: Readonly<Record<number, ErrorClass>> = {
  400: InvalidParameterError,
  401: UnauthenticatedError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: AlreadyExistsError,
  410: NotFoundError,
  413: InvalidParameterError,
  422: InvalidParameterError,
  429: RateLimitError,
  504: TimeoutError,
}

/** Of the statuses from 500 on, those that say that the server never will. */
const NEVER = new Set([501, 505])

/** Codes that no later try changes, though their status is one of a failure. */
const FINAL = new Set(['FEATURE_DISABLED', 'INVALID_STATE'])

/** The error for an answer with MLflow's `error_code`, or for a bare status where there is none. */
export function errorFromCode(code: string | undefined, message: string, options: CairnErrorOptions = {}): CairnError {
  const status = options.status ?? 500
  const Known = (code && BY_CODE[code]) || BY_STATUS[status] || UnavailableError
  const mayPass = status === 408 || status === 429 || (status >= 500 && !NEVER.has(status))
  const retryable = mayPass && !(code && FINAL.has(code))
  return new Known(message, { ...options, retryable, ...(code ? { code } : {}) })
}

/** Whether the very same call may succeed later. */
export const isRetryable = (error: unknown): boolean => error instanceof CairnError && error.retryable

/** The same failure in other words, and with what is `changed`; another kind of error has its own code. */
export function reworded(
  error: CairnError,
  message: string,
  { as, ...changed }: CairnErrorOptions & { readonly as?: ErrorClass } = {},
): CairnError {
  const { code, retryable, ...facts } = error
  if (as) return new as(message, { ...facts, cause: error, ...changed })
  const Kind = error.constructor as ErrorClass
  return new Kind(message, { ...facts, code, retryable, cause: error.cause ?? error, ...changed })
}

/** Whether nobody was asked: an older server lacks the call, or something on the way does not lead to it. */
export const isUnknown = (error: unknown): boolean =>
  error instanceof NotFoundError && error.code === 'ENDPOINT_NOT_FOUND'

/** Whether a server's database refused something, as a value that has to be its only one: MLflow hands on its words, not what is meant. */
export const isBadRequest = (error: unknown): boolean =>
  error instanceof InvalidParameterError && error.code === 'BAD_REQUEST'

/** For `catch`, where not being there is an answer: undefined for a `NotFoundError` of one who was asked; any other failure stays one. */
export function absent(error: unknown): undefined {
  if (!(error instanceof NotFoundError) || isUnknown(error)) throw error
}

const DENIED = new Set(['EACCES', 'EPERM', 'EROFS'])
/** A name in the way, or one that no file can have: no later try fares better. */
const UNFIT = new Set(['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP'])

/** A file system error as one of ours: it names the file, what could not be done, and why. */
export function diskError(error: unknown, doing: string): CairnError {
  if (error instanceof CairnError) return error
  const { code = 'UNKNOWN', message = String(error) } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return new NotFoundError(`Cannot ${doing}: it is not there`, { cause: error })
  if (DENIED.has(code))
    return new PermissionDeniedError(`Cannot ${doing}: the file system refuses it (${code}); check owner and mode`, {
      cause: error,
    })
  // Node says so of a path that is no text, or holds a NUL.
  if (UNFIT.has(code) || error instanceof TypeError)
    return new InvalidParameterError(`Cannot ${doing}: ${message}`, { cause: error })
  return new UnavailableError(`Cannot ${doing}: ${message}`, { cause: error })
}
