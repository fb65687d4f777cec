/** What a promise comes to; rejects with the signal's reason when that aborts first. */
export function heed<T>(signal: AbortSignal | undefined, value: T | PromiseLike<T>): Promise<T> {
  const promise = Promise.resolve(value)
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).then(() => signal.removeEventListener('abort', leave))
  })
}
