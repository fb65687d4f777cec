import { onAbort } from '../core/shared-signal.js'

interface Work<T> {
  readonly done: Promise<T>
  readonly controller: AbortController
  waiting: number
}

type Start<T> = (signal: AbortSignal) => Promise<T>

/**
 * Work that callers at once share: whoever asks for what is under way waits for it. One who gives up leaves it to the
 * others; it is told to stop when nobody is left.
 */
export function sharedWork<T>(): (key: string, start: Start<T>, signal?: AbortSignal) => Promise<T> {
  const underWay = new Map<string, Work<T>>()

  function begin(key: string, start: Start<T>): Work<T> {
    const controller = new AbortController()
    const done = start(controller.signal)
    const work: Work<T> = { done, controller, waiting: 0 }
    const forget = (): void => {
      if (underWay.get(key) === work) underWay.delete(key)
    }
    done.then(forget, forget)
    underWay.set(key, work)
    return work
  }

  return (key, start, signal) => {
    const known = underWay.get(key)
    return wait(known && !known.controller.signal.aborted ? known : begin(key, start), signal)
  }
}

async function wait<T>(work: Work<T>, signal: AbortSignal | undefined): Promise<T> {
  work.waiting++
  if (!signal) return work.done
  let leave = (): void => {}
  const left = new Promise<never>((_, reject) => {
    leave = onAbort(signal, (reason) => {
      if (--work.waiting === 0) work.controller.abort(reason)
      reject(reason)
    })
  })
  try {
    return await Promise.race([work.done, left])
  } finally {
    leave()
  }
}
