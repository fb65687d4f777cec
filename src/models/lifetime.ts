import { InvalidParameterError } from '../errors.js'
import type { LoadedFlavor } from './flavor.js'

/** The same model, safe to dispose at any time: calls under way finish first, later ones throw, a second dispose does nothing. */
export function lifetime(inner: LoadedFlavor): LoadedFlavor {
  const running = new Set<Promise<unknown>>()
  let end: Promise<void> | undefined
  return {
    native: inner.native,
    async predict(input) {
      if (end) throw new InvalidParameterError('This model has been disposed of; load it again to predict')
      const call = inner.predict(input)
      running.add(call)
      try {
        return await call
      } finally {
        running.delete(call)
      }
    },
    dispose() {
      end ??= Promise.allSettled(running).then(() => inner.dispose())
      return end
    },
  }
}
