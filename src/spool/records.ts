import { Buffer } from 'node:buffer'
import type { BatchMetric } from '../core/batch.js'
import type { Ring } from '../core/ring.js'
import { framed, tooLong } from './frame.js'
import type { Step } from './steps.js'

/** Points in columns; their keys are places in a list of names. */
export interface PointColumns {
  readonly keys: Uint32Array
  readonly values: Float64Array
  /** Epoch milliseconds. */
  readonly timestamps: Float64Array
  readonly steps: Float64Array
}

/** Points of a log, as they were read. */
export interface PointsRecord {
  readonly kind: 'points'
  readonly first: number
  readonly count: number
  /** Adds a part of them to a ring that has room. */
  into(ring: Ring, from: number, count: number): void
}

/** One record of a log; `first` counts points and steps, each on its own, from the start of the log. */
export type SpoolRecord =
  | PointsRecord
  | { readonly kind: 'steps'; readonly first: number; readonly count: number; readonly steps: readonly Step[] }

interface PointsHead {
  readonly keys: readonly string[]
  /** What few points have, by their place. */
  readonly rare?: Readonly<
    Record<string, { readonly step?: string; readonly timestamp?: string } & Partial<BatchMetric>>
  >
}

const POINTS = 1
const STEPS = 2
const HEAD = 20
const POINT_BYTES = 28

/** Makes what turns a stretch of columns into the bytes of a record, framed: keys once, every double as it is. */
export function columnsWriter(names: readonly string[]) {
  /** Where each key stands in the record in hand, counted from 1. */
  let places = new Uint32Array(64)
  /** A loop that logs the same keys again and again has the same head each time. */
  let head: Buffer = Buffer.alloc(0)
  let headOf: readonly number[] = []

  return (first: number, { keys, values, timestamps, steps }: PointColumns, from: number, count: number): Buffer => {
    if (places.length < names.length) places = new Uint32Array(names.length * 2)
    const used: number[] = []
    for (let i = from; i < from + count; i++) {
      const key = keys[i]!
      if (places[key] === 0) places[key] = used.push(key)
    }
    if (!isSame(used, headOf)) {
      head = Buffer.from(JSON.stringify({ keys: used.map((key) => names[key]!) } satisfies PointsHead))
      headOf = used
    }
    const bytes = framed(HEAD + head.length + count * POINT_BYTES, (buffer, view, start) => {
      let at = prefix(buffer, view, start, { kind: POINTS, first, count, head })
      for (let i = from; i < from + count; i++) {
        point(view, at, places[keys[i]!]! - 1, values[i]!, timestamps[i]!, steps[i]!)
        at += POINT_BYTES
      }
    })
    for (const key of used) places[key] = 0
    return bytes
  }
}

const isSame = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((item, index) => item === b[index])

/** Points as the bytes of a record, framed: those that carry more than columns hold. Throws as `encodeSteps`. */
export function encodePoints(first: number, points: readonly BatchMetric[]): Buffer {
  const places = new Map<string, number>()
  const rare: Record<string, object> = {}
  for (const [index, { key, step, timestamp, model_id, dataset_name, dataset_digest }] of points.entries()) {
    if (!places.has(key)) places.set(key, places.size)
    const isBig = typeof step === 'bigint' || typeof timestamp === 'bigint'
    if (!isBig && model_id === undefined && dataset_name === undefined) continue
    rare[index] = { model_id, dataset_name, dataset_digest, step: digits(step), timestamp: digits(timestamp) }
  }
  const keys = [...places.keys()]
  const head = Buffer.from(JSON.stringify(Object.keys(rare).length > 0 ? { keys, rare } : { keys }))
  const count = points.length
  return framed(HEAD + head.length + count * POINT_BYTES, (buffer, view, start) => {
    let at = prefix(buffer, view, start, { kind: POINTS, first, count, head })
    for (const { key, value, timestamp, step } of points) {
      point(view, at, places.get(key)!, value, Number(timestamp), Number(step))
      at += POINT_BYTES
    }
  })
}

const digits = (whole: number | bigint): string | undefined => (typeof whole === 'bigint' ? String(whole) : undefined)

/** Steps as the bytes of a record, framed. Throws `InvalidParameterError` when they are too long for one. */
export function encodeSteps(first: number, steps: readonly Step[]): Buffer {
  const head = Buffer.from(jsonOf(steps))
  return framed(
    HEAD + head.length,
    (buffer, view, at) => void prefix(buffer, view, at, { kind: STEPS, first, count: steps.length, head }),
  )
}

function jsonOf(steps: readonly Step[]): string {
  try {
    return JSON.stringify(steps)
  } catch (error) {
    // Longer than any text can be.
    throw error instanceof RangeError ? tooLong() : error
  }
}

function point(view: DataView, at: number, key: number, value: number, timestamp: number, step: number): void {
  view.setUint32(at, key, true)
  view.setFloat64(at + 4, value, true)
  view.setFloat64(at + 12, timestamp, true)
  view.setFloat64(at + 20, step, true)
}

interface Prefix {
  readonly kind: number
  readonly first: number
  readonly count: number
  readonly head: Buffer
}

/** Writes what each record begins with, and answers where the rest goes. */
function prefix(buffer: Buffer, view: DataView, at: number, { kind, first, count, head }: Prefix): number {
  view.setUint32(at, kind, true)
  view.setFloat64(at + 4, first, true)
  view.setUint32(at + 12, count, true)
  view.setUint32(at + 16, head.length, true)
  buffer.set(head, at + HEAD)
  return at + HEAD + head.length
}

/** The record that bytes hold; undefined when they are of a kind or shape that is not known. */
export function decode(bytes: Buffer): SpoolRecord | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const kind = view.getUint32(0, true)
    const first = view.getFloat64(4, true)
    const count = view.getUint32(12, true)
    const end = HEAD + view.getUint32(16, true)
    const head: unknown = JSON.parse(bytes.toString('utf8', HEAD, end))
    if (!Number.isSafeInteger(first) || first < 0) return undefined
    if (kind === STEPS) {
      const steps = head as Step[]
      return Array.isArray(steps) && steps.length === count ? { kind: 'steps', first, count, steps } : undefined
    }
    if (kind !== POINTS || bytes.length !== end + count * POINT_BYTES) return undefined
    return pointsOf(head as PointsHead, first, count, new DataView(view.buffer, view.byteOffset + end))
  } catch {
    return undefined
  }
}

function pointsOf({ keys, rare }: PointsHead, first: number, count: number, view: DataView): PointsRecord | undefined {
  for (let i = 0; i < count; i++) if (view.getUint32(i * POINT_BYTES, true) >= keys.length) return undefined
  return {
    kind: 'points',
    first,
    count,
    into(ring, from, many) {
      const places = keys.map((key) => {
        const known = ring.keyIndex(key)
        return known < 0 ? ring.addKey(key) : known
      })
      for (let i = from; i < from + many; i++) {
        const at = i * POINT_BYTES
        const key = places[view.getUint32(at, true)]!
        const more = rare?.[i]
        const extras =
          more && (more.model_id !== undefined || more.dataset_name !== undefined) ? extrasOf(more) : undefined
        const timestamp = more?.timestamp === undefined ? view.getFloat64(at + 12, true) : BigInt(more.timestamp)
        const step = more?.step === undefined ? view.getFloat64(at + 20, true) : BigInt(more.step)
        ring.put(key, view.getFloat64(at + 4, true), step, timestamp, extras)
      }
    },
  }
}

const extrasOf = ({ model_id, dataset_name, dataset_digest }: Partial<BatchMetric>) => ({
  modelId: model_id,
  datasetName: dataset_name,
  datasetDigest: dataset_digest,
})
