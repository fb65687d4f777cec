import * as errors from '../errors.js'
import { CairnError, type CairnErrorOptions } from '../errors.js'

/** An error as it goes between threads. */
export interface Told {
  readonly name: string
  readonly message: string
  readonly options: CairnErrorOptions
}

/** An error as plain data; its cause stays behind. */
export function told(error: CairnError): Told {
  const { name, message, code, retryable, status, requestId, url, retryAfterMs, notSent } = error
  const all = { code, retryable, status, requestId, url, retryAfterMs, notSent }
  const options = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return { name, message, options }
}

/** The error again. */
export function heard({ name, message, options }: Told): CairnError {
  const Kind = (errors as unknown as Record<string, new (text: string, of: CairnErrorOptions) => CairnError>)[name]
  return Kind === undefined ? new CairnError(message, options) : new Kind(message, options)
}
