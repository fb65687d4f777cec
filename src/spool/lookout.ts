import type { SpoolLog } from './log.js'

/** Looks at logs that another thread writes, for as long as something happens there. */
export interface Lookout {
  /**
   * Looks at a log from now on; `onMore` is called whenever it has grown. What is left in memory is written as long as the
   * log is `held`, and no other process has taken it over.
   */
  watch(log: SpoolLog, held: () => boolean, onMore: () => void): void
  forget(log: SpoolLog): void
}

/** How often a log is looked at that grows. */
const LOOK_MS = 25
/** How often one is looked at whose thread leaves points in memory: they are to be on disk within 10 ms. */
const CLOSE_LOOK_MS = 3
/** Looks further apart than this, by a slow disk or a crowd of logs, are none that points can be left to. */
const CLOSE_ENOUGH_MS = 6
/** A log that has not grown for so many looks is looked at less closely, or left alone until there is word of it. */
const QUIET_LOOKS = { close: 5, far: 8 }
/** Much less than the silence after which another process takes over. */
const HELD_MS = 1000

interface Watched {
  readonly held: () => boolean
  readonly onMore: () => void
  version: number
  passed: number
  /** Looks in a row without anything new, or at points that cannot be written. */
  quiet: number
  lookedAt: number
  /** Whether what was left could not be written when that was last tried. */
  isBarred: boolean
}

/** Makes a lookout; it costs nothing while all is quiet. */
export function logLookout(): Lookout {
  const logs = new Map<SpoolLog, Watched>()
  let timer: NodeJS.Timeout | undefined
  let isClose = false

  /** Writes what its own thread has left, and notes whether that can be done. */
  function pour(log: SpoolLog, watched: Watched): void {
    // Where nothing is left to this one, a next call takes along what is still being poured.
    if (log.waiting === 0 || (log.watching < 2 && log.poured !== watched.passed)) return
    watched.isBarred = true
    if (!watched.held()) return
    try {
      log.pourIfFree()
      watched.isBarred = false
    } catch {
      // A full disk: its own thread finds out too, and has another way.
    }
  }

  function look(log: SpoolLog, watched: Watched): void {
    const { lookedAt: before } = watched
    watched.lookedAt = performance.now()
    pour(log, watched)
    const isSteady = performance.now() - before <= CLOSE_ENOUGH_MS
    watched.passed = log.poured
    const { version } = log
    const hasGrown = version !== watched.version
    watched.version = version
    watched.quiet = hasGrown || (log.waiting > 0 && !watched.isBarred) ? 0 : watched.quiet + 1
    if (hasGrown) watched.onMore()
    if (log.watching === 2) {
      if (isSteady && !watched.isBarred) log.looked()
      if (watched.quiet >= QUIET_LOOKS.close) log.rest(version)
    } else if (watched.quiet >= QUIET_LOOKS.far && log.rest(version)) logs.delete(log)
    // It is its own thread which writes next, as a rule, and descriptors are few.
    if (log.watching < 2) log.letGo()
  }

  function lookAll(): void {
    timer = undefined
    for (const [log, watched] of logs) look(log, watched)
    arm()
  }

  function arm(): void {
    if (logs.size === 0) return
    isClose = false
    for (const [log, { quiet }] of logs) {
      isClose = log.watching === 2 && quiet <= QUIET_LOOKS.close
      if (isClose) break
    }
    timer = setTimeout(lookAll, isClose ? CLOSE_LOOK_MS : LOOK_MS)
  }

  return {
    watch(log, held, onMore) {
      const known = logs.get(log)
      if (known) known.quiet = 0
      else {
        const fresh = { version: -1, passed: log.poured, quiet: 0, lookedAt: Number.NEGATIVE_INFINITY, isBarred: false }
        logs.set(log, { held: nowAndThen(held), onMore, ...fresh })
      }
      if (timer !== undefined && (isClose || log.watching < 2)) return
      clearTimeout(timer)
      arm()
    },
    forget: (log) => void logs.delete(log),
  }
}

/** Asks the disk at most once in a while. */
function nowAndThen(held: () => boolean): () => boolean {
  let askedAt = Number.NEGATIVE_INFINITY
  let was = false
  return () => {
    const now = performance.now()
    if (now - askedAt > HELD_MS) {
      was = held()
      askedAt = now
    }
    return was
  }
}
