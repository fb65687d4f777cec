import { UnavailableError } from '../errors.js'
import type { Claim } from '../spool/owner.js'

export interface OwnFolderOptions {
  /** Whether all was written to it: then nobody looks any more. */
  readonly isOver: () => boolean
  /** Told when it is found to be gone; answers whether it was made anew. */
  readonly onRemoved: () => boolean
}

/** Whether a run's folder in the spool is there, and still ours. */
export interface OwnFolder {
  /** Another process has it, or it is gone: nothing is written to it from now on. */
  readonly isLost: boolean
  /** Looks now; answers whether it was gone, and is there again. */
  look(): boolean
  /** Throws `UnavailableError` once it is lost; looks from time to time. */
  assertOurs(): void
}

const BEAT_MS = 15_000
/** A folder that was moved takes what is written all the same, by a file that is open. */
const LOOK_MS = 1_000

/** The folder under a claim that was ours until now. */
export function ownFolder(dir: string, claim: Claim, { isOver, onRemoved }: OwnFolderOptions): OwnFolder {
  let isLost = false
  let [lastLook, lastBeat] = [performance.now(), performance.now()]

  function look(): boolean {
    if (isLost || isOver()) return false
    try {
      isLost = !claim.held()
      if (isLost || claim.isThere()) return false
    } catch {
      // Who may not look there now may do so later.
      return false
    }
    const isThere = onRemoved()
    isLost = !isThere
    return isThere
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
    },
  }
}
