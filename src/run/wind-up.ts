import { PermissionDeniedError, TimeoutError } from '../errors.js'
import type { MetricBuffer } from '../tracking/metric-buffer.js'
import type { Outlet } from './outlet.js'
import type { UnderWay } from './under-way.js'

/** What of a run is wound up, and in which time. */
export interface WindUpDeps {
  readonly buffer: Pick<MetricBuffer, 'flush'>
  readonly calls: Pick<UnderWay, 'through' | 'left'>
  readonly outlet: Pick<Outlet, 'flush' | 'awayMs'>
  /** How long it waits for the server, in milliseconds. */
  readonly endTimeoutMs: number
  /** Has what is on its way to the server kept on disk instead, where there is such a way. */
  readonly toDisk: (() => void) | undefined
  /** Whether nothing is left to do: the process has ended the run meanwhile. */
  readonly isOver: () => boolean
}

/** How the run of a wind-up goes on. */
export interface WindUpOptions {
  /** From when the time counts, on the clock of `performance.now()`; from now on by default. */
  readonly since?: number
  /** Called when the calls that were begun are through, or have had their time. */
  readonly onThrough?: () => void
  /** Notes the end, within `rest()` milliseconds, when all that goes before it is on its way. */
  readonly note: (rest: () => number) => Promise<void>
}

/** How much of the time for the end is for the disk, at the most, where what the server is too slow for can go there. */
const TO_DISK_MS = 3_000
/** A server that has been away for longer than all that time already is waited for no longer than this. */
const AWAY_MS = 1_000

/** Whether it is the run that may not be written to, and not just a file. */
const isApi = (url = ''): boolean => /\/api\/\d+\.\d+\/mlflow\//.test(url)

/** Whether a wait was over before anything had failed: nothing is tried after the end, whatever a flush says. */
const isBare = (error: unknown): boolean => error instanceof TimeoutError && error.cause === undefined

/** Has what was begun come through, has the end noted and waits for all to arrive; answers why it has not. */
export async function windUp(
  { buffer, calls, outlet, endTimeoutMs, toDisk, isOver }: WindUpDeps,
  { since = performance.now(), onThrough, note }: WindUpOptions,
): Promise<unknown> {
  const isLongAway = outlet.awayMs > endTimeoutMs
  const spent = () => performance.now() - since
  /** However long the rest has taken: there is something to tell the server yet, if only that the run has ended. */
  const rest = () => Math.max(AWAY_MS, endTimeoutMs - spent())

  const toDiskMs = toDisk ? Math.min(TO_DISK_MS, endTimeoutMs / 3) : 0
  await calls.through(Math.max(0, endTimeoutMs - toDiskMs - spent()))
  if (calls.left && toDisk) {
    toDisk()
    await calls.through(toDiskMs)
  }
  onThrough?.()
  if (isOver()) return undefined

  const unsent = await emptied(buffer, rest())
  if (!isOver()) await held(note(rest))
  const late = await arrived(outlet, isLongAway ? AWAY_MS - spent() : rest())
  // It is back.
  if (isLongAway && outlet.awayMs === 0) return arrived(outlet, rest())
  return late ?? unsent
}

/** Waits for what holds no process by itself. */
async function held(noting: Promise<void>): Promise<void> {
  const hold = setInterval(() => {}, AWAY_MS)
  await noting.finally(() => clearInterval(hold))
}

/** Waits for what is in memory to go, and answers why it did not. */
async function emptied(buffer: Pick<MetricBuffer, 'flush'>, timeoutMs: number): Promise<unknown> {
  try {
    await buffer.flush(timeoutMs)
    return undefined
  } catch (error) {
    return isBare(error) ? new TimeoutError(`no answer after ${Math.round(timeoutMs)} ms`) : error
  }
}

/** Waits for what was logged to arrive, and answers why it did not. */
async function arrived(outlet: Pick<Outlet, 'flush'>, timeoutMs: number): Promise<unknown> {
  const by = performance.now() + timeoutMs
  const within = (untilDenied: boolean) =>
    outlet.flush(Math.max(0, by - performance.now()), { untilDenied }).then(
      () => undefined,
      (error: unknown) => error,
    )
  const error = await within(true)
  // Files may be denied alone: all else still goes.
  if (!(error instanceof PermissionDeniedError) || isApi(error.url)) return error
  return (await within(false)) ?? error
}
