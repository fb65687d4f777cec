import { type BatchEntry, type BatchLimits, entrySize } from '../core/batch.js'
import type { Ring } from '../core/ring.js'
import { alone, countOf, type Delivery, type Entry, takeEntries } from './delivery.js'
import type { Gone } from './flushes.js'
import type { PointsWay } from './points-way.js'

/** What waits and was not begun: points in their ring, those on the way past it, and all else; each served from the front. */
export interface Lines {
  /** Takes in what is no point; false when there is no room. */
  enter(entry: Entry): boolean
  /** How many of these wait. */
  entries(): number
  isEmpty(): boolean
  /** How much waits of what was logged. */
  size(): number
  /** Takes out what goes next. */
  next(): Delivery | undefined
  /** How much was taken out, or has gone by the way. */
  gone(): Gone
  /** Up to where all that was logged so far will have gone. */
  target(): Gone
  /** Takes everything out, and answers how much that was. */
  drop(): number
}

const POINT_BYTES = 28
const MAX_ENTRY_BYTES = 1 << 26
/** What a parameter or tag takes beside its text, roughly. */
const ENTRY_BYTES = 100

const bytesOf = (entry: BatchEntry): number => entrySize(entry) + ENTRY_BYTES

/** Lines up parameters and tags beside a ring for at most `maxQueued` points. */
export function lines(ring: Ring, way: PointsWay | undefined, limits: BatchLimits, maxQueued: number): Lines {
  const entries: Entry[] = []
  let entryBytes = 0
  // A limit of few points is meant for those of a loop, and not for the parameters of a start.
  const mostEntryBytes = Math.max(MAX_ENTRY_BYTES, maxQueued * POINT_BYTES)
  /** What was taken out of the ring, and off the way, to be delivered. */
  const gone = { queued: 0, past: 0, entries: 0 }

  const logged = () => entries.reduce((sum, { kind }) => sum + (kind === 'linkModel' ? 0 : 1), 0)
  const isEmpty = () => ring.size === 0 && entries.length === 0 && (way === undefined || way.waiting === 0)

  return {
    enter(entry) {
      const bytes = bytesOf(entry)
      if (entryBytes + bytes > mostEntryBytes) return false
      entries.push(entry)
      entryBytes += bytes
      return true
    },
    entries: () => entries.length,
    isEmpty,
    size: () => ring.size + (way?.waiting ?? 0) + logged(),
    // Parameters and tags go first and in order.
    next() {
      if (isEmpty()) return undefined
      const single = entries[0] && alone(entries[0])
      if (single) {
        gone.entries++
        entryBytes -= bytesOf(entries.shift()!)
        return single
      }
      const { params, tags, room } = takeEntries(entries, limits)
      const isQueued = ring.size > 0 || !way
      const metrics = isQueued ? ring.take(room) : way.take(room)
      gone.entries += params.length + tags.length
      for (const entry of [...params, ...tags]) entryBytes -= bytesOf(entry)
      gone[isQueued ? 'queued' : 'past'] += metrics.length
      const delivery = { batch: { metrics, params, tags } }
      return countOf(delivery) > 0 ? delivery : undefined
    },
    gone: () => ({ ...gone, past: gone.past + (way?.passed ?? 0) }),
    target() {
      let [passed, left] = [0, 0]
      do {
        passed = way?.passed ?? 0
        left = way?.waiting ?? 0
        // The other thread may have taken some from the one to the other between.
      } while (passed !== (way?.passed ?? 0))
      return {
        queued: gone.queued + ring.size,
        past: gone.past + passed + left,
        entries: gone.entries + entries.length,
      }
    },
    drop() {
      let count = logged() + ring.size
      while (way && way.waiting > 0) {
        const taken = way.take(Math.min(limits.metrics, limits.total)).length
        // What may have gone to disk already stays.
        if (taken === 0) break
        gone.past += taken
        count += taken
      }
      gone.queued += ring.size
      gone.entries += entries.length
      ring.drop()
      entries.length = entryBytes = 0
      return count
    },
  }
}
