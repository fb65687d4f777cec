import type { Progress } from '../spool/deliverer.js'
import type { Written } from '../spool/log.js'

/** Numbers of one job that two threads see, also while one of them is busy. */
export interface SharedNumbers {
  setProgress(progress: Progress, done: Written, away: boolean): void
  progress(): Progress
  done(): Written
  /** Whether the server is known not to take anything. */
  away(): boolean
  /** Blocks this thread until there is progress, for `ms` milliseconds at the most. */
  waitForProgress(ms: number): void
}

/** Where the two flags stand. */
const MOVED = 0
const AWAY = 1
/** Where numbers stand, before those of `COUNTS`. */
const POINTS = 0
const STEPS = 1
const DELIVERED_AT = 2
const FIRST_COUNT = 3
const COUNTS = ['inFlight', 'delivered', 'refused', 'refusedChores', 'deliveredChores', 'retried'] as const
const SIZE = FIRST_COUNT + COUNTS.length

/** Memory for the numbers of one job. */
export const newShared = (): SharedArrayBuffer => new SharedArrayBuffer(8 + SIZE * 8)

/** The numbers in shared memory. */
export function sharedNumbers(memory: SharedArrayBuffer): SharedNumbers {
  const flags = new Int32Array(memory, 0, 2)
  const numbers = new Float64Array(memory, 8, SIZE)
  const at = (index: number) => numbers[index] ?? 0
  return {
    setProgress(progress, done, away) {
      numbers[POINTS] = done.points
      numbers[STEPS] = done.steps
      numbers[DELIVERED_AT] = progress.lastDeliveredAt ?? 0
      for (let nth = 0; nth < COUNTS.length; nth++) numbers[FIRST_COUNT + nth] = progress[COUNTS[nth]!]
      Atomics.store(flags, AWAY, away ? 1 : 0)
      Atomics.add(flags, MOVED, 1)
      Atomics.notify(flags, MOVED)
    },
    progress() {
      const counts = COUNTS.map((name, nth) => [name, at(FIRST_COUNT + nth)] as const)
      return {
        ...(Object.fromEntries(counts) as Record<(typeof COUNTS)[number], number>),
        lastDeliveredAt: at(DELIVERED_AT) === 0 ? undefined : at(DELIVERED_AT),
      }
    },
    done: () => ({ points: at(POINTS), steps: at(STEPS) }),
    away: () => Atomics.load(flags, AWAY) === 1,
    waitForProgress: (ms) => void Atomics.wait(flags, MOVED, Atomics.load(flags, MOVED), ms),
  }
}
