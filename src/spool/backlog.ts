import type { BatchLimits } from '../core/batch.js'
import { metricRing } from '../core/ring.js'
import type { Lane, Stretch } from './acks.js'
import { countTogether, endMayPass, isOfFiles, keyOf, keysOf, kindOf, mayBePassed } from './order.js'
import type { Parcel } from './parcel.js'
import type { Ranges } from './ranges.js'
import type { SpoolRecord } from './records.js'
import type { Step } from './steps.js'
import { isAlone, isLikeTaken, MOST_MS, mayGo, type Tally } from './stuck.js'

/** What of a log is read and not on its way yet, cut into requests. */
export interface Backlog {
  /** Takes records in until enough is at hand; answers whether it came to the end of the log. */
  fill(): boolean
  /** Whether enough points are at hand to fill a request. */
  isFull(limits: BatchLimits): boolean
  /** The next request of points, taken out. */
  points(limits: BatchLimits): Parcel | undefined
  /** The next request of steps, taken out; a run's end waits for the points before it. */
  steps(limits: BatchLimits): Parcel | undefined
  /** Puts a request back at the front of its lane, as it is. */
  putBack(parcel: Parcel): void
  /** Somebody waits: what was put off may go. */
  lift(): void
  /** Whether nothing that was read is left. */
  readonly isEmpty: boolean
  /** Whether steps are left. */
  readonly hasSteps: boolean
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
  /** What the server has taken of a kind. */
  readonly tally: (kind: string) => Tally
}

const AT_HAND = { points: 4000, steps: 2000 }
/** While a lane stands still, so that what the other goes on with is read. */
const MOST_AT_HAND = { points: 100_000, steps: 10_000 }
/** Taken out and not taken by the server: these are objects, and it is asked about each. */
const MOST_STUCK = 20_000
/** A server that takes nothing of a kind is asked no oftener than this, by one run. */
const APART_MS = 500
/** Most of ten thousand runs wait with few points. */
const FIRST_ROOM = 16

interface WaitingStep {
  readonly at: number
  readonly step: Step
  /** How many points were logged before. */
  readonly after: number
}

/** Cuts what `next` reads of one log into requests, without what is done with. */
export function backlog({ next, done, tried, onLost, tally }: BacklogSource): Backlog {
  const read = { points: 0, steps: 0 }
  /** Points in the order of the log, and which they are: stretches that do not follow each other. */
  const points = metricRing(FIRST_ROOM)
  const stretches: { first: number; count: number }[] = []
  const steps: WaitingStep[] = []
  const again: Record<Lane, Parcel[]> = { points: [], steps: [] }
  const before: Record<Lane, readonly Stretch[]> = {
    points: tried.filter(({ lane }) => lane === 'points'),
    steps: tried.filter(({ lane }) => lane === 'steps'),
  }
  /** When one went out last of a kind that the server does not take; and one more of those that have not failed yet. */
  const askedAt = { points: Number.NEGATIVE_INFINITY, steps: Number.NEGATIVE_INFINITY }
  const moreAt = { points: Number.NEGATIVE_INFINITY, files: Number.NEGATIVE_INFINITY }

  function take(record: SpoolRecord): void {
    const lane = record.kind
    const known = Math.max(0, read[lane] - record.first)
    // What was there twice is taken once; what is missing before it is lost.
    if (record.first > read[lane])
      for (const gap of done[lane].missing(read[lane], record.first - read[lane])) onLost({ lane, ...gap })
    for (const { first, count } of done[lane].missing(record.first + known, record.count - known)) {
      const from = first - record.first
      if (record.kind === 'steps')
        for (let n = from; n < from + count; n++)
          steps.push({ at: record.first + n, step: record.steps[n]!, after: read.points })
      else {
        while (points.size + count > points.capacity) points.grow(points.capacity * 2)
        record.into(points, from, count)
        const last = stretches.at(-1)
        if (last && last.first + last.count === first) last.count += count
        else stretches.push({ first, count })
      }
    }
    read[lane] = Math.max(read[lane], record.first + record.count)
  }

  function fill(): boolean {
    const most = (lane: Lane) => (again[lane].some(({ stuck }) => stuck) ? MOST_AT_HAND : AT_HAND)[lane]
    const [mostPoints, mostSteps] = [most('points'), most('steps')]
    while (points.size < mostPoints && steps.length < mostSteps) {
      const record = next()
      if (!record) return true
      take(record)
    }
    return false
  }

  /** How many of a lane go next from `from` on: as sent before, else as many as the limit lets through. */
  function reach(lane: Lane, from: number, most: number): { most: number; again: boolean } {
    const same = before[lane].find(({ first, count }) => from >= first && from < first + count)
    if (same) return { most: same.first + same.count - from, again: true }
    let border = Number.POSITIVE_INFINITY
    for (const { first } of before[lane]) if (first > from) border = Math.min(border, first)
    return { most: Math.min(most, border - from), again: false }
  }

  function takeBack(lane: Lane): Parcel | undefined {
    const isEarly = performance.now() < askedAt[lane] + APART_MS
    const index = again[lane].findIndex(
      (parcel) => mayGo(parcel) && !(isEarly && isOfNone(parcel)) && !isBehind(parcel),
    )
    const [parcel] = index < 0 ? [] : again[lane].splice(index, 1)
    if (parcel && isOfNone(parcel)) askedAt[lane] = performance.now()
    return parcel
  }

  /** Whether an earlier part of what was one request is about the same: of two tags of one key the later one stays. */
  function isBehind({ stretch, steps }: Parcel): boolean {
    const earlier = again.steps.filter((other) => other.stretch.first < stretch.first)
    const held = keysOf(earlier.flatMap((parcel) => parcel.steps))
    return steps.some((step) => held.has(keyOf(step) ?? ''))
  }

  /** Whether the server takes nothing of its kind, as far as is known. */
  const isOfNone = (parcel: Parcel): boolean =>
    parcel.stuck !== undefined &&
    (isAlone(parcel.stuck) || isOfFiles(parcel)) &&
    !isLikeTaken(parcel.stuck, tally(kindOf(parcel)))

  /** Whether more of what the server takes nothing of has to wait: the longer the more there is of it. */
  function isTooSoon(kind: 'points' | 'files', among: readonly Parcel[]): boolean {
    const count = among.filter((parcel) => kindOf(parcel) === kind && isOfNone(parcel)).length
    return performance.now() < moreAt[kind] + Math.min(MOST_MS, count * APART_MS)
  }

  /** Whether all points before are done with, but for those that the server does not take while it takes others. */
  function isThrough(after: number): boolean {
    const stuckAlone = again.points.filter(mayBePassed).reduce((sum, { stretch }) => sum + stretch.count, 0)
    return done.points.watermark >= after || (stuckAlone > 0 && done.points.size + stuckAlone >= after)
  }

  /** How many steps from one on follow each other. */
  function follow(from: number, most: number): number {
    let count = 1
    while (count < most && steps[from + count]?.at === steps[from]!.at + count) count++
    return count
  }

  return {
    fill,
    isFull: (limits) => again.points.some(mayGo) || points.size >= limits.metrics,
    points(limits) {
      const back = takeBack('points')
      if (back) return back
      const [stretch] = stretches
      if (!stretch) return undefined
      const stuck = again.points.reduce((sum, parcel) => sum + parcel.stretch.count, 0)
      if (stuck >= MOST_STUCK || isTooSoon('points', again.points)) return undefined
      moreAt.points = performance.now()
      const { first } = stretch
      const { most, again: repeated } = reach('points', first, Math.min(limits.metrics, limits.total))
      const count = Math.min(most, stretch.count)
      stretch.first += count
      stretch.count -= count
      if (stretch.count === 0) stretches.shift()
      return { stretch: { lane: 'points', first, count }, again: repeated, points: points.take(count), steps: [] }
    },
    steps(limits) {
      const back = takeBack('steps')
      // Steps keep their order; only those of other keys than what is stuck alone pass each other.
      if (back || !again.steps.every(mayBePassed)) return back
      const held = keysOf(again.steps.flatMap((parcel) => parcel.steps))
      const isRested = !isTooSoon('files', again.steps)
      // While one waits for the server, another would only find out that it is still away.
      const isFilesTurn = isRested && again.steps.every((one) => !isOfFiles(one) || isAlone(one.stuck!) || mayGo(one))
      const isFile = ({ step }: WaitingStep) => 'artifact' in step || 'model' in step
      const at = steps.findIndex((one) => !held.has(keyOf(one.step) ?? '') && (isFilesTurn || !isFile(one)))
      const head = steps[at]
      if (!head) return undefined
      const { at: first, step, after } = head
      if (isFile(head)) moreAt.files = performance.now()
      // Files before it that only wait for their turn were not tried yet.
      const isEndsTurn = () => isRested && isThrough(after) && again.steps.every(endMayPass)
      if ('call' in step && step.call === 'updateRun' && !isEndsTurn()) return undefined
      const { most, again: repeated } = reach('steps', first, limits.total)
      const next = steps.slice(at, at + follow(at, most)).map((waiting) => waiting.step)
      const items = next.slice(0, countTogether(next, limits, held))
      steps.splice(at, items.length)
      return { stretch: { lane: 'steps', first, count: items.length }, again: repeated, points: [], steps: items }
    },
    lift() {
      for (const { stuck } of again.steps) if (stuck) stuck.until = 0
      moreAt.files = Number.NEGATIVE_INFINITY
    },
    putBack: (parcel) => again[parcel.stretch.lane].unshift(parcel),
    get isEmpty() {
      return points.size + steps.length + again.points.length + again.steps.length === 0
    },
    get hasSteps() {
      return steps.length + again.steps.length > 0
    },
    read,
  }
}
