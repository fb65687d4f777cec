import { join } from 'node:path'
import { createPrivate } from '../disk/private.js'
import { exists } from '../disk/write.js'
import { isInFirstHands } from './owner.js'
import { runDirs, type ServerPlace, writtenIds } from './place.js'
import { openTail } from './tail.js'
import { runIdIn, runOf } from './whose.js'

/** The folders of each folder's run that go before it, by any id that the run has had; the first to go comes first. */
export function eldersAmong(place: ServerPlace, dirs: readonly string[]): (dir: string) => readonly string[] {
  const same = sameRun(place)
  const byRun = new Map<string, string[]>()
  for (const dir of dirs) {
    const run = same(runIdIn(dir))
    const known = byRun.get(run)
    if (known) known.push(dir)
    else byRun.set(run, [dir])
  }
  for (const [run, folders] of byRun) if (folders.length > 1) byRun.set(run, makingFirst(folders))
  return (dir) => {
    const all = byRun.get(same(runIdIn(dir))) ?? []
    return all.slice(0, all.indexOf(dir))
  }
}

/** Folders as they were made by a clock that may have gone back: nothing of a run arrives before its making. */
function makingFirst(dirs: readonly string[]): string[] {
  const making = dirs.find(beganHere)
  return making === undefined ? [...dirs] : [making, ...dirs.filter((dir) => dir !== making)]
}

/**
 * Whether a run of ours began in a folder, as far as can be told: one in which it was taken up again before it was made
 * begins with which run that is.
 */
function beganHere(dir: string): boolean {
  try {
    if (!runOf(dir)?.local) return false
    const record = openTail(dir, () => false).next()
    const step = record?.kind === 'steps' && record.first === 0 ? record.steps[0] : undefined
    return !(step && 'create' in step && step.create.begunAs !== undefined)
  } catch {
    // One that cannot be read keeps no other from its turn.
    return false
  }
}

/** The folders of a run, the oldest first. Looks at the names of all that wait. */
export function foldersOf(place: ServerPlace, runId: string): string[] {
  const same = sameRun(place)
  return runDirs(place).filter((dir) => same(runIdIn(dir)) === same(runId))
}

function sameRun(place: ServerPlace): (runId: string) => string {
  const ids = writtenIds(place)
  return (runId) => ids.get(runId) ?? runId
}

const CLOSED = 'closed'

/** Says of a folder that nothing more is logged to it, for who takes its run up before all of it is delivered. */
export function sayClosed(dir: string): void {
  try {
    if (exists(dir)) createPrivate(join(dir, CLOSED), '')
  } catch {
    // Until its process is gone it counts as one that logs beside the others.
  }
}

/**
 * Whether what is in an older folder of a run has to arrive first: not while its process may log to it yet, since those
 * that log to a run side by side do not wait for each other.
 */
export const goesFirst = (dir: string): boolean =>
  exists(dir) && (exists(join(dir, CLOSED)) || !isInFirstHands(dir)) && exists(dir)

/** How long one that is in the way is not looked at again. */
const LOOK_MS = 100

/** Asks whether any of these folders has to be delivered first, as often as one likes. */
export function anyGoesFirst(dirs: readonly string[]): () => boolean {
  let left = dirs
  let lookAt = Number.NEGATIVE_INFINITY
  return () => {
    if (left.length === 0) return false
    if (performance.now() < lookAt) return true
    left = left.filter(exists)
    const isOne = left.some(goesFirst)
    if (isOne) lookAt = performance.now() + LOOK_MS
    return isOne
  }
}
