import type { CairnError } from '../errors.js'

/** Why things were refused, until somebody asks for it. */
export interface Refusals {
  add(error: CairnError): void
  /** Takes out what was added since the last time. */
  take(): CairnError[]
}

/** A run whose every call is refused may go on for days. */
const MOST = 100

/** Keeps the first hundred; those after them are dropped. */
export function refusals(): Refusals {
  let kept: CairnError[] = []
  return {
    add(error) {
      if (kept.length < MOST) kept.push(error)
    },
    take() {
      const taken = kept
      kept = []
      return taken
    },
  }
}
