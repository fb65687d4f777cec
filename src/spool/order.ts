import type { BatchEntry, BatchLimits } from '../core/batch.js'
import { entrySize } from '../core/batch.js'
import type { Parcel } from './parcel.js'
import { KEPT_CALLS, type Step, TAKE_UP } from './steps.js'
import { isAlone, isOften } from './stuck.js'

/** What makes the run what others are for. */
const FIRST: ReadonlySet<string> = new Set(['create', TAKE_UP])

/** What a server has to do for a request, in a word: `points`, `entries` for parameters and tags, `create`, a call's name. */
export function kindOf({ stretch, steps: [step] }: Parcel): string {
  if (stretch.lane === 'points' || !step) return 'points'
  if ('call' in step) return step.call
  if ('create' in step) return 'create'
  return 'param' in step || 'tag' in step ? 'entries' : 'files'
}

/** Whether it carries files, which may lie elsewhere than the server, and which nothing waits for but the run's end. */
export const isOfFiles = (parcel: Parcel): boolean => kindOf(parcel) === 'files'

/** Whether it waits on disk because it did not go straight to its server when it was logged. */
export const isKeptAtCall = (parcel: Parcel): boolean => isOfFiles(parcel) || KEPT_CALLS.has(kindOf(parcel))

/** Whether others may go before a request: the server takes all else, and nothing else is made by it. */
export const mayBePassed = (parcel: Parcel): boolean =>
  parcel.stuck !== undefined && (isAlone(parcel.stuck) || isOfFiles(parcel)) && !FIRST.has(kindOf(parcel))

/** Whether the run's end may, too: where it is all that is left, nothing else can show that the server takes others. */
export const endMayPass = (parcel: Parcel): boolean =>
  mayBePassed(parcel) && (isAlone(parcel.stuck!) || isOften(parcel.stuck!))

/** What of a run a step is about, where another one may be about the same; those keep their order. */
export function keyOf(step: Step): string | undefined {
  if ('param' in step) return `param${step.param.key}`
  if ('tag' in step) return `tag${step.tag.key}`
  if ('artifact' in step) return `file${step.artifact.path}`
  // The newest version of a registered model has the highest number, and its alias.
  if ('model' in step) return 'model'
  return 'call' in step && step.call === 'deleteTag' ? `tag${step.input.key}` : undefined
}

/** What some steps are about. */
export const keysOf = (steps: readonly Step[]): ReadonlySet<string> =>
  new Set(steps.flatMap((step) => keyOf(step) ?? []))

/**
 * How many of the first steps can go in one batch: parameters, each key once, and tags, of which the last of a key counts;
 * none that is `held`. Anything else goes alone.
 */
export function countTogether(steps: readonly Step[], limits: BatchLimits, held: ReadonlySet<string>): number {
  const seen = new Set<string>()
  const counts = { param: 0, tag: 0 }
  let bytes = 0
  for (const [index, step] of steps.entries()) {
    const kind = 'param' in step ? 'param' : 'tag' in step ? 'tag' : undefined
    if (kind === undefined) return Math.max(1, index)
    const entry = (step as Record<string, BatchEntry>)[kind]!
    const key = keyOf(step)!
    bytes += entrySize(entry)
    const isNew = !seen.has(key)
    const isFull = (isNew && counts[kind] === limits[`${kind}s`]) || index === limits.total || bytes > limits.bytes
    if (index > 0 && (isFull || held.has(key) || (kind === 'param' && !isNew))) return index
    seen.add(key)
    if (isNew) counts[kind]++
  }
  return steps.length
}
