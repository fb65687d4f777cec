import { Buffer } from 'node:buffer'
import type { BatchEntry, BatchMetric } from '../core/batch.js'

/** What is done in its turn, one after the other: everything but points. */
export type Step =
  | { readonly param: BatchEntry }
  | { readonly tag: BatchEntry }
  /** An operation of the protocol that needs nothing but the run's id added. */
  | { readonly call: string; readonly input: Readonly<Record<string, unknown>> }
  /** Makes the run, which has only an id of ours so far. */
  | { readonly create: NewRun }
  | { readonly artifact: KeptFile }
  | { readonly model: KeptModel }

/** The call that takes up a run again by its id, if it has ended meanwhile. */
export const TAKE_UP = 'takeUpRun'
/** In the input of that call, and of a run's end: the mark by which it is known who took the run up. */
export const TAKEN_UP = 'taken_up_as'

/** A file for the run's artifacts that was kept beside the log, or where it lies. */
export interface KeptFile {
  /** Below the run's artifacts. */
  readonly path: string
  readonly file: string
  /** The type of its content; empty when it has none. */
  readonly type: string
}

/** A model that was packaged in a folder beside the log, or where it lies. */
export interface KeptModel {
  readonly folder: string
  readonly request: ModelRequest
}

/** What a model is logged with; plain data, so that it can wait on disk. */
export interface ModelRequest {
  /** Its name in its run. */
  readonly name: string
  /** The flavor, which servers call the type. */
  readonly type: string
  /** Over those of the run. */
  readonly params: readonly BatchEntry[]
  readonly tags: readonly BatchEntry[]
  readonly step: number
  /** By this it is found again when it was perhaps made; undefined where that is not looked for. */
  readonly operationId?: string | undefined
  /** The version it is to have. */
  readonly version?:
    | {
        readonly name: string
        readonly stage?: string | undefined
        readonly alias?: string | undefined
        /** The registry's address, without credentials, when it is not the server of the runs. */
        readonly registry?: string | undefined
      }
    | undefined
}

/** A run to be made when its server can be reached. */
export interface NewRun {
  readonly experimentId?: string | undefined
  /** Made when it is absent. */
  readonly experimentName?: string | undefined
  /** Epoch milliseconds. */
  readonly startTime: number
  readonly runName?: string | undefined
  readonly userId?: string | undefined
  readonly tags: readonly BatchEntry[]
}

/** One record of a log; `first` counts points and steps, each on its own, from the start of the log. */
export type SpoolRecord =
  | { readonly kind: 'points'; readonly first: number; readonly points: readonly BatchMetric[] }
  | { readonly kind: 'steps'; readonly first: number; readonly steps: readonly Step[] }

interface PointsHead {
  readonly keys: readonly string[]
  /** What few points have, by their place. */
  readonly rare?: Readonly<Record<string, { readonly step?: string } & Partial<BatchMetric>>>
}

const POINTS = 1
const STEPS = 2
const HEAD = 16
const POINT_BYTES = 28

/** Points as bytes: keys once, numbers in columns, every double as it is. */
export function encodePoints(first: number, points: readonly BatchMetric[]): Buffer {
  const keys: string[] = []
  const places = new Map<string, number>()
  const rare: Record<string, object> = {}
  let anyRare = false
  const count = points.length
  const columns = Buffer.allocUnsafe(count * POINT_BYTES)
  let lastKey: string | undefined
  let place = 0
  for (let i = 0; i < count; i++) {
    const point = points[i]!
    const { key, step } = point
    if (key !== lastKey) {
      const known = places.get(key)
      place = known ?? keys.push(key) - 1
      if (known === undefined) places.set(key, place)
      lastKey = key
    }
    const at = i * POINT_BYTES
    columns.writeUInt32LE(place, at)
    columns.writeDoubleLE(point.value, at + 4)
    columns.writeDoubleLE(point.timestamp, at + 12)
    columns.writeDoubleLE(typeof step === 'number' ? step : 0, at + 20)
    if (typeof step === 'bigint' || point.model_id !== undefined || point.dataset_name !== undefined) {
      const { model_id, dataset_name, dataset_digest } = point
      rare[i] = { model_id, dataset_name, dataset_digest, ...(typeof step === 'bigint' ? { step: String(step) } : {}) }
      anyRare = true
    }
  }
  const head = Buffer.from(JSON.stringify(anyRare ? { keys, rare } : { keys }))
  return Buffer.concat([prefix(POINTS, first, count, head.length), head, columns])
}

/** Steps as bytes. */
export function encodeSteps(first: number, steps: readonly Step[]): Buffer {
  const text = Buffer.from(JSON.stringify(steps))
  return Buffer.concat([prefix(STEPS, first, steps.length, text.length), text])
}

function prefix(kind: number, first: number, count: number, head: number): Buffer {
  const bytes = Buffer.alloc(HEAD + 4)
  bytes.writeUInt32LE(kind, 0)
  bytes.writeDoubleLE(first, 4)
  bytes.writeUInt32LE(count, 12)
  bytes.writeUInt32LE(head, HEAD)
  return bytes
}

/** The record that bytes hold; undefined when they are of a kind or shape that is not known. */
export function decode(bytes: Buffer): SpoolRecord | undefined {
  try {
    const kind = bytes.readUInt32LE(0)
    const first = bytes.readDoubleLE(4)
    const count = bytes.readUInt32LE(12)
    const end = HEAD + 4 + bytes.readUInt32LE(HEAD)
    const head: unknown = JSON.parse(bytes.toString('utf8', HEAD + 4, end))
    if (!Number.isSafeInteger(first) || first < 0) return undefined
    if (kind === STEPS) {
      const steps = head as Step[]
      return Array.isArray(steps) && steps.length === count ? { kind: 'steps', first, steps } : undefined
    }
    if (kind !== POINTS || bytes.length !== end + count * POINT_BYTES) return undefined
    return { kind: 'points', first, points: pointsOf(head as PointsHead, bytes, end, count) }
  } catch {
    return undefined
  }
}

function pointsOf({ keys, rare }: PointsHead, bytes: Buffer, start: number, count: number): BatchMetric[] {
  const points = new Array<BatchMetric>(count)
  for (let i = 0; i < count; i++) {
    const at = start + i * POINT_BYTES
    const key = keys[bytes.readUInt32LE(at)]
    if (key === undefined) throw new RangeError('a point without a key')
    const point: BatchMetric = {
      key,
      value: bytes.readDoubleLE(at + 4),
      timestamp: bytes.readDoubleLE(at + 12),
      step: bytes.readDoubleLE(at + 20),
    }
    const more = rare?.[i]
    points[i] =
      more === undefined ? point : { ...point, ...more, step: more.step === undefined ? point.step : BigInt(more.step) }
  }
  return points
}
