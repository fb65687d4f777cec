import { UnavailableError } from '../errors.js'
import type { Claim } from '../spool/owner.js'

export interface OwnFolderOptions {
  /** Whether all was written to it: then nobody looks any more. */
  readonly isOver: () => boolean
  /** Told once when it is found to be gone. */
  readonly onRemoved: () => void
}

/** Whether a run's folder in the spool is there, and still ours. */
export interface OwnFolder {
  /** Another process has it, or it is gone: nothing is written to it from now on. */
  readonly isLost: boolean
  /** Looks now. */
  look(): void
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

  function look(): void {
    if (isLost || isOver()) return
    let isTaken = false
    try {
      isTaken = !claim.held()
      isLost = isTaken || !claim.isThere()
    } catch {
      // Who may not look there now may do so later.
      return
    }
    if (isLost && !isTaken) onRemoved()
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
