import { join } from 'node:path'
import type { BatchLimits } from '../core/batch.js'
import { writePrivate } from '../disk/private.js'
import { readText } from '../disk/write.js'
import type { CairnError } from '../errors.js'
import { type LearntLimits, type LimitsMemory, learntLimits, MOST_AT_ONCE } from './limits.js'
import type { Tally } from './stuck.js'

/** How one server stands towards all that deliver to it from here: one outage, one pause, one probe. */
export interface ServerState {
  readonly limits: LearntLimits
  /** Milliseconds until a request may go out; 0 now. While the server is away, one at a time finds out. */
  wait(): number
  /** A request goes out. */
  sent(): void
  /**
   * Whether one more request may be under way, of all runs together: the others would only wait for a connection, and grow
   * old. One that is told no is called when its turn has come: first those that somebody waits for, then in the order they asked.
   */
  mayBegin(wake: () => void, isHurried: boolean): boolean
  /** A request is under way. */
  begun(): void
  /** It is no more, whatever came of it. */
  ended(): void
  /** The server answered, whatever it said. */
  answered(): void
  /** It took what was sent, of this kind; `healed` when it had answered that 500 before. */
  took(kind: string, healed: boolean): void
  /** How many requests it took, those of a kind by themselves. */
  tally(kind: string): Tally
  /** Something of a kind fails while it takes others; answers what it had taken when the first of them failed. */
  alone(kind: string, first: Tally): void
  /** What it had taken when the first of a kind failed that fails still, while it takes others. */
  aloneSince(kind: string): Tally | undefined
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
  /** Called with each answer. */
  readonly onAnswered?: (() => void) | undefined
  /** Connections to it; 10 by default. */
  readonly connections?: number | undefined
}

const CONNECTIONS = 10
/** For each connection there is one that is being answered, and one that comes next. */
const PER_CONNECTION = 2
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

/** Keeps what is found out about a server. Time is that of a clock that never goes back. */
export function serverState(options: ServerOptions = {}): ServerState {
  const limits = learntLimits(options.limits, options.dir === undefined ? undefined : memoryIn(options.dir))
  const listeners = new Set<() => void>()
  let failures = 0
  const taken = { all: 0, healed: 0, of: new Map<string, number>() }
  const alone = new Map<string, Tally>()
  let until = 0
  /** Until when the others wait for one that finds out whether the server is back. */
  let probingUntil = 0
  let underWay = 0
  const most = (options.connections ?? CONNECTIONS) * PER_CONNECTION
  const hurried = new Set<() => void>()
  const patient = new Set<() => void>()
  const isRoom = () => underWay < Math.ceil((most * limits.atOnce) / MOST_AT_ONCE)
  const now = () => performance.now()
  const isProbing = () => failures > 0 && now() < probingUntil
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
      return Math.max(0, until - now(), isProbing() ? probingUntil - now() : 0)
    },
    sent() {
      // A large file takes its time, and nobody learns of the server from it meanwhile.
      if (failures > 0) probingUntil = now() + MOST_MS
    },
    mayBegin(wake, isHurried) {
      if (isRoom()) return true
      if (isHurried) patient.delete(wake)
      if (isHurried || !hurried.has(wake)) (isHurried ? hurried : patient).add(wake)
      return false
    },
    begun() {
      underWay++
    },
    ended() {
      underWay--
      // One that has nothing to send any more leaves its turn to the next.
      while (isRoom()) {
        const queue = hurried.size > 0 ? hurried : patient
        const [next] = queue
        if (next === undefined) return
        queue.delete(next)
        next()
      }
    },
    answered() {
      probingUntil = 0
      options.onAnswered?.()
      if (failures === 0) return
      failures = 0
      until = 0
      changed()
    },
    took(kind, healed) {
      taken.all++
      if (healed) taken.healed++
      taken.of.set(kind, (taken.of.get(kind) ?? 0) + 1)
      alone.delete(kind)
    },
    alone(kind, first) {
      if (!alone.has(kind)) alone.set(kind, first)
    },
    aloneSince: (kind) => alone.get(kind),
    tally: (kind) => ({ taken: taken.all, like: taken.of.get(kind) ?? 0, healed: taken.healed }),
    down(error) {
      probingUntil = 0
      if (failures++ === 0) options.onDown?.(error)
      const own = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(10, failures - 1)) * (0.5 + Math.random() / 2)
      return pause(error.retryAfterMs === undefined ? own : Math.min(LONGEST_PAUSE_MS, error.retryAfterMs))
    },
    throttled(error) {
      probingUntil = 0
      limits.tooFast()
      return pause(Math.min(LONGEST_PAUSE_MS, Math.max(1000, error.retryAfterMs ?? THROTTLE_MS)))
    },
    givenUp() {
      if (!isProbing()) return
      probingUntil = 0
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
