import type { ModelVersion } from '../core/entities.js'
import { type Note, notesOf, textIn } from './notes.js'
import { isFor, type Target } from './target.js'

/** One move of a version to a stage, or of an alias to a version. */
export interface StageEvent {
  /** The version that moved, or that the alias moved to. */
  readonly version: string
  /** Epoch milliseconds. */
  readonly timestamp: number
  /** The stage before; for an alias the version that had it before. */
  readonly from: string | undefined
  /** The stage after; for an alias the version that has it now. */
  readonly to: string
  /** The alias that moved; absent for a stage. */
  readonly alias?: string | undefined
  readonly by?: string | undefined
  readonly comment?: string | undefined
  /** True for the move that `rollback` made. */
  readonly rollback: boolean
}

/** What the tags of stage events begin with. */
export const EVENT_PREFIX = 'cairn.stage.'

/** An event as it is written to its version. */
export const eventNote = ({ timestamp, from, to, alias, by, comment, rollback }: StageEvent): Note => ({
  at: timestamp,
  from,
  to,
  alias,
  by,
  comment,
  ...(rollback ? { rollback } : {}),
})

function eventOf(version: string, note: Note): StageEvent[] {
  const to = textIn(note, 'to')
  if (to === undefined) return []
  return [
    {
      version,
      timestamp: note.at,
      from: textIn(note, 'from'),
      to,
      alias: textIn(note, 'alias'),
      by: textIn(note, 'by'),
      comment: textIn(note, 'comment'),
      rollback: note.rollback === true,
    },
  ]
}

/** All that the versions of a model remember, oldest first. */
export const eventsOf = (versions: readonly ModelVersion[]): StageEvent[] =>
  [...versions]
    .sort((a, b) => Number(a.version) - Number(b.version))
    .flatMap((version) => notesOf(version, EVENT_PREFIX).flatMap((note) => eventOf(version.version, note)))
    .sort((a, b) => a.timestamp - b.timestamp)

/**
 * The version to roll back to: the one that held the target before the one that holds it, or that held it last when nobody
 * does. A roll-back takes back the moves after the one it returns to, so the next one goes further back, not forth.
 * `holders` are the versions that hold it by the backend's word; one that history does not know is the latest to have come.
 */
export function heldBefore(
  events: readonly StageEvent[],
  target: Target,
  holders: readonly string[],
): string | undefined {
  const stack: string[] = []
  const known = new Set<string>()
  for (const event of events) {
    const { version, from, to, alias, rollback } = event
    if (isFor(target, { alias, stage: to })) {
      const back = rollback ? stack.lastIndexOf(version) : -1
      if (back >= 0) stack.length = back + 1
      else if (stack.at(-1) !== version) stack.push(version)
      if (alias !== undefined) known.clear()
      known.add(version)
    } else if (isFor(target, { alias, stage: from })) known.delete(version)
  }
  for (const holder of holders) if (!known.has(holder) && stack.at(-1) !== holder) stack.push(holder)
  const last = stack.at(-1)
  return last === undefined || !holders.includes(last) ? last : stack.findLast((version) => version !== last)
}
