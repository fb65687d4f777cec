import type { SpoolLog } from './log.js'

/** Looks at logs that another thread writes, for as long as something happens there. */
export interface Lookout {
  /**
   * Looks at a log from now on; `onMore` is called whenever it has grown. What is left in memory is written as long as the
   * log is `held`, and no other process has taken it over.
   */
  watch(log: SpoolLog, held: () => boolean, onMore: () => void): void
  forget(log: SpoolLog): void
  /** Looks at none any more: its thread may be ended. */
  close(): void
}

/** How often a log is looked at that grows, and who waits for more is told: each costs a training some of the processor. */
const LOOK_MS = 100
/** How often one is looked at whose thread leaves points in memory: they are to be on disk within 10 ms. */
const CLOSE_LOOK_MS = 3
/** After this long without anything new a log is looked at less closely, and after that not until there is word of it. */
const CLOSE_QUIET_MS = 20
const QUIET_MS = 500

/**
 * Of more points than this between two close looks the loop that logs them writes most itself, in long stretches: it is not
 * to wait for this thread, which writes only what was left since the last look.
 */
const TIGHT_POINTS = 128

interface Watched {
  readonly held: () => boolean
  readonly onMore: () => void
  version: number
  /** Points that had gone to disk at the last look, and all that were there. */
  passed: number
  put: number
  /** When something was new there. */
  newAt: number
  /** The version that `onMore` told of, and when. */
  told: number
  toldAt: number
  /** When it was last looked whether it is still held: that is a look at the disk. */
  heldAt: number
  isHeld: boolean
}

const isClosely = ({ watching }: SpoolLog): boolean => watching === 2

/** Makes a lookout; it costs nothing while all is quiet. */
export function logLookout(): Lookout {
  const logs = new Map<SpoolLog, Watched>()
  let timer: NodeJS.Timeout | undefined
  let isClose = false
  /** When all logs were looked at, and not only those that are to be closely. */
  let allAt = Number.NEGATIVE_INFINITY

  function isHeld(watched: Watched, now: number): boolean {
    if (now - watched.heldAt >= LOOK_MS) {
      watched.heldAt = now
      watched.isHeld = false
      watched.isHeld = watched.held()
    }
    return watched.isHeld
  }

  /** Writes down what is left in memory; whether all of it is on disk, and its thread may leave more there. */
  function writeDown(log: SpoolLog, watched: Watched, now: number): boolean {
    try {
      if (!isHeld(watched, now)) return false
      const { poured, waiting } = log
      const isTight = poured + waiting - watched.put > TIGHT_POINTS
      if (!isTight || poured === watched.passed) log.pourIfFree()
      // Some stay where the other thread is at it, or this one has not heard of their key.
      return !isTight && log.poured - poured >= waiting
    } catch {
      // A full disk: its own thread finds out too, and has another way.
      return false
    }
  }

  function look(log: SpoolLog, watched: Watched, now: number): void {
    const isClose = isClosely(log)
    const at = Date.now()
    if (isClose || log.waiting > 0) {
      const isWritten = writeDown(log, watched, now)
      if (isClose && isWritten && !log.isClosed) log.seen(at)
      else log.unseen()
    }
    watched.passed = log.poured
    watched.put = watched.passed + log.waiting
    const { version } = log
    if (version !== watched.version || log.waiting > 0) watched.newAt = now
    watched.version = version
    if (version !== watched.told && now - watched.toldAt >= LOOK_MS) {
      watched.told = version
      watched.toldAt = now
      watched.onMore()
    }
    const isQuiet = now - watched.newAt >= (isClose ? CLOSE_QUIET_MS : QUIET_MS) && log.rest(version)
    // Descriptors are few, and it is the thread that logs which writes next.
    if (isQuiet || log.isClosed) log.letGo()
    if (isQuiet && !isClose) logs.delete(log)
  }

  function lookAll(): void {
    timer = undefined
    const now = performance.now()
    const isForAll = !isClose || now - allAt >= LOOK_MS
    if (isForAll) allAt = now
    for (const [log, watched] of logs) if (isForAll || isClosely(log)) look(log, watched, now)
    arm()
  }

  function arm(): void {
    if (logs.size === 0) return
    isClose = false
    for (const log of logs.keys()) {
      isClose = isClosely(log)
      if (isClose) break
    }
    timer = setTimeout(lookAll, isClose ? CLOSE_LOOK_MS : LOOK_MS)
  }

  return {
    watch(log, held, onMore) {
      const never = Number.NEGATIVE_INFINITY
      const known = logs.get(log)
      if (known) known.newAt = performance.now()
      else
        logs.set(log, {
          ...{ held, onMore, version: -1, newAt: performance.now(), told: -1, toldAt: never },
          ...{ passed: log.poured, put: log.poured + log.waiting, heldAt: never, isHeld: false },
        })
      if (timer !== undefined && (isClose || !isClosely(log))) return
      clearTimeout(timer)
      arm()
    },
    forget(log) {
      logs.delete(log)
      log.ignore()
    },
    close() {
      clearTimeout(timer)
      for (const log of logs.keys()) log.ignore()
      logs.clear()
    },
  }
}
