import type { BatchMetric } from '../core/batch.js'
import { CAPACITY, HEAD, type LogMemory, TAIL } from './memory.js'

/** Points in the memory of a log: one thread puts them there, and the one that holds the lock takes them out. */
export interface MemoryRing {
  /** Takes a point in; false when there is no room. */
  put(key: number, value: number, step: number, timestamp: number): boolean
  /** Points that are there. */
  readonly waiting: number
  /** Points that went to disk. */
  readonly poured: number
  /** Hands them to `write`, stretch by stretch of the columns; one that it throws at stays. */
  pour(write: (from: number, count: number) => void): void
  /** Takes them out, the oldest first. */
  take(count: number): BatchMetric[]
}

const MASK = CAPACITY - 1

/** The points in a log's memory; `names` are the keys as far as this thread knows them. */
export function memoryRing({ flags, columns }: LogMemory, names: readonly string[]): MemoryRing {
  const { keys, values, steps, timestamps } = columns
  // Only the thread that logs puts points there, so it knows where it stands.
  let tail = Atomics.load(flags, TAIL)
  let knownHead = Atomics.load(flags, HEAD)
  let poured = 0
  let seenHead = knownHead

  /** By where the ring begins, so that no point is counted both as one that waits and as one that went. */
  function countPoured(): number {
    const head = Atomics.load(flags, HEAD)
    poured += (head - seenHead) | 0
    seenHead = head
    return poured
  }

  const waiting = () => (Atomics.load(flags, TAIL) - Atomics.load(flags, HEAD)) | 0

  /** How many of a stretch have keys that are known here: another thread hears of them a little later. */
  function known(from: number, most: number): number {
    let n = 0
    while (n < most && keys[from + n]! < names.length) n++
    return n
  }

  return {
    put(key, value, step, timestamp) {
      if (((tail - knownHead) | 0) >= CAPACITY) {
        knownHead = Atomics.load(flags, HEAD)
        if (((tail - knownHead) | 0) >= CAPACITY) return false
      }
      const slot = tail & MASK
      keys[slot] = key
      values[slot] = value
      steps[slot] = step
      timestamps[slot] = timestamp
      tail = (tail + 1) | 0
      Atomics.store(flags, TAIL, tail)
      return true
    },
    get waiting() {
      return waiting()
    },
    get poured() {
      return countPoured()
    },
    pour(write) {
      // No further than it is now: a loop that logs on meanwhile would keep this thread at it.
      const end = Atomics.load(flags, TAIL)
      for (;;) {
        const head = Atomics.load(flags, HEAD)
        const left = (end - head) | 0
        if (left <= 0) return
        const from = head & MASK
        const count = known(from, Math.min(left, CAPACITY - from))
        if (count === 0) return
        write(from, count)
        // A thread that was held up until the lock was taken from it changes nothing any more.
        Atomics.compareExchange(flags, HEAD, head, (head + count) | 0)
      }
    },
    take(most) {
      const points: BatchMetric[] = []
      countPoured()
      const head = Atomics.load(flags, HEAD)
      const count = Math.min(most, waiting())
      for (let n = 0; n < count; n++) {
        const slot = (head + n) & MASK
        const [key, value] = [names[keys[slot]!]!, values[slot]!]
        points.push({ key, value, timestamp: timestamps[slot]!, step: steps[slot]! })
      }
      seenHead = (head + count) | 0
      Atomics.store(flags, HEAD, seenHead)
      return points
    },
  }
}
