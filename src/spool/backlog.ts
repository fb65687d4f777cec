import type { Batch, BatchEntry, BatchLimits, BatchMetric } from '../core/batch.js'
import { entrySize } from '../core/batch.js'
import type { Lane, Stretch } from './acks.js'
import type { Ranges } from './ranges.js'
import type { SpoolRecord, Step } from './records.js'

/** What goes out as one request. */
export interface Parcel {
  readonly stretch: Stretch
  /** Whether it may have been carried out already. */
  again: boolean
  readonly points: readonly BatchMetric[]
  readonly steps: readonly Step[]
  /** The request that was refused whole and of which this is a half. */
  readonly of?: Halved | undefined
}

/** A request that went out in two: when both halves were taken, it was only too long. */
export interface Halved {
  readonly count: number
  taken: number
  refused: boolean
}

/** What of a log is read and not on its way yet, cut into requests. */
export interface Backlog {
  /** Takes records in until enough is at hand. */
  fill(): void
  /** Whether so many points are at hand that a request is full. */
  isFull(limits: BatchLimits): boolean
  /** The next request of points, taken out. */
  points(limits: BatchLimits): Parcel | undefined
  /** The next request of steps, taken out; a run's end waits for the points before it. */
  steps(limits: BatchLimits): Parcel | undefined
  /** Puts a request back at the front of its lane, as it is. */
  putBack(parcel: Parcel): void
  /** Whether nothing that was read is left. */
  readonly isEmpty: boolean
  /** How much of each lane was read, lost parts included. */
  readonly read: Readonly<Record<Lane, number>>
}

export interface BacklogSource {
  readonly next: () => SpoolRecord | undefined
  readonly done: Readonly<Record<Lane, Ranges>>
  /** Sent before, as they were sent: they go out again just so. */
  readonly tried: readonly Stretch[]
  /** Told of a part that the log lacks. */
  readonly onLost: (stretch: Stretch) => void
}

const POINTS_AT_HAND = 4000
const STEPS_AT_HAND = 2000

interface Waiting<T> {
  readonly at: number
  readonly item: T
  /** For steps: how many points were logged before. */
  readonly after: number
}

/** The backlog of one log. */
export function backlog({ next, done, tried, onLost }: BacklogSource): Backlog {
  const read = { points: 0, steps: 0 }
  const waiting = { points: [] as Waiting<BatchMetric>[], steps: [] as Waiting<Step>[] }
  /** Taken from the front by counting up, so that nothing is moved for each. */
  const head = { points: 0, steps: 0 }
  const again: Record<Lane, Parcel[]> = { points: [], steps: [] }
  const before: Record<Lane, readonly Stretch[]> = {
    points: tried.filter(({ lane }) => lane === 'points'),
    steps: tried.filter(({ lane }) => lane === 'steps'),
  }

  const atHand = (lane: Lane) => waiting[lane].length - head[lane]

  function take(record: SpoolRecord): void {
    const lane = record.kind
    const items = record.kind === 'points' ? record.points : record.steps
    const known = Math.max(0, read[lane] - record.first)
    // What was there twice is taken once; what is missing before it is lost.
    if (record.first > read[lane])
      for (const gap of done[lane].missing(read[lane], record.first - read[lane])) onLost({ lane, ...gap })
    for (const { first, count } of done[lane].missing(record.first + known, items.length - known))
      for (let at = first; at < first + count; at++)
        waiting[lane].push({ at, item: items[at - record.first] as never, after: read.points })
    read[lane] = Math.max(read[lane], record.first + items.length)
  }

  function fill(): void {
    while (atHand('points') < POINTS_AT_HAND && atHand('steps') < STEPS_AT_HAND) {
      const record = next()
      if (!record) return
      take(record)
    }
  }

  /** How many of a lane go next: as sent before, else as many as follow each other and the limit lets through. */
  function reach(lane: Lane, most: number): { count: number; again: boolean } {
    const list = waiting[lane]
    const start = head[lane]
    const from = list[start]!.at
    const same = before[lane].find(({ first, count }) => from >= first && from < first + count)
    const border = same
      ? same.first + same.count
      : before[lane].reduce(
          (least, { first }) => (first > from ? Math.min(least, first) : least),
          Number.POSITIVE_INFINITY,
        )
    const cap = same ? border - from : Math.min(most, border - from)
    let count = 1
    while (count < cap && list[start + count]?.at === from + count) count++
    return { count, again: same !== undefined }
  }

  function out<T>(lane: Lane, count: number): { first: number; items: T[] } {
    const list = waiting[lane]
    const first = list[head[lane]]!.at
    const items = list.slice(head[lane], head[lane] + count).map(({ item }) => item as T)
    head[lane] += count
    if (head[lane] > 1000 && head[lane] * 2 > list.length) {
      list.splice(0, head[lane])
      head[lane] = 0
    }
    return { first, items }
  }

  return {
    fill,
    isFull: (limits) => again.points.length > 0 || atHand('points') >= limits.metrics,
    points(limits) {
      const back = again.points.shift()
      if (back) return back
      if (atHand('points') === 0) return undefined
      const { count, again: repeated } = reach('points', Math.min(limits.metrics, limits.total))
      const { first, items } = out<BatchMetric>('points', count)
      return { stretch: { lane: 'points', first, count }, again: repeated, points: items, steps: [] }
    },
    steps(limits) {
      const back = again.steps[0]
      if (back) return again.steps.shift()
      if (atHand('steps') === 0) return undefined
      const start = head.steps
      const { count: most, again: repeated } = reach('steps', Number.POSITIVE_INFINITY)
      const { item, after } = waiting.steps[start]!
      if ('call' in item && item.call === 'updateRun' && done.points.watermark < after) return undefined
      const steps = waiting.steps.slice(start, start + most).map(({ item: step }) => step)
      const count = together(steps, limits)
      const { first, items } = out<Step>('steps', count)
      return { stretch: { lane: 'steps', first, count }, again: repeated, points: [], steps: items }
    },
    putBack: (parcel) => again[parcel.stretch.lane].unshift(parcel),
    get isEmpty() {
      return atHand('points') + atHand('steps') + again.points.length + again.steps.length === 0
    },
    read,
  }
}

/** How many of the first steps can go in one batch: parameters and tags, each key once; anything else goes alone. */
function together(steps: readonly Step[], limits: BatchLimits): number {
  const seen = new Set<string>()
  const counts = { param: 0, tag: 0 }
  let bytes = 0
  for (const [index, step] of steps.entries()) {
    const kind = 'param' in step ? 'param' : 'tag' in step ? 'tag' : undefined
    if (kind === undefined) return Math.max(1, index)
    const entry = (step as Record<string, BatchEntry>)[kind]!
    bytes += entrySize(entry)
    const full = counts[kind] === limits[`${kind}s`] || index === limits.total || bytes > limits.bytes
    if (index > 0 && (full || seen.has(kind + entry.key))) return index
    seen.add(kind + entry.key)
    counts[kind]++
  }
  return steps.length
}

/** Parameters and tags as the batch they go in. */
export const batchOf = ({ points, steps }: Parcel): Batch => ({
  metrics: points,
  params: steps.flatMap((step) => ('param' in step ? [step.param] : [])),
  tags: steps.flatMap((step) => ('tag' in step ? [step.tag] : [])),
})

/** A request in two, so that one entry that is refused takes no other with it. */
export function halves({ stretch, again, points, steps }: Parcel): Parcel[] {
  const middle = Math.ceil(stretch.count / 2)
  const of: Halved = { count: stretch.count, taken: 0, refused: false }
  const part = (from: number, to: number): Parcel => ({
    stretch: { lane: stretch.lane, first: stretch.first + from, count: to - from },
    again,
    of,
    points: points.slice(from, to),
    steps: steps.slice(from, to),
  })
  return [part(0, middle), part(middle, stretch.count)]
}
