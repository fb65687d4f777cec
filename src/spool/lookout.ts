import type { SpoolLog } from './log.js'

/** Looks at logs that another thread writes, for as long as something happens there; it costs nothing while all is quiet. */
export interface Lookout {
  watch(log: SpoolLog): void
  forget(log: SpoolLog): void
}

/** How often a log is looked at that grows: each look costs a training a little of the processor it shares. */
const GROWTH_MS = 100
/** A log that has not grown for so many looks is left alone until its bell rings. */
const QUIET_LOOKS = 5
/** How often one is looked at whose thread leaves points in memory: they are to be on disk within 10 ms. */
const LEFT_MS = 3

/** Looks at each log so often, until a look answers that it may rest. */
function rounds<State>(ms: number, state: (log: SpoolLog) => State, look: (log: SpoolLog, state: State) => boolean) {
  const logs = new Map<SpoolLog, State>()
  let timer: NodeJS.Timeout | undefined

  function arm(): void {
    if (timer !== undefined || logs.size === 0) return
    timer = setTimeout(lookAll, ms).unref()
  }

  function lookAll(): void {
    timer = undefined
    for (const [log, known] of logs) if (look(log, known)) logs.delete(log)
    arm()
  }

  return {
    watch(log: SpoolLog) {
      if (!logs.has(log)) logs.set(log, state(log))
      arm()
    },
    forget: (log: SpoolLog) => void logs.delete(log),
  }
}

/** Calls `onGrown` whenever a log has grown. */
export function growthLookout(onGrown: (log: SpoolLog) => void): Lookout {
  return rounds(
    GROWTH_MS,
    () => ({ version: -1, quiet: 0 }),
    (log, seen) => {
      const { version } = log
      const hasGrown = version !== seen.version
      seen.version = version
      seen.quiet = hasGrown ? 0 : seen.quiet + 1
      if (hasGrown) onGrown(log)
      // What is left in memory is written by a thread that tells nobody.
      const isQuiet = () => !log.left.isRinging && log.waiting === 0 && log.version === version
      return seen.quiet >= QUIET_LOOKS && log.unread.silence(isQuiet)
    },
  )
}

/** Writes down what is left in the memory of logs, as long as a log is `held`, and no other process has taken it over. */
export function leftLookout(held: (log: SpoolLog) => boolean): Lookout {
  return rounds(
    LEFT_MS,
    ({ poured }) => ({ poured }),
    (log, seen) => {
      // What its own thread has left since the last look will not be taken along by a next call.
      if (log.waiting > 0 && log.poured === seen.poured && held(log)) {
        try {
          log.pourIfFree()
        } catch {
          // A full disk: its own thread finds out too, and has another way.
        }
        // It is that thread which writes next, as a rule, and descriptors are few.
        log.letGo()
      }
      seen.poured = log.poured
      return log.left.silence(() => log.waiting === 0)
    },
  )
}
