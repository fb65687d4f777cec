import { OPERATION_TAG, TAG } from '../core/tags.js'
import { type ServerPlace, writtenIds } from './place.js'
import type { SpoolRecord } from './records.js'
import type { Step } from './steps.js'
import { isBlank, madeIn, runIdIn } from './whose.js'

export interface MakingOptions {
  readonly dir: string
  readonly place: ServerPlace
  /** Whether more may come. */
  readonly writing: () => boolean
  /** Told that the run's making is lost, and which step stands in for it. */
  readonly onRemade: () => void
}

/**
 * Reads the log of a run that its server has to make yet, whose first step is its making: without it nothing of the run
 * could be anywhere. Where it is damaged, one that is known by the folder's name stands in for it.
 */
export function withMaking(
  next: () => SpoolRecord | undefined,
  { dir, place, writing, onRemade }: MakingOptions,
): () => SpoolRecord | undefined {
  let isBegun = false
  let held: SpoolRecord | undefined

  const isLost = (record: SpoolRecord | undefined): boolean =>
    record ? record.kind !== 'steps' || record.first > 0 : !writing() && !isBlank(dir)

  return () => {
    const record = held ?? next()
    held = undefined
    if (isBegun) return record
    if (!isLost(record)) {
      isBegun = record !== undefined
      return record
    }
    isBegun = true
    held = record
    onRemade()
    return { kind: 'steps', first: 0, count: 1, steps: [remade(dir, place)] }
  }
}

function remade(dir: string, place: ServerPlace): Step {
  const startTime = madeIn(dir)
  const runId = runIdIn(dir)
  if (writtenIds(place).has(runId)) return { create: { begunAs: runId, startTime, tags: [] } }
  const note = { key: TAG.note, value: `The start of this run was damaged on disk: ${LOST}.` }
  // By this it is found again when it was perhaps made.
  return { create: { startTime, tags: [note, { key: OPERATION_TAG, value: runId }] } }
}

/** What goes with a run's making. */
export const LOST = 'its name, its experiment and the tags that it began with are lost'
