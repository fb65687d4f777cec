import type { BatchMetric } from './batch.js'
import type { Step, Timestamp } from './entities.js'

/** What a point may carry beside key, value, step and time. */
export interface PointExtras {
  readonly modelId?: string | undefined
  readonly datasetName?: string | undefined
  readonly datasetDigest?: string | undefined
}

/** Points in columns: 28 bytes each, where an array of objects takes a hundred and more. */
export interface Ring {
  readonly size: number
  readonly capacity: number
  /** Adds a point; the caller sees to it that there is room. `key` is an index from `keyIndex`. */
  put(key: number, value: number, step: Step, timestamp: Timestamp, extras?: PointExtras): void
  /** The index of a key that was seen before, else -1. */
  keyIndex(key: string): number
  /** Gives a new key its index. */
  addKey(key: string): number
  /** Takes the oldest points out, at most `count`. */
  take(count: number): BatchMetric[]
  /** Makes room for more points, keeping those that wait. */
  grow(capacity: number): void
  /** Points that take more than their place in the columns: those that name a model or dataset, or have a step or time past 2^53. */
  readonly wide: number
  /** Forgets all that waits, and gives its memory back. */
  drop(): void
}

/** Keeps points in the order they came, in columns that begin with room for `initialCapacity`. */
export function metricRing(initialCapacity: number): Ring {
  const keys: string[] = []
  const indexes = new Map<string, number>()
  let capacity = initialCapacity
  let keyColumn = new Uint32Array(capacity)
  let values = new Float64Array(capacity)
  let steps = new Float64Array(capacity)
  let timestamps = new Float64Array(capacity)
  // Steps and times past 2^53 and points that name a model or dataset are rare: they wait beside the columns, by slot.
  const bigSteps = new Map<number, bigint>()
  const bigTimes = new Map<number, bigint>()
  const extrasOf = new Map<number, PointExtras>()
  let head = 0
  let size = 0

  function at(slot: number): BatchMetric {
    const step = bigSteps.size > 0 ? (bigSteps.get(slot) ?? steps[slot]!) : steps[slot]!
    const timestamp = bigTimes.size > 0 ? (bigTimes.get(slot) ?? timestamps[slot]!) : timestamps[slot]!
    const point = { key: keys[keyColumn[slot]!]!, value: values[slot]!, timestamp, step }
    const extras = extrasOf.size > 0 ? extrasOf.get(slot) : undefined
    if (extras === undefined) return point
    const { modelId, datasetName, datasetDigest } = extras
    return { ...point, model_id: modelId, dataset_name: datasetName, dataset_digest: datasetDigest }
  }

  function forget(slot: number): void {
    if (bigSteps.size > 0) bigSteps.delete(slot)
    if (bigTimes.size > 0) bigTimes.delete(slot)
    if (extrasOf.size > 0) extrasOf.delete(slot)
  }

  return {
    get size() {
      return size
    },
    get capacity() {
      return capacity
    },
    keyIndex: (key) => indexes.get(key) ?? -1,
    addKey(key) {
      const index = keys.push(key) - 1
      indexes.set(key, index)
      return index
    },
    put(key, value, step, timestamp, extras) {
      let slot = head + size
      if (slot >= capacity) slot -= capacity
      keyColumn[slot] = key
      values[slot] = value
      if (typeof timestamp === 'number') timestamps[slot] = timestamp
      else bigTimes.set(slot, timestamp)
      if (typeof step === 'number') steps[slot] = step
      else bigSteps.set(slot, step)
      if (extras !== undefined) extrasOf.set(slot, extras)
      size++
    },
    take(count) {
      const n = Math.min(count, size)
      // Not made at its length at once: `JSON.stringify` takes its slow way through an array that had holes.
      const points: BatchMetric[] = []
      for (let i = 0; i < n; i++) {
        points.push(at(head))
        forget(head)
        head = head + 1 === capacity ? 0 : head + 1
      }
      size -= n
      return points
    },
    grow(larger) {
      const reorder = (from: number) => (from >= head ? from - head : from + capacity - head)
      const move = <T>(side: Map<number, T>) => {
        const entries = [...side]
        side.clear()
        for (const [slot, value] of entries) side.set(reorder(slot), value)
      }
      const widen = <T extends Uint32Array | Float64Array>(column: T, wide: T): T => {
        wide.set(column.subarray(head))
        wide.set(column.subarray(0, head), capacity - head)
        return wide
      }
      keyColumn = widen(keyColumn, new Uint32Array(larger))
      values = widen(values, new Float64Array(larger))
      steps = widen(steps, new Float64Array(larger))
      timestamps = widen(timestamps, new Float64Array(larger))
      move(bigSteps)
      move(bigTimes)
      move(extrasOf)
      head = 0
      capacity = larger
    },
    get wide() {
      return extrasOf.size + bigSteps.size + bigTimes.size
    },
    drop() {
      head = size = capacity = 0
      keyColumn = new Uint32Array(0)
      values = new Float64Array(0)
      steps = new Float64Array(0)
      timestamps = new Float64Array(0)
      bigSteps.clear()
      bigTimes.clear()
      extrasOf.clear()
    },
  }
}
