import { join } from 'node:path'
import type { BatchLimits } from '../core/batch.js'
import { writePrivate } from '../disk/log-file.js'
import { readText } from '../disk/write.js'
import type { CairnError } from '../errors.js'
import { type LearntLimits, type LimitsMemory, learntLimits } from './limits.js'

/** How one server stands towards all that deliver to it from here: one outage, one pause, one probe. */
export interface ServerState {
  readonly limits: LearntLimits
  /** Milliseconds until a request may go out; 0 now. While the server is away, one at a time finds out. */
  wait(): number
  /** A request goes out. */
  sent(): void
  /** The server answered, whatever it said. */
  answered(): void
  /** It did not reach the server, or the server could not; answers how long nothing goes out. */
  down(error: CairnError): number
  /** The server asks for time; answers how long. */
  throttled(error: CairnError): number
  /** It was given up, and nothing is known. */
  givenUp(): void
  /** Somebody waits: the next request may go out at once. */
  nudge(): void
  /** Told whenever waiting may be over. */
  onChange(wake: () => void): () => void
}

export interface ServerOptions {
  readonly limits?: BatchLimits | undefined
  /** The server's folder in the spool, where its limits are kept for the next process. */
  readonly dir?: string | undefined
  readonly onDown?: ((error: CairnError) => void) | undefined
  readonly onUp?: (() => void) | undefined
}

const FIRST_MS = 250
const MOST_MS = 30_000
const THROTTLE_MS = 5_000
const LONGEST_PAUSE_MS = 300_000

/** A file of a server's folder; a disk that fails forgets. */
function memoryIn(dir: string): LimitsMemory {
  const file = join(dir, 'limits.json')
  return {
    read: () => readText(file),
    write(text) {
      try {
        writePrivate(file, text)
      } catch {
        // It is learnt again.
      }
    },
  }
}

/** A server of which nothing bad is known yet. Time is that of a clock that never goes back. */
export function serverState(options: ServerOptions = {}): ServerState {
  const limits = learntLimits(options.limits, options.dir === undefined ? undefined : memoryIn(options.dir))
  const listeners = new Set<() => void>()
  let failures = 0
  let until = 0
  let probing = false
  const now = () => performance.now()
  const changed = () => {
    for (const wake of [...listeners]) wake()
  }
  const pause = (ms: number) => {
    until = Math.max(until, now() + ms)
    return ms
  }

  return {
    limits,
    wait() {
      if (failures > 0 && probing) return MOST_MS
      return Math.max(0, until - now())
    },
    sent() {
      if (failures > 0) probing = true
    },
    answered() {
      probing = false
      if (failures === 0) return
      failures = 0
      until = 0
      options.onUp?.()
      changed()
    },
    down(error) {
      probing = false
      if (failures++ === 0) options.onDown?.(error)
      const own = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(10, failures - 1)) * (0.5 + Math.random() / 2)
      return pause(error.retryAfterMs === undefined ? own : Math.min(LONGEST_PAUSE_MS, error.retryAfterMs))
    },
    throttled(error) {
      probing = false
      limits.tooFast()
      return pause(Math.min(LONGEST_PAUSE_MS, Math.max(1000, error.retryAfterMs ?? THROTTLE_MS)))
    },
    givenUp() {
      probing = false
      changed()
    },
    nudge() {
      // Only what waits for the server is told, and once: ten thousand runs may be flushed at a time.
      if (failures === 0 || until === 0) return
      until = 0
      changed()
    },
    onChange(wake) {
      listeners.add(wake)
      return () => void listeners.delete(wake)
    },
  }
}
