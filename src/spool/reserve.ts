import { join } from 'node:path'
import { errno } from '../disk/errno.js'
import { appendBytes, closeLog, cutOff } from '../disk/log-file.js'
import { stateOf } from '../disk/write.js'
import type { ServerPlace } from './place.js'

const BLOCK = 4096
const RESERVE_BYTES = 48 * BLOCK
/** What the ends of runs leave: as many runs as go side by side can be taken over, and their ids written down. */
const FOR_DELIVERY_BYTES = 24 * BLOCK
/** A spool that may be no larger than this has no room to set aside. */
const LEAST_BYTES = 64 * RESERVE_BYTES
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** Whether a failure says that there is no room on the disk. */
export const isFull = (error: unknown): boolean => FULL.has(errno(error) ?? '')

const reserveOf = ({ dir }: ServerPlace): string => join(dir, 'reserve')

/** Fills up what is set aside for the day the disk is full, if it has that much. */
export function keepReserve(place: ServerPlace): void {
  if (place.maxBytes !== undefined && place.maxBytes < LEAST_BYTES) return
  const file = reserveOf(place)
  try {
    const lacking = RESERVE_BYTES - (stateOf(file)?.size ?? 0)
    if (lacking <= 0) return
    appendBytes(file, new Uint8Array(lacking))
    closeLog(file)
  } catch {
    // The disk is full already: what is left of the reserve has to do.
  }
}

/** Writes something small without which nothing that waits can be delivered: where the disk is full, out of the reserve. */
export const outOfReserve = <T>(place: ServerPlace, write: () => T): T => drawing(place, 0, write)

/** Writes a run's end; as `outOfReserve`, from the part that delivery does not need. */
export const endOutOfReserve = <T>(place: ServerPlace, write: () => T): T => drawing(place, FOR_DELIVERY_BYTES, write)

function drawing<T>(place: ServerPlace, leave: number, write: () => T): T {
  for (;;) {
    try {
      return write()
    } catch (error) {
      if (!isFull(error) || !cutOff(reserveOf(place), BLOCK, leave)) throw error
    }
  }
}
