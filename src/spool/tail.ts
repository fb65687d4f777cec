import { Buffer } from 'node:buffer'
import { readRange } from '../disk/log-file.js'
import { namesIn } from '../disk/walk.js'
import { exists, removeFile, stateOf } from '../disk/write.js'
import type { Lane } from './acks.js'
import { unframe, wantedBytes } from './frame.js'
import { segmentFile, segmentNumber } from './log.js'
import { decode, type SpoolRecord } from './records.js'

/** The reading end of a log, which may still be written to. */
export interface Tail {
  /** The next record; undefined when there is none, or none yet. */
  next(): SpoolRecord | undefined
  /** Stretches of the log that were damaged, so far. */
  readonly damaged: number
  /** Whether there are files that were read to their end and of which all is done. */
  mayForget(done: Done): boolean
  /** Removes those files; answers how many bytes they had. */
  forget(done: Done): number
}

/** Up to where all of each lane is done. */
type Done = Readonly<Record<Lane, number>>

const CHUNK = 256 * 1024

interface Segment {
  readonly n: number
  points: number
  steps: number
}

/** Reads a log from its first file that is left; `writing` says whether more may come to its end. */
export function openTail(dir: string, writing: () => boolean): Tail {
  const numbers = namesIn(dir).flatMap((name) => segmentNumber(name) ?? [])
  let current: Segment = { n: numbers[0] ?? 0, points: 0, steps: 0 }
  const read: Segment[] = []
  let offset = 0
  let inode: number | bigint | undefined
  let wanted = CHUNK
  let damaged = 0
  const queue: SpoolRecord[] = []

  /** Whether the file in hand gets no more: the next one is there, or nobody writes. */
  function laterSegment(): number | undefined {
    if (exists(segmentFile(dir, current.n + 1))) return current.n + 1
    // A file of the middle is missing: somebody removed it.
    return namesIn(dir)
      .flatMap((name) => segmentNumber(name) ?? [])
      .find((n) => n > current.n)
  }

  function more(): boolean {
    const later = laterSegment()
    const closed = later !== undefined || !writing()
    const file = segmentFile(dir, current.n)
    const { inode: seen } = stateOf(file) ?? {}
    if (seen !== undefined && seen !== inode) {
      // The next file, or one that was removed and begun anew.
      inode = seen
      offset = 0
    }
    const bytes = readRange(file, offset, wanted)
    const chunk = Buffer.from(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset, bytes?.length)
    if (chunk.length === 0) {
      if (later === undefined) return false
      read.push(current)
      current = { n: later, points: 0, steps: 0 }
      offset = 0
      return true
    }
    const whole = chunk.length < wanted
    const { payloads, used, damaged: bad } = unframe(chunk, closed && whole)
    damaged += bad
    for (const payload of payloads) {
      const record = decode(payload)
      if (record) take(record)
      else damaged++
    }
    offset += used
    if (used > 0) {
      wanted = CHUNK
      return true
    }
    if (whole) return false
    // A record longer than was read, or damage that long.
    wanted = Math.max(wanted * 2, wantedBytes(chunk))
    return true
  }

  function take(record: SpoolRecord): void {
    if (record.kind === 'points') current.points = record.first + record.count
    else current.steps = record.first + record.count
    queue.push(record)
  }

  const mayForget = (done: Done): boolean =>
    read[0] !== undefined && read[0].points <= done.points && read[0].steps <= done.steps

  return {
    next() {
      while (queue.length === 0 && more()) {
        // Read on until there is one.
      }
      return queue.shift()
    },
    get damaged() {
      return damaged
    },
    mayForget,
    forget(done) {
      let bytes = 0
      while (mayForget(done)) {
        const file = segmentFile(dir, read.shift()!.n)
        bytes += stateOf(file)?.size ?? 0
        removeFile(file)
      }
      return bytes
    },
  }
}
