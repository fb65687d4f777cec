import { basename, join } from 'node:path'
import { namesIn } from '../disk/walk.js'
import { readText, stateOf } from '../disk/write.js'
import { openAcks } from './acks.js'
import { leftBeside } from './kept.js'
import { segmentFile, segmentNumber } from './log.js'
import type { SpooledRun } from './place.js'
import { openTail } from './tail.js'

const NAME = /^(\d+)-(.*)-[0-9a-f]+$/

/** The name of a run's folder, which others do not have; what was made later sorts behind. */
export const nameOf = (madeAt: number, runId: string, mark: string): string =>
  // Also by a clock that stood at its zero.
  `${String(madeAt).padStart(13, '0')}-${runId}-${mark}`
/** The id in a folder's name. */
export const runIdIn = (dir: string): string => NAME.exec(basename(dir))?.[2] ?? ''
/** When a folder was made, in epoch milliseconds, by its name. */
export const madeIn = (dir: string): number => Number(NAME.exec(basename(dir))?.[1] ?? Date.now())

/**
 * What a run's folder says of it: by its name, and by its log where `run.json` is damaged. Undefined when that says too
 * little, or nothing was logged yet.
 */
export function runOf(dir: string): SpooledRun | undefined {
  const runId = runIdIn(dir)
  const local = localSaid(dir, runId) ?? localSeen(dir)
  return local === undefined ? undefined : { runId, local }
}

function localSaid(dir: string, runId: string): boolean | undefined {
  try {
    const said = JSON.parse(readText(join(dir, 'run.json')) ?? '') as Partial<SpooledRun>
    return said.runId === runId && typeof said.local === 'boolean' ? said.local : undefined
  } catch {
    return undefined
  }
}

/** The log of a run that has to be made begins with its making, and what follows it is only sent once that is done. */
function localSeen(dir: string): boolean | undefined {
  const acks = openAcks(dir)
  if (acks.runId !== undefined) return true
  if (acks.done.points.size + acks.done.steps.size > 0) return false
  const tail = openTail(dir, () => false)
  for (let record = tail.next(); record; record = tail.next()) {
    if (record.kind === 'steps') return record.first === 0 ? 'create' in record.steps[0]! : undefined
    if (tail.damaged === 0) return false
  }
  return undefined
}

/** Whether a log has lost all that was in its first file, which is made with what is written to it. */
export const isEmptied = (dir: string): boolean => stateOf(segmentFile(dir, 0))?.size === 0

/** Whether nothing was logged to a folder: its process was killed, or its machine went down, before that. */
export const isBlank = (dir: string): boolean =>
  leftBeside(dir, true).length === 0 && !namesIn(dir).some((name) => segmentNumber(name) !== undefined)
