/** A user's function that is only told something: `onFailed` hears of the first time that it throws or rejects, and nothing else comes of it. */
export function guarded<A extends readonly unknown[]>(
  listener: (...args: A) => unknown,
  onFailed: (error: unknown) => void,
): (...args: A) => void {
  let isKnown = false
  const failed = (error: unknown): void => {
    if (!isKnown) onFailed(error)
    isKnown = true
  }
  return (...args) => {
    try {
      Promise.resolve(listener(...args)).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
