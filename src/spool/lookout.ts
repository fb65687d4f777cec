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

/** How often a log is looked at that grows: each look costs a training a little of the processor it shares. */
const LOOK_MS = 100
/** How often one is looked at whose thread leaves points in memory: they are to be on disk within 10 ms. */
const CLOSE_LOOK_MS = 3
/** Looks without anything new after which a log is left alone until there is word of it. */
const QUIET_LOOKS = 5

interface Watched {
  readonly held: () => boolean
  readonly onMore: () => void
  version: number
  quiet: number
  /** When it was last looked whether it is still held; each look at the disk costs as much as one at the memory. */
  heldAt: number
  isHeld: boolean
}

const isClosely = ({ watching }: SpoolLog): boolean => watching >= 2

/** Makes a lookout; it costs nothing while all is quiet. */
export function logLookout(): Lookout {
  const logs = new Map<SpoolLog, Watched>()
  let timer: NodeJS.Timeout | undefined
  let isClose = false

  function isHeld(watched: Watched): boolean {
    const now = performance.now()
    if (now - watched.heldAt >= LOOK_MS) {
      watched.heldAt = now
      watched.isHeld = watched.held()
    }
    return watched.isHeld
  }

  function look(log: SpoolLog, watched: Watched): void {
    if (log.waiting > 0 && isHeld(watched)) {
      try {
        log.pourIfFree()
      } catch {
        // A full disk: its own thread finds out too, and has another way.
      }
    }
    const { version } = log
    const hasGrown = version !== watched.version
    watched.version = version
    watched.quiet = hasGrown || log.waiting > 0 ? 0 : watched.quiet + 1
    if (hasGrown) watched.onMore()
    log.mind()
    const wasClose = isClosely(log)
    if (watched.quiet < QUIET_LOOKS || !log.rest(version)) return
    watched.quiet = 0
    // Descriptors are few, and it is the thread that logs which writes next.
    log.letGo()
    if (!wasClose) logs.delete(log)
  }

  function lookAll(): void {
    timer = undefined
    for (const [log, watched] of logs) look(log, watched)
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
      const known = logs.get(log)
      if (known) known.quiet = 0
      else logs.set(log, { held, onMore, version: -1, quiet: 0, heldAt: Number.NEGATIVE_INFINITY, isHeld: false })
      if (timer !== undefined && (isClose || !isClosely(log))) return
      clearTimeout(timer)
      arm()
    },
    forget: (log) => void logs.delete(log),
  }
}
