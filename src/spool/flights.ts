import type { Parcel } from './backlog.js'
import { keptFor } from './kept.js'

/** The requests of one run that are on their way, counted. */
export interface Flights {
  /** Requests with points, and with steps. */
  readonly points: number
  readonly steps: number
  /** Entries in all of them. */
  readonly entries: number
  /** Files in all of them. */
  readonly files: number
  /** Counts one in, and answers what counts it out again. */
  begin(parcel: Parcel): Flight
}

export interface Flight {
  readonly carriesFiles: boolean
  end(): void
}

/** None yet, of the folder's run. */
export function flights(dir: string): Flights {
  const out = { points: 0, steps: 0, entries: 0, files: 0 }
  return {
    get points() {
      return out.points
    },
    get steps() {
      return out.steps
    },
    get entries() {
      return out.entries
    },
    get files() {
      return out.files
    },
    begin({ stretch, steps }) {
      const files = keptFor(dir, steps).length
      const count = (sign: 1 | -1) => {
        out[stretch.lane] += sign
        out.entries += sign * stretch.count
        out.files += sign * files
      }
      count(1)
      return { carriesFiles: files > 0, end: () => count(-1) }
    },
  }
}
