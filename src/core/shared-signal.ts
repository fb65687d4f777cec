import { setMaxListeners } from 'node:events'

/** A caller's signal for much that goes on at once: each part listens to it, which is no leak. */
export function sharedSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (!signal) return undefined
  const own = AbortSignal.any([signal])
  setMaxListeners(0, own)
  return own
}
