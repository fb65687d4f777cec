import { sleep } from '../disk/lock.js'
import type { MetricBuffer } from '../tracking/metric-buffer.js'
import type { Outlet } from './outlet.js'

/** How long to wait until what has arrived is cleared away and seen to be: a spool is not measured all the time. */
const CLEAR_MS = 2_000
const LOOK_MS = 10

/**
 * Delivers what is logged, until `by` on the clock of `performance.now()`, and blocks the thread: in the exit of the
 * process. What arrives makes room on disk for what waits in memory.
 */
export function deliverNow(buffer: MetricBuffer, outlet: Outlet, by: number): void {
  const leftMs = () => Math.max(0, by - performance.now())
  let before = Number.POSITIVE_INFINITY
  let movedAt = performance.now()
  for (;;) {
    const waiting = buffer.drainLast()
    // What does not arrive makes no room.
    if (!outlet.flushNow(leftMs()) || waiting === 0 || leftMs() === 0) return
    if (waiting < before) movedAt = performance.now()
    else if (outlet.awayMs > 0 || performance.now() - movedAt > CLEAR_MS) return
    else sleep(LOOK_MS)
    before = waiting
  }
}
