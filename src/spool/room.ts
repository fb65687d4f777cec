import { freeBytes, sizeOf } from '../disk/log-file.js'
import { UnavailableError } from '../errors.js'

/** How much of its disk a spool may fill, for all its servers, runs and processes together. */
export interface Room {
  /**
   * Asked before so many bytes are written to a log; throws `UnavailableError` when there is no room for them. For what is
   * `little` and must not be lacking, as a run's end, a reserve is kept.
   */
  take(bytes: number, little?: boolean): void
}

/** Without a limit of the user's: 4 GiB, or half of what is free when that is less, yet always a little. */
const MOST = 4 * 2 ** 30
const LEAST = 64 * 2 ** 20
const RESERVE = 64 * 2 ** 20
/** What others have written is seen at the latest after this; looking takes at most a hundredth of the time. */
const STALE_MS = 60_000
const SHARE = 100

/** The room of a spool's folder; `maxBytes` is the user's own limit, 0 for nothing at all. */
export function room(spoolDir: string, maxBytes?: number): Room {
  let limit = maxBytes ?? MOST
  /** What lies there, at the most: as measured, and all that was written from here since. */
  let held = 0
  let measuredAt = Number.NEGATIVE_INFINITY
  let costMs = 0

  function measure(): void {
    const begun = performance.now()
    held = sizeOf(spoolDir)
    const free = maxBytes === undefined ? freeBytes(spoolDir) : undefined
    if (free !== undefined) limit = Math.max(LEAST, Math.min(MOST, (free + held) / 2))
    measuredAt = performance.now()
    costMs = measuredAt - begun
  }

  return {
    take(bytes, little = false) {
      const fits = () => held + bytes <= (little ? limit + Math.min(RESERVE, limit) : limit)
      const age = performance.now() - measuredAt
      if ((!fits() || age > STALE_MS) && age >= costMs * SHARE) measure()
      if (!fits())
        throw new UnavailableError(
          `${spoolDir} holds ${mebibytes(held)} that wait for a server, and may hold ${mebibytes(limit)} (CAIRN_SPOOL_MAX_BYTES)`,
        )
      held += bytes
    },
  }
}

const mebibytes = (bytes: number): string => `${Number((bytes / 2 ** 20).toPrecision(2))} MiB`

const rooms = new Map<string, Room>()

/** The one room of a folder in this process, since all its runs share it. */
export function roomOf(spoolDir: string, maxBytes?: number): Room {
  const key = `${maxBytes} ${spoolDir}`
  const known = rooms.get(key) ?? room(spoolDir, maxBytes)
  rooms.set(key, known)
  return known
}
