import { Worker } from 'node:worker_threads'
import type { Deliverer } from '../spool/deliverer.js'
import type { Hands, HandsOptions, Job } from './hands.js'
import type { FromLookout, LookoutStart, ToLookout } from './lookout-thread.js'

interface Watched {
  readonly log: Job['log']
  readonly delivery: Deliverer
  readonly isTold: Int32Array<SharedArrayBuffer>
}

/**
 * Delivers as `inner` does, in this thread; what this thread leaves in memory while it is busy is written down by another
 * one. That never keeps the process alive, and is done without when it ends.
 */
export function watchedHands(
  file: URL,
  inner: Hands,
  { start, warn }: { readonly start: LookoutStart } & Pick<HandsOptions, 'warn'>,
): Hands {
  const jobs = new Map<number, Watched>()
  let serial = 0
  let worker: Worker | undefined
  let isLost = false

  function post(message: ToLookout): void {
    if (isLost) return
    try {
      worker ??= begun()
    } catch (error) {
      // A thread has files of its own, and there may be none left to open.
      lose(error as Error)
      return
    }
    worker.postMessage(message)
  }

  function begun(): Worker {
    // No loader of the program's own: it might wait for the main thread, which may be busy.
    const made = new Worker(file, { workerData: start, name: 'cairn-lookout', execArgv: [] })
    made.on('message', ({ more }: FromLookout) => {
      const job = jobs.get(more)
      if (!job) return
      Atomics.store(job.isTold, 0, 0)
      job.delivery.wake()
    })
    made.on('error', (error) => lose(error))
    made.on('exit', () => lose(undefined))
    made.unref()
    return made
  }

  function lose(error: Error | undefined): void {
    if (isLost) return
    isLost = true
    worker = undefined
    for (const { log } of jobs.values()) log.watchedBy(undefined)
    warn(
      `The thread that writes down what is logged while the main one is busy has ended${error ? ` (${error.message})` : ''}; the last points of a burst wait in memory until the event loop turns`,
    )
  }

  return {
    ...inner,
    deliver(job) {
      const delivery = inner.deliver(job)
      if (isLost) return delivery
      const id = serial++
      const { dir, log } = job
      const isTold = new Int32Array(new SharedArrayBuffer(4))
      jobs.set(id, { log, delivery, isTold })
      post({ log: id, dir, generation: 0, memory: log.memory.buffer, isTold })
      if (!isLost) log.watchedBy({ stir: () => post({ stir: id }), key: (name) => post({ key: id, name }) })
      void delivery.finished.then(() => {
        jobs.delete(id)
        post({ forget: id })
      })
      return delivery
    },
    async close() {
      isLost = true
      await worker?.terminate()
      await inner.close()
    },
  }
}
