import { type ServerPlace, serverRunId } from './place.js'

/** The ids of runs on their server, for those who ask again and again. */
export interface ServerIds {
  /** As `serverRunId`. */
  of(runId: string): string | undefined
  /** A run has this id on its server. */
  learn(runId: string, theirs: string): void
  /** A run is about to be made, and `learn` is called when it is, so that it need not be looked up each time. */
  making(runId: string): void
}

/** How often a run that is not made is looked up where one tries again by oneself, or is told. */
export const PATIENT_MS = 250

/**
 * Remembers what is found: a run of ours gets an id once, and to look it up takes the longer the more runs there are. That
 * there is none yet holds for `lackingMs` milliseconds, since another thread or process may make the run.
 */
export function serverIds(place: ServerPlace, lackingMs = 0): ServerIds {
  const known = new Map<string, string>()
  const lacking = new Map<string, number>()
  const awaited = new Set<string>()

  function learn(runId: string, theirs: string): void {
    known.set(runId, theirs)
    lacking.delete(runId)
    awaited.delete(runId)
  }

  return {
    of(runId) {
      const id = known.get(runId)
      const since = lacking.get(runId) ?? Number.NEGATIVE_INFINITY
      const patience = awaited.has(runId) ? PATIENT_MS : lackingMs
      if (id !== undefined || performance.now() - since < patience) return id
      const found = serverRunId(place, runId)
      if (found === undefined) lacking.set(runId, performance.now())
      else learn(runId, found)
      return found
    },
    learn,
    making: (runId) => void awaited.add(runId),
  }
}
