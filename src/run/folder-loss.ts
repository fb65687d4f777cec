import { type CairnError, IntegrityError, UnavailableError } from '../errors.js'
import type { DeliveryEvents } from '../spool/deliverer.js'

/** What a run's folder in the spool takes with it when it is removed while the run logs. */
export interface FolderLoss {
  readonly isGone: boolean
  /** How many entries were lost; undefined until that is known, and as long as the folder is there. */
  readonly count: number | undefined
  /** The same in words, also before it is known. */
  readonly error: CairnError | undefined
  /** The folder was removed. */
  begin(): void
  /** So many entries were in it that did not arrive: counted and told once. */
  settle(entries: number): void
  /** What no flush was told of yet. */
  untold(): CairnError[]
}

/** Nothing is lost yet. */
export function folderLoss(dir: string, { onRefused }: DeliveryEvents): FolderLoss {
  let isGone = false
  let count: number | undefined
  let error: CairnError | undefined
  let untold: CairnError[] = []
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
    settle(entries) {
      if (!isGone || count !== undefined) return
      count = entries
      error = undefined
      if (entries === 0) return
      error = new IntegrityError(
        `${entries} entries are lost with ${dir}, which was removed or moved before they had arrived; if it was moved, CAIRN_SPOOL_DIR=<where the spool is now> npx cairn-ml sync delivers them once this process has ended`,
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
