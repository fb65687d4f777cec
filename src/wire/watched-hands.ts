import { LOOKS_OUT } from '../spool/memory.js'
import type { Hands, HandsOptions, Job } from './hands.js'
import type { LookoutStart, ToLookout } from './lookout-thread.js'
import { thread } from './thread.js'

/** It makes next to nothing that could be garbage. */
const LITTLE = { maxYoungGenerationSizeMb: 1 }

/**
 * Delivers as `inner` does; what the thread that logs leaves in memory while it is busy is written down by another one,
 * which has nothing else to do. That never keeps the process alive, and is done without when it ends.
 */
export function watchedHands(
  file: URL,
  inner: Hands,
  { start, warn }: { readonly start: LookoutStart } & Pick<HandsOptions, 'warn'>,
): Hands {
  const logs = new Map<number, Job['log']>()
  let serial = 0
  const other = thread<ToLookout, never>(file, { name: 'cairn-lookout', start, limits: LITTLE, hear: () => {}, onLost })

  function onLost(error: Error | undefined): void {
    for (const log of logs.values()) leaveAlone(log)
    warn(
      `The thread that writes down what is logged while the main one is busy has ended${error ? ` (${error.message})` : ''}; the last points of a burst wait in memory until the event loop turns`,
    )
  }

  function leaveAlone(log: Job['log']): void {
    log.keysFor(undefined)
    log.left.heardBy(undefined)
    log.lose(LOOKS_OUT)
  }

  return {
    ...inner,
    deliver(job) {
      const delivery = inner.deliver(job)
      if (other.isLost) return delivery
      const id = serial++
      const { dir, log } = job
      logs.set(id, log)
      other.post({ log: id, dir, generation: 0, memory: log.memory.buffer })
      log.keysFor((name) => other.post({ key: id, name }))
      if (!other.isLost) log.left.heardBy(() => other.post({ left: id }))
      void delivery.finished.then(() => {
        logs.delete(id)
        other.post({ forget: id })
      })
      return delivery
    },
    async close() {
      await other.end()
      await inner.close()
    },
  }
}
