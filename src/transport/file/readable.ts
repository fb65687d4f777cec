import { CairnError, InvalidParameterError, NotFoundError } from '../../errors.js'
import type { Store } from './layout.js'

/**
 * What `read` gives; undefined for what cannot be read, which the store's `warn` is told once: one bad thing must not
 * fail a whole listing. What is not there, or has no name that could be asked for, is no news.
 */
export function ifReadable<T>(store: Store, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    if (!(error instanceof NotFoundError || error instanceof InvalidParameterError))
      store.warn(`Left out of what is listed: ${error.message}`)
    return undefined
  }
}

const MOST = 1000

/** Passes each message on once. */
export function once(warn: (message: string) => void): (message: string) => void {
  const said = new Set<string>()
  return (message) => {
    if (said.has(message)) return
    if (said.size >= MOST) said.clear()
    said.add(message)
    warn(message)
  }
}
