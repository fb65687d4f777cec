import { setMaxListeners } from 'node:events'

const known = new WeakMap<AbortSignal, AbortSignal>()

/** A caller's signal for much that goes on at once, in one call or in many: each part listens to it, which is no leak. */
export function sharedSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (!signal) return undefined
  const before = known.get(signal)
  if (before) return before
  const own = AbortSignal.any([signal])
  setMaxListeners(0, own)
  known.set(signal, own)
  return own
}

/** Listens to a caller's signal until what it answers is called; `act` hears of it once. */
export function onAbort(signal: AbortSignal | undefined, act: (reason: unknown) => void): () => void {
  const shared = sharedSignal(signal)
  // Through this one it is held: Node forgets a limit in time that nobody holds, and it would never run out.
  const heard = () => act(signal?.reason)
  if (shared?.aborted) heard()
  else shared?.addEventListener('abort', heard, { once: true })
  return () => shared?.removeEventListener('abort', heard)
}
