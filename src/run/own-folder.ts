import { UnavailableError } from '../errors.js'
import type { Claim } from '../spool/owner.js'

export interface OwnFolderOptions {
  /** Whether all was written to it: then nobody looks any more. */
  readonly isOver: () => boolean
  /** Told at each look that does not find it; answers whether it was made anew, by the last look at the latest. */
  readonly onRemoved: (isLast: boolean) => Remade
  /** Told when it is there again as it was, after such a look. */
  readonly onBack: () => void
}

/** Whether a folder was made anew; `away` is tried again, `lost` never. */
export type Remade = 'remade' | 'away' | 'lost'

/** Whether a run's folder in the spool is there, and still ours. */
export interface OwnFolder {
  /** Another process has it, or it is gone: nothing is written to it from now on. */
  readonly isLost: boolean
  /** Looks now, for the last time if one says so; answers whether it was gone, and is there again. */
  look(isLast?: boolean): boolean
  /** Throws `UnavailableError` while it is not there, or once it is lost; looks from time to time. */
  assertOurs(): void
}

const BEAT_MS = 15_000
/** A folder that was moved takes what is written all the same, by a file that is open. */
const LOOK_MS = 1_000

/** The folder under a claim that was ours until now. */
export function ownFolder(dir: string, claim: Claim, { isOver, onRemoved, onBack }: OwnFolderOptions): OwnFolder {
  let isLost = false
  let isAway = false
  let [lastLook, lastBeat] = [performance.now(), performance.now()]

  function look(isLast = false): boolean {
    if (isLost || isOver()) return false
    const wasAway = isAway
    try {
      isLost = !claim.held()
      isAway = !isLost && !claim.isThere()
    } catch {
      // Who may not look there now may do so later.
      return false
    }
    if (!isAway) {
      if (wasAway && !isLost) onBack()
      return wasAway && !isLost
    }
    const made = onRemoved(isLast)
    isLost = made === 'lost'
    isAway = made === 'away'
    return made === 'remade'
  }

  return {
    get isLost() {
      return isLost
    },
    look,
    // Who was silent for long, as a container that was frozen, may have been taken for dead.
    assertOurs() {
      const now = performance.now()
      if (!isLost && now - lastLook > LOOK_MS) {
        lastLook = now
        look()
        if (!isLost && now - lastBeat > BEAT_MS) {
          lastBeat = now
          claim.beat()
        }
      }
      if (isLost) throw new UnavailableError(`${dir} is gone, or another process has taken it over`)
      if (isAway) throw new UnavailableError(`${dir} was removed or moved, and cannot be made anew yet`)
    },
  }
}
