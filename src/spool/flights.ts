import { keptFor } from './kept.js'
import type { Parcel } from './parcel.js'
import { isChore } from './steps.js'

/** The requests of one run that are on their way, counted. */
export interface Flights {
  /** Requests with points, requests with steps, and in all of them what was logged, and files. */
  readonly out: Readonly<Record<'points' | 'steps' | 'entries' | 'files', number>>
  /** Counts one in, and answers what counts it out again. */
  begin(parcel: Parcel): Flight
}

export interface Flight {
  readonly carriesFiles: boolean
  end(): void
}

/** Counts the requests of the run whose folder is `dir`. */
export function flights(dir: string): Flights {
  const out = { points: 0, steps: 0, entries: 0, files: 0 }
  return {
    out,
    begin({ stretch, steps }) {
      const files = keptFor(dir, steps).length
      const chores = steps.filter(isChore).length
      const count = (sign: 1 | -1) => {
        out[stretch.lane] += sign
        out.entries += sign * (stretch.count - chores)
        out.files += sign * files
      }
      count(1)
      return { carriesFiles: files > 0, end: () => count(-1) }
    },
  }
}
