import type { Claim } from './owner.js'

/** Shows that the owner of runs' folders lives, for those who cannot see its process. */
export interface Beats {
  /** From now on this folder shows it too. */
  add(dir: string, claim: Claim): void
  has(dir: string): boolean
  delete(dir: string): void
  stop(): void
}

/** Each folder shows it this often. */
const BEAT_MS = 15_000
/** Of ten thousand runs some at a time, so that nothing waits for all. */
const PARTS = 15

/** Begins with the first folder; it keeps no process alive. */
export function beats(): Beats {
  /** The one that showed it longest ago first. */
  const claims = new Map<string, Claim>()
  let timer: NodeJS.Timeout | undefined
  /** Signs of life that are due by now. */
  let due = 0
  let lastAt = 0

  function beat(): void {
    const slept = Date.now() - lastAt > BEAT_MS
    lastAt = Date.now()
    // After a machine's sleep others take its silence for death.
    due = slept ? claims.size : due + claims.size / PARTS
    for (const [dir, claim] of claims) {
      if (due < 1) return
      due--
      claims.delete(dir)
      claims.set(dir, claim)
      claim.beat()
    }
  }

  return {
    add(dir, claim) {
      claims.set(dir, claim)
      if (timer) return
      lastAt = Date.now()
      timer = setInterval(beat, BEAT_MS / PARTS).unref()
    },
    has: (dir) => claims.has(dir),
    delete: (dir) => void claims.delete(dir),
    stop: () => clearInterval(timer),
  }
}
