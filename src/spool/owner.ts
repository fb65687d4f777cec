import { join } from 'node:path'
import { beat, timeIn } from '../disk/disk-time.js'
import { createPrivate } from '../disk/private.js'
import { type Here, here, identity, identityIn, lives, wentBefore } from '../disk/process.js'
import { namesIn } from '../disk/walk.js'
import { exists, readText, removeFile, stateOf } from '../disk/write.js'

/** The right to deliver what is in one folder of the spool. */
export interface Claim {
  /** Whether nobody has taken over meanwhile. */
  held(): boolean
  /** Whether the folder is there, with this owner's sign in it. */
  isThere(): boolean
  /** Shows that the owner lives, for those who cannot see its process. */
  beat(): void
  /** Gives the folder up, for anybody to take. */
  release(): void
}

/** Without a sign of life for this long, an owner whose process we cannot see counts as dead. */
const SILENT_MS = 5 * 60_000
const OWNER = /^owner\.(\d+)$/

const latest = (dir: string): number =>
  namesIn(dir).reduce((most, name) => Math.max(most, Number(OWNER.exec(name)?.[1] ?? -1)), -1)

const file = (dir: string, generation: number): string => join(dir, `owner.${generation}`)

const sign = (dir: string, generation: number): boolean =>
  createPrivate(file(dir, generation), JSON.stringify(identity()), false)

/** Owners follow each other by number: the file of the next one can be made once, so only one takes over. */
function held(dir: string, generation: number): Claim {
  const [ours, theirs] = [file(dir, generation), file(dir, generation + 1)]
  return {
    held: () => !exists(theirs),
    isThere: () => exists(ours),
    beat: () => void beat(ours),
    release: () => void removeFile(ours),
  }
}

/** Writes this process down as the first owner of a folder that nobody else knows yet. */
export const signFirst = (dir: string): void => void sign(dir, 0)

/** The claim of this process on a folder that it has signed, as the owner of that number; 0 is the first. */
export const claimOf = (dir: string, generation: number): Claim => held(dir, generation)

/** Takes a folder whose owner is dead or has given it up; undefined when it is somebody's, or is not there any more. */
export function claim(dir: string, from: Here = here): Claim | undefined {
  try {
    const generation = latest(dir)
    if (generation >= 0 && isLive(dir, generation, from)) return undefined
    return sign(dir, generation + 1) ? held(dir, generation + 1) : undefined
  } catch (error) {
    // Another one was quicker, and has done with it: one that is made anew would be taken for it.
    if (!exists(dir)) return undefined
    throw error
  }
}

/** Whether a folder is in the hands of a process that lives. */
export function isOwned(dir: string): boolean {
  const generation = latest(dir)
  return generation >= 0 && isLive(dir, generation, here)
}

/** Whether a folder is in the hands of the process that made it, and that lives. */
export const isInFirstHands = (dir: string): boolean => latest(dir) === 0 && isLive(dir, 0, here)

function isLive(dir: string, generation: number, from: Here): boolean {
  const owner = file(dir, generation)
  const seen = stateOf(owner)
  // Gone since it was listed: given up.
  if (!seen) return false
  const who = identityIn(readText(owner))
  const alive = who && lives(who, from.me)
  if (alive === false) return false
  // Another thread may end before its process does: it is known by its signs alone.
  const isKnown = alive && who.thread === 0
  if (isKnown && who.started !== '') return true
  const silentMs = timeIn(dir) - Number(seen.mtimeMs)
  // Where it is not to be had when a process began, its pid may be another's since the machine started anew.
  if (isKnown && silentMs < from.upMs()) return true
  return silentMs < SILENT_MS && !(who && wentBefore(who, silentMs, from))
}
