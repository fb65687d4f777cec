import type { Deliverer } from '../spool/deliverer.js'
import type { Hands, HandsOptions, Job } from './hands.js'
import type { FromLookout, LookoutStart, ToLookout } from './lookout-thread.js'
import { thread } from './thread.js'

interface Watched {
  readonly log: Job['log']
  readonly delivery: Deliverer
  readonly isTold: Int32Array<SharedArrayBuffer>
}

/**
 * Delivers as `inner` does, in this thread; what this thread leaves in memory, busy or logging all the time, is written
 * down by another one. That never keeps the process alive, and is done without when it ends.
 */
export function watchedHands(
  file: URL,
  inner: Hands,
  { start, warn }: { readonly start: LookoutStart } & Pick<HandsOptions, 'warn'>,
): Hands {
  const jobs = new Map<number, Watched>()
  let serial = 0
  const other = thread<ToLookout, FromLookout>(file, { name: 'cairn-lookout', start, hear, onLost })

  function hear({ more }: FromLookout): void {
    const job = jobs.get(more)
    if (!job) return
    Atomics.store(job.isTold, 0, 0)
    job.delivery.wake()
  }

  function onLost(error: Error | undefined): void {
    for (const { log } of jobs.values()) log.watchedBy(undefined)
    warn(
      `The thread that writes down what is logged while the main one is busy has ended${error ? ` (${error.message})` : ''}; the last points of a burst wait in memory until the event loop turns`,
    )
  }

  return {
    ...inner,
    deliver(job) {
      const delivery = inner.deliver(job)
      if (other.isLost) return delivery
      const id = serial++
      const { dir, log } = job
      const isTold = new Int32Array(new SharedArrayBuffer(4))
      jobs.set(id, { log, delivery, isTold })
      other.post({ word: 'watch', log: id, dir, generation: 0, memory: log.memory.buffer, isTold })
      if (!other.isLost)
        log.watchedBy({
          stir: () => other.post({ word: 'stir', log: id }),
          key: (name) => other.post({ word: 'key', log: id, name }),
        })
      void delivery.finished.then(() => {
        jobs.delete(id)
        other.post({ word: 'forget', log: id })
      })
      return delivery
    },
    async close() {
      await other.end({ word: 'end' })
      for (const { log } of jobs.values()) log.watchedBy(undefined)
      await inner.close()
    },
  }
}
