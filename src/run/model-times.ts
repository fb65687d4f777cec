import type { Step } from '../core/entities.js'

/** Points of one call, which share step and time. */
export interface PointsAtOnce {
  readonly keys: readonly string[]
  readonly step: Step
  readonly timestamp: number
  readonly ofModel: boolean
}

export interface ModelTimes {
  /** The latest time given out: points without a model that are measured after it stay as they are. */
  readonly latest: number
  /** When points that were given no time are said to be measured. */
  timeOf(points: PointsAtOnce): number
}

/** How far ahead of the clock a time may be. */
const MOST_AHEAD_MS = 10_000

/**
 * A database keeps one value of a metric for each model, step and millisecond, so that what a quick loop logs at one step
 * takes one millisecond after the other. What is logged of that metric at that step while these are ahead of the clock
 * comes after them, whatever model it names or none: else an older point would count as the latest. Of each metric the
 * last point is remembered.
 */
export function modelTimes(): ModelTimes {
  const last = new Map<string, { step: Step; timestamp: number }>()
  let latest = 0
  return {
    get latest() {
      return latest
    },
    timeOf({ keys, step, timestamp, ofModel }) {
      if (!ofModel && timestamp > latest) return timestamp
      let time = timestamp
      for (const key of keys) {
        const before = last.get(key)
        if (before?.step !== step) continue
        time = Math.max(time, Math.min(before.timestamp + 1, timestamp + MOST_AHEAD_MS))
      }
      if (!ofModel && time === timestamp) return time
      for (const key of keys) last.set(key, { step, timestamp: time })
      latest = Math.max(latest, time)
      return time
    },
  }
}
