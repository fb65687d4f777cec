import { onAbort } from './shared-signal.js'

/** What a promise comes to; rejects with the signal's reason when that aborts first. */
export function heed<T>(signal: AbortSignal | undefined, value: T | PromiseLike<T>): Promise<T> {
  const promise = Promise.resolve(value)
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const leave = onAbort(signal, reject)
    promise.then(resolve, reject).then(leave)
  })
}
