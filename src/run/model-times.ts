import type { Step } from '../core/entities.js'

/** Points of one call that name a model: they share step and time. */
export interface ModelPoints {
  readonly modelId: string
  readonly keys: readonly string[]
  readonly step: Step
  readonly timestamp: number
}

/**
 * When points that name a model, and were given no time, are said to be measured: a database keeps one value of a metric
 * for each model, step and millisecond, so that what a quick loop logs at one step takes one millisecond after the other.
 * Of each metric of a model its last point is remembered.
 */
export function modelTimes(): (points: ModelPoints) => number {
  const last = new Map<string, { step: Step; timestamp: number }>()
  return ({ modelId, keys, step, timestamp }) => {
    const places = keys.map((key) => `${modelId}\n${key}`)
    let time = timestamp
    for (const place of places) {
      const before = last.get(place)
      if (before?.step === step) time = Math.max(time, before.timestamp + 1)
    }
    for (const place of places) last.set(place, { step, timestamp: time })
    return time
  }
}
