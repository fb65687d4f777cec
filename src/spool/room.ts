import { onceFor } from '../core/remembered.js'
import { freeBytes, sizeOf } from '../disk/space.js'
import { UnavailableError } from '../errors.js'

/** How much of its disk a spool may fill, for all its servers, runs and processes together. */
export interface Room {
  /**
   * Asked before bytes are written to a log; throws `UnavailableError` when there is no room for them. For what is `little`
   * and must not be lacking, as a run's end, a reserve is kept.
   */
  take(bytes: number, little?: boolean): void
  /** Removes something, and knows at once how many bytes that were, and not only when the folder is looked through again. */
  give(remove: () => number): void
  /** Looks through the folder, where that is due, in a thread that has the time: with ten thousand runs it takes long. */
  look(): void
  /** For the same room in another thread. */
  readonly memory: RoomMemory
}

/** Without a limit of the user's: 4 GiB, or half of what is free when that is less, yet always a little. */
const MOST = 4 * 2 ** 30
const LEAST = 64 * 2 ** 20
/** Once full it is so until there is room for more than the next few points. */
const ENOUGH = 7 / 8
const RESERVE = 64 * 2 ** 20
/** What others have written is seen at the latest after this; looking takes at most a hundredth of the time. */
export const STALE_MS = 10_000
const SHARE = 100
/** What takes longer to look through is left to a thread that looks by itself, if there is one. */
const DEAR_MS = 5
const PATIENCE = 6

/** What all threads of a process know of a room; times are epoch milliseconds by a clock that never goes back. */
export type RoomMemory = Float64Array<SharedArrayBuffer>
const [HELD, LIMIT, MEASURED_AT, COST_MS, IS_FULL] = [0, 1, 2, 3, 4] as const

// Asking for it costs more than the time itself.
const ORIGIN = performance.timeOrigin

/** A memory that knows nothing yet. */
export const roomMemory = (): RoomMemory => new Float64Array(new SharedArrayBuffer(5 * 8))

/** The room of a spool's folder; `maxBytes` is the user's own limit, 0 for nothing at all. */
export function room(spoolDir: string, maxBytes?: number, memory: RoomMemory = roomMemory()): Room {
  const get = (what: number): number => memory[what] ?? 0
  const now = () => ORIGIN + performance.now()

  function measure(): void {
    const begun = now()
    const before = get(HELD)
    const held = sizeOf(spoolDir)
    const free = maxBytes === undefined ? freeBytes(spoolDir) : undefined
    const share = free === undefined ? MOST : Math.max(LEAST, Math.min(MOST, (free + held) / 2))
    // What another thread has added meanwhile may not have been seen.
    memory[HELD] = held + (get(MEASURED_AT) === 0 ? 0 : Math.max(0, get(HELD) - before))
    memory[LIMIT] = maxBytes ?? share
    memory[MEASURED_AT] = now()
    memory[COST_MS] = get(MEASURED_AT) - begun
  }

  /** Whether what is known is this old, and was not dear to find out. */
  function isStale(ms: number): boolean {
    const age = now() - get(MEASURED_AT)
    return age >= ms && age >= get(COST_MS) * SHARE
  }

  function fits(bytes: number, little: boolean): boolean {
    const limit = get(LIMIT)
    if (little) return get(HELD) + bytes <= limit + Math.min(RESERVE, limit)
    return get(HELD) + bytes <= (get(IS_FULL) === 1 ? limit * ENOUGH : limit)
  }

  return {
    memory,
    look() {
      if (get(MEASURED_AT) > 0 && isStale(STALE_MS)) measure()
    },
    give(remove) {
      const measuredAt = get(MEASURED_AT)
      const bytes = remove()
      // What another thread has measured meanwhile no longer counts it.
      if (get(MEASURED_AT) === measuredAt) memory[HELD] = Math.max(0, get(HELD) - bytes)
    },
    take(bytes, little = false) {
      const isDear = get(COST_MS) > DEAR_MS
      if (isStale(fits(bytes, little) ? STALE_MS * (isDear ? PATIENCE : 1) : 0)) measure()
      const isRoom = fits(bytes, little)
      if (!little) memory[IS_FULL] = isRoom ? 0 : 1
      if (!isRoom)
        throw new UnavailableError(
          `${spoolDir} holds ${mebibytes(get(HELD))} that wait for a server, and may hold ${mebibytes(get(LIMIT))} (CAIRN_SPOOL_MAX_BYTES)`,
        )
      // Two threads that add at once may forget one: what lies there is measured again.
      memory[HELD] = get(HELD) + bytes
    },
  }
}

/** Writes something for which there is room, and gives the room back at once when that fails: then nothing may lie there. */
export async function inRoom<T>(of: Room | undefined, bytes: number, write: () => T | Promise<T>): Promise<T> {
  of?.take(bytes)
  const measuredAt = of?.memory[MEASURED_AT]
  try {
    return await write()
  } catch (error) {
    if (of) giveBack(of.memory, bytes, measuredAt)
    throw error
  }
}

function giveBack(memory: RoomMemory, bytes: number, measuredAt: number | undefined): void {
  if (memory[MEASURED_AT] === measuredAt) memory[HELD] = (memory[HELD] ?? 0) - bytes
  // What was measured meanwhile counts a part of it that nobody knows.
  else memory[MEASURED_AT] = memory[COST_MS] = 0
}

const mebibytes = (bytes: number): string => `${Number((bytes / 2 ** 20).toPrecision(2))} MiB`

const rooms = new Map<string, Room>()

/** The one room of a folder in this process, since all its runs share it. */
export function roomOf({
  spoolDir,
  maxBytes,
}: {
  readonly spoolDir: string
  readonly maxBytes?: number | undefined
}): Room {
  return onceFor(rooms, `${maxBytes} ${spoolDir}`, () => room(spoolDir, maxBytes))
}
