import type { Progress } from '../spool/deliverer.js'
import type { Written } from '../spool/log.js'

/** Of what was logged and the log has taken, each entry counted once. */
export interface Standing {
  /** What has not arrived: in flight, or only on disk. */
  readonly left: number
  readonly inFlight: number
  readonly spooled: number
  readonly delivered: number
  readonly refused: number
}

/** What became of what a log has taken. Of its steps nobody logged `chores`, which the deliverer counts as well. */
export function standing({ points, steps }: Written, progress: Progress, chores: number): Standing {
  const done = progress.deliveredChores + progress.refusedChores
  const left = Math.max(0, points + steps - progress.delivered - progress.refused - (chores - done))
  // What is answered is in flight still, for a moment.
  const inFlight = Math.min(progress.inFlight, left)
  return {
    ...{ left, inFlight, spooled: left - inFlight },
    delivered: progress.delivered - progress.deliveredChores,
    refused: progress.refused - progress.refusedChores,
  }
}
