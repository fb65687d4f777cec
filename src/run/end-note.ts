import type { RunInfo, RunStatus } from '../core/entities.js'
import type { EndStatus } from './handle.js'
import type { Outlet } from './outlet.js'

/** The end of a run, as it is noted where what is logged goes. */
export interface EndNote {
  /** The run's status: the one it has in the store, or the one it ends with. */
  readonly status: RunStatus
  /** The end that was asked for; undefined as long as none was, and for a run that is left running. */
  readonly asked: EndStatus | undefined
  /** The end was asked for, with a status that somebody gave or that is ours to say; noted it is by the others. */
  ask(as: EndStatus | undefined, isGiven: boolean): void
  /** Notes an end that is not noted yet, within `rest()` milliseconds; why it could not be is said, not thrown. */
  note(as: EndStatus, rest: () => number): Promise<void>
  /** As `note`, begun and not waited for. */
  noteNow(as: EndStatus): void
}

/** Notes the end of one run, each status once. */
export function endNoteOf(
  { runId, status: before }: RunInfo,
  { outlet, say }: { readonly outlet: Pick<Outlet, 'finish' | 'finishNow'>; readonly say: (line: string) => void },
): EndNote {
  let status: RunStatus = before
  let asked: EndStatus | undefined
  let isGiven = false
  /** The one that was written down last. */
  let noted: EndStatus | undefined
  let noting: Promise<void> = Promise.resolve()

  return {
    get status() {
      return status
    },
    get asked() {
      return asked
    },
    ask(as, given) {
      asked = as
      isGiven = given
      // A status that is given counts for more than the same one noted before.
      if (given) noted = undefined
      if (as) status = as
    },
    async note(as, rest) {
      if (as === noted) return
      status = noted = as
      const end = { status: as, isGiven }
      // One after the other: of two that are on their way at once either might be the last.
      noting = noting.then(() =>
        outlet.finish({ ...end, endTime: Date.now() }, rest()).catch((error: unknown) => {
          say(`cairn: run ${runId} could not be set to ${as}: ${(error as Error).message}`)
        }),
      )
      await noting
    },
    noteNow(as) {
      if (as === noted) return
      status = noted = as
      outlet.finishNow({ status: as, endTime: Date.now(), isGiven })
    },
  }
}
