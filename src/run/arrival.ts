import type { CairnError } from '../errors.js'
import type { Deliverer } from '../spool/deliverer.js'
import type { SpoolLog } from '../spool/log.js'
import { asOne } from '../tracking/delivery.js'
import type { FolderLoss } from './folder-loss.js'
import { notArrived, type Outlet } from './outlet.js'
import type { OwnFolder } from './own-folder.js'
import type { Standing } from './standing.js'

export interface ArrivalOptions {
  readonly log: SpoolLog
  readonly own: OwnFolder
  readonly deliverer: Deliverer
  readonly loss: FolderLoss
  readonly standing: () => Standing
}

/** The waits until what is on disk has arrived. */
export interface Arrival extends Pick<Outlet, 'flush' | 'flushNow'> {
  /** As `flush`, for the arrival alone: what was refused stays for `flush` to tell. */
  arrive(timeoutMs: number, signal?: AbortSignal): Promise<void>
  /** The server says that one may not write: who waits only as long as one may, waits no longer. */
  denied(error: CairnError): void
  /** Waits for a moment until what is done with is cleared away. */
  cleared(): Promise<void>
}

const CLEAR_MS = 1_000

/** Waits, and keeps the process alive for that, but no longer than it has to. */
async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let limit: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    limit = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(limit)
}

/** The waits for what a log has taken, up to where it stands when they begin. */
export function arrival({ log, own, deliverer, loss, standing }: ArrivalOptions): Arrival {
  /** Those who wait as long as they may write to the run. */
  const flushing = new Set<AbortController>()
  const settled = deliverer.finished.then(() => loss.settle(standing().spooled))
  const cleared = () => atMost(CLEAR_MS, settled)

  async function arrive(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    own.look()
    const target = log.written
    if (deliverer.isDone(target)) return
    const ended = await deliverer.until(target, timeoutMs, signal)
    if (ended) return
    signal?.throwIfAborted()
    own.look()
    if (loss.isGone) await cleared()
    if (loss.count !== undefined) return
    throw notArrived(standing().left, timeoutMs, deliverer.lastError, loss.error?.message)
  }

  return {
    arrive,
    cleared,
    denied(error) {
      for (const one of flushing) one.abort(error)
    },
    async flush(timeoutMs, { untilDenied = false } = {}) {
      const denied = new AbortController()
      if (untilDenied) flushing.add(denied)
      const late = await arrive(timeoutMs, denied.signal).then(
        () => [],
        (error: CairnError) => [error],
      )
      flushing.delete(denied)
      const errors = [...late, ...deliverer.refusals(), ...loss.untold()]
      if (errors.length > 0) throw asOne(errors)
    },
    flushNow(timeoutMs) {
      own.look()
      if (loss.count !== undefined) return false
      const hasArrived = deliverer.untilNow(log.written, loss.isGone ? Math.min(CLEAR_MS, timeoutMs) : timeoutMs)
      return hasArrived && !loss.isGone
    },
  }
}
