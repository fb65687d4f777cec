import { type CairnError, TimeoutError } from '../errors.js'
import type { BufferStats, Drain, PointsWay } from '../tracking/metric-buffer.js'
import type { FileTransport } from '../transport/file/file.js'
import type { Transport } from '../transport/transport.js'
import { localDrain, transportDrain } from './drain.js'
import type { EndStatus } from './handle.js'

/** The end of a run, to be noted. */
export interface RunEnd {
  readonly status: EndStatus
  /** Epoch milliseconds. */
  readonly endTime: number
  /** Whether somebody gave the status; one that is left out ends no run of another process. */
  readonly isGiven: boolean
}

/** What a run's buffer drains into, and what is known of it from there on. */
export interface Outlet {
  readonly drain: Drain
  /** The way of points past the drain, where there is one: then each call may go on at once. */
  readonly way: PointsWay | undefined
  /**
   * Resolves when all that was drained has arrived; rejects with what was refused, or with `TimeoutError`. With
   * `untilDenied` it rejects as soon as the server says that one may not write; what waits is kept and tried again.
   */
  flush(timeoutMs: number, options?: { readonly untilDenied?: boolean }): Promise<void>
  /** Notes status and end of the run; resolves when they have arrived, and rejects after `timeoutMs` milliseconds on the way to a server. */
  finish(end: RunEnd, timeoutMs: number): Promise<void>
  /** As `finish`, begun and not waited for: in the exit of the process. */
  finishNow(end: RunEnd): void
  /**
   * Waits for what is on its way, and blocks the thread: in the exit of the process, where nothing else runs. False when not
   * all has arrived, or nothing can while it blocks.
   */
  flushNow(timeoutMs: number): boolean
  /** What became of all that was logged, given what the buffer knows. */
  stats(buffer: BufferStats): BufferStats
  /** How long the server is known to be away already, in milliseconds; 0 when it is not. */
  readonly awayMs: number
  /** Whether the run's making and its end, where they were noted, have arrived. */
  readonly isSettled: boolean
  /** Whether the run's making or its end was refused for good. */
  readonly isEndRefused: boolean
  /** How many entries lie on disk, whatever becomes of the process. */
  readonly kept: number
  /** How many steps are on disk, or were: those alone are written by the thread that logs and no other. */
  readonly noted: number
  /** What to do about what has not arrived, for the line at the end; undefined when it is lost with the process. */
  readonly remedy: string | undefined
  /** What was lost, or will be when the process ends, though it was to be kept; undefined as long as that is kept. */
  readonly loss: CairnError | undefined
  /** Nothing more comes; what waits is still delivered where that is possible. Resolves when what is done is cleared away. */
  close(): Promise<void>
  /** As `close`, in the exit of the process. */
  closeNow(): void
}

/** The outlet of a run whose transport is called directly: what has not arrived is the buffer's. */
export function directOutlet(transport: Transport, runId: string): Outlet {
  const isLocal = 'logBatchNow' in transport
  const drain = isLocal ? localDrain(transport as FileTransport, runId) : transportDrain(transport, runId)
  const finish = async ({ status, endTime }: RunEnd, signal?: AbortSignal): Promise<void> => {
    await transport.call('updateRun', { run_id: runId, status, end_time: endTime }, { signal })
  }
  return {
    drain,
    way: undefined,
    flush: async () => {},
    async finish(end, timeoutMs) {
      const limit = AbortSignal.timeout(Math.ceil(timeoutMs))
      await finish(end, limit).catch((error: unknown) => {
        if (!limit.aborted) throw error
        throw new TimeoutError(`The server did not answer within ${Math.round(timeoutMs)} ms`, { cause: error })
      })
    },
    finishNow: (end) => void finish(end).catch(() => {}),
    flushNow: () => false,
    stats: (buffer) => buffer,
    awayMs: 0,
    isSettled: true,
    isEndRefused: false,
    kept: 0,
    noted: 0,
    remedy: undefined,
    loss: undefined,
    close: async () => {},
    closeNow: () => {},
  }
}

/** An error that says how much of what was logged is left after a wait, with the reason of the last failure; where no entry is, what else. */
export function notArrived(
  left: number,
  timeoutMs: number,
  last: CairnError | undefined,
  fate = 'what is left is kept on disk and tried again',
): TimeoutError {
  const why = last ? `: ${last.message}` : ''
  const what =
    left === 0
      ? 'The start or end of the run, or a link to a model, has'
      : left === 1
        ? '1 entry has'
        : `${left} entries have`
  return new TimeoutError(`${what} not arrived after ${Math.round(timeoutMs)} ms${why}; ${fate}`, {
    cause: last,
  })
}
