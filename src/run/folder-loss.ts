import { type CairnError, IntegrityError, UnavailableError } from '../errors.js'
import type { DeliveryEvents } from '../spool/deliverer.js'
import type { Written } from '../spool/log.js'

/** What a run's folder in the spool takes with it when it is removed while the run logs. */
export interface FolderLoss {
  readonly isGone: boolean
  /** How many entries were lost; undefined until that is known, and as long as the folder is there. */
  readonly count: number | undefined
  /** The same in words, also before it is known. */
  readonly error: CairnError | undefined
  /** The folder was removed, and cannot be made anew, or not yet. */
  begin(): void
  /** It is there again as it was. */
  back(): void
  /**
   * It was made anew when the log had taken what is `written`, of which `left` entries had not arrived and `refused` were
   * refused; answers what to say of it.
   */
  remade(written: Written, left: number, refused: number): string
  /** A number of entries was refused for what they are, and not as they were lost. */
  turnedDown(entries: number): void
  /** How many entries lie in no folder and have not arrived, given what is done with. */
  unkept(done: Written): number
  /** That a folder was removed, as long as something of it has not arrived, given what is done with and refused. */
  why(done: Written, refused: number): CairnError | undefined
  /** Counts and tells, once, the entries that were in it and did not arrive. */
  settle(entries: number): void
  /** What no flush was told of yet. */
  untold(): CairnError[]
}

const ifMoved =
  'if it was moved, CAIRN_SPOOL_DIR=<where the spool is now> npx cairn-ml sync delivers them once this process has ended'

/** Counts and tells, once each, what a run loses with its folder. */
export function folderLoss(dir: string, { onRefused }: DeliveryEvents): FolderLoss {
  let isGone = false
  let count: number | undefined
  let error: CairnError | undefined
  let untold: CairnError[] = []
  let before: CairnError | undefined
  let others = 0
  let upTo: Written = { points: 0, steps: 0 }
  const unkept = ({ points, steps }: Written) => Math.max(0, upTo.points - points) + Math.max(0, upTo.steps - steps)
  function back(): void {
    isGone = false
    error = undefined
  }
  return {
    get isGone() {
      return isGone
    },
    get count() {
      return count
    },
    get error() {
      return error
    },
    begin() {
      isGone = true
      error = new UnavailableError(
        `${dir} was removed or moved: what was kept there is in memory alone, and lost with the process`,
      )
    },
    back,
    remade(written, left, refused) {
      back()
      if (!before) others = refused
      upTo = written
      const lost = `${dir} was removed or moved`
      if (left > 0) before = new IntegrityError(`${lost} before all that was in it had arrived; ${ifMoved}`)
      const fate =
        left === 0
          ? 'nothing is lost'
          : `of ${left} entries that had not arrived those are lost which were not read yet; ${ifMoved}`
      return `${lost}: its run goes on in a new one there, and ${fate}`
    },
    turnedDown(entries) {
      others += entries
    },
    unkept,
    // In the exit of the process only the number of those that are lost is heard of.
    why: (done, refused) => error ?? (refused - others + unkept(done) > 0 ? before : undefined),
    settle(entries) {
      if (!isGone || count !== undefined) return
      count = entries
      error = undefined
      if (entries === 0) return
      error = new IntegrityError(
        `${entries} entries are lost with ${dir}, which was removed or moved before they had arrived; ${ifMoved}`,
      )
      untold = [error]
      onRefused?.(error, entries)
    },
    untold() {
      const all = untold
      untold = []
      return all
    },
  }
}
