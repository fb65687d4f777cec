import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../core/retry.js'

/** This machine's time and chance; a wait does not keep a finished process alive longer than the call it belongs to. */
export const systemClock: Clock = {
  now: () => performance.now(),
  random: Math.random,
  async sleep(ms, signal) {
    try {
      await wait(ms, undefined, signal ? { signal } : {})
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
  },
}
