import type { Batch, BatchMetric } from '../core/batch.js'
import type { Stretch } from './acks.js'
import type { Step } from './steps.js'
import { ofPart, type Stuck } from './stuck.js'

/** What goes out as one request. */
export interface Parcel {
  readonly stretch: Stretch
  /** Whether it may have been carried out already. */
  again: boolean
  readonly points: readonly BatchMetric[]
  readonly steps: readonly Step[]
  /** The request that was refused whole and of which this is a half. */
  readonly of?: Halved | undefined
  /** How it fares with a server that answers it 500. */
  stuck?: Stuck | undefined
}

/** A request that went out in two: when both halves were taken, it was only too long. */
export interface Halved {
  readonly count: number
  taken: number
  refused: boolean
}

/** Parameters and tags as the batch they go in; of the tags of one key the last. */
export const batchOf = ({ points, steps }: Parcel): Batch => ({
  metrics: points,
  params: steps.flatMap((step) => ('param' in step ? [step.param] : [])),
  tags: [...new Map(steps.flatMap((step) => ('tag' in step ? [[step.tag.key, step.tag]] : []))).values()],
})

/** A request in two, so that one entry that is refused takes no other with it. */
export function halves({ stretch, again, points, steps, stuck }: Parcel, of: Halved | undefined): Parcel[] {
  const middle = Math.ceil(stretch.count / 2)
  const part = (from: number, to: number): Parcel => ({
    stretch: { lane: stretch.lane, first: stretch.first + from, count: to - from },
    again,
    of,
    stuck: stuck && ofPart(stuck),
    points: points.slice(from, to),
    steps: steps.slice(from, to),
  })
  return [part(0, middle), part(middle, stretch.count)]
}
