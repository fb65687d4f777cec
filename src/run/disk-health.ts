import type { CairnError } from '../errors.js'

/** Who speaks for the disk under many runs: one line when it fails, one when it works again. */
export interface DiskHealth {
  fails(run: object, why: CairnError): void
  works(run: object): void
  /** Nothing more is written for a run. */
  forget(run: object): void
}

/** A disk that fails now and then is told of as often. */
const TELL_MS = 60_000

/** What `warn` is told of a disk. */
export function diskHealth(warn: (message: string) => void): DiskHealth {
  const failing = new Set<object>()
  let toldAt = Number.NEGATIVE_INFINITY
  let isTold = false
  return {
    fails(run, why) {
      if (failing.size === 0 && !isTold && performance.now() - toldAt > TELL_MS) {
        isTold = true
        toldAt = performance.now()
        warn(
          `The spool does not take what is logged: ${why.message}. It waits in memory and goes straight to the server; what has not arrived is lost when the process is killed or calls process.exit(): await endRun() or flush() before`,
        )
      }
      failing.add(run)
    },
    works(run) {
      failing.delete(run)
      if (failing.size > 0 || !isTold) return
      isTold = false
      warn('The spool takes what is logged again')
    },
    forget: (run) => void failing.delete(run),
  }
}
