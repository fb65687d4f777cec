import type { Parcel } from './backlog.js'
import { keptFor } from './kept.js'

/** The requests of one run that are on their way, counted. */
export interface Flights {
  /** Requests with points, requests with steps, and the entries and files in all of them. */
  readonly out: { readonly points: number; readonly steps: number; readonly entries: number; readonly files: number }
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
    out,
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
