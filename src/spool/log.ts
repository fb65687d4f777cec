import { join } from 'node:path'
import type { BatchMetric } from '../core/batch.js'
import { appendBytes, closeLog } from '../disk/log-file.js'
import { framed } from './frame.js'
import { encodePoints, encodeSteps, type Step } from './records.js'

/** How much of each lane a log has taken. */
export interface Written {
  readonly points: number
  readonly steps: number
}

/** The writing end of a run's log: what it takes is in the hands of the system when the call returns. */
export interface SpoolLog {
  points(points: readonly BatchMetric[]): void
  steps(steps: readonly Step[]): void
  readonly written: Written
  close(): void
}

/** A file of a log is left for the next one when it has this many bytes: what was delivered goes file by file. */
const SEGMENT_BYTES = 4 << 20

/** The path of the n-th file of a log. */
export const segmentFile = (dir: string, n: number): string => join(dir, `log-${String(n).padStart(8, '0')}`)
/** The number of a log's file; undefined for other files. */
export const segmentNumber = (name: string): number | undefined => {
  const digits = /^log-(\d{8})$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Begins a log in a folder of its own. Each call throws what the disk says, and then nothing of it was kept. */
export function openLog(dir: string, segmentBytes = SEGMENT_BYTES): SpoolLog {
  let segment = 0
  let bytes = 0
  let points = 0
  let steps = 0

  function append(payload: Uint8Array): void {
    if (bytes >= segmentBytes) {
      closeLog(segmentFile(dir, segment))
      segment++
      bytes = 0
    }
    const record = framed(payload)
    appendBytes(segmentFile(dir, segment), record)
    bytes += record.length
  }

  return {
    points(added) {
      append(encodePoints(points, added))
      points += added.length
    },
    steps(added) {
      append(encodeSteps(steps, added))
      steps += added.length
    },
    get written() {
      return { points, steps }
    },
    close: () => closeLog(segmentFile(dir, segment)),
  }
}
