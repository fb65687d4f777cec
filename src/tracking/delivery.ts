import { type Batch, type BatchEntry, type BatchLimits, type BatchMetric, entrySize } from '../core/batch.js'
import { type CairnError, InvalidParameterError, NotFoundError, reworded } from '../errors.js'

/** One step of delivery: a batch, or in its place among the writes a tag to remove, or a model that points name. */
export type Delivery = ({ readonly batch: Batch } | { readonly deleteTag: string } | { readonly linkModel: string }) & {
  /** It was sent without an answer, and may have been carried out. */
  again?: true
}

/** A parameter, a tag, or what goes alone, that waits for its turn. */
export type Entry = { readonly kind: 'param' | 'tag' | 'deleteTag' | 'linkModel' } & BatchEntry

/** What is delivered by itself; undefined for what goes in a batch. */
export function alone({ kind, key }: Entry): Delivery | undefined {
  if (kind === 'deleteTag') return { deleteTag: key }
  return kind === 'linkModel' ? { linkModel: key } : undefined
}

/**
 * Takes what goes next from the front, in its order: a tag that is written twice or removed begins a new delivery. `room`
 * says how many points go along.
 */
export function takeEntries(entries: Entry[], limits: BatchLimits): Pick<Batch, 'params' | 'tags'> & { room: number } {
  const params: BatchEntry[] = []
  const tags: BatchEntry[] = []
  const seen = new Set<string>()
  let bytes = 0
  let taken = 0
  for (; taken < entries.length; taken++) {
    const { kind, key, value } = entries[taken]!
    if (kind !== 'param' && kind !== 'tag') break
    const into = kind === 'param' ? params : tags
    bytes += entrySize({ key, value })
    if (seen.has(kind + key)) break
    if (taken === limits.total || into.length === limits[`${kind}s`] || (taken > 0 && bytes > limits.bytes)) break
    seen.add(kind + key)
    into.push({ key, value })
  }
  entries.splice(0, taken)
  // A full batch of metrics is about a tenth of the size limit, so only long parameters leave them no room.
  const room = bytes > limits.bytes / 2 ? 0 : Math.min(limits.metrics, limits.total - taken)
  return { params, tags, room }
}

/** How much of what was logged is in it, points and all else. */
export const countOf = (delivery: Delivery): number => {
  if (!('batch' in delivery)) return 'deleteTag' in delivery ? 1 : 0
  const { metrics, params, tags } = delivery.batch
  return metrics.length + params.length + tags.length
}

/**
 * What to try instead of a batch that was refused for good, so that one bad entry takes no other with it: a backend
 * refuses a batch whole. One part alone when there is nothing to be gained.
 */
export function smaller(delivery: Delivery, error: CairnError): Delivery[] {
  if (error instanceof InvalidParameterError && countOf(delivery) > 1) return halves(delivery)
  // The run is not there, or a logged model that some points name: only the latter spares the rest.
  return error instanceof NotFoundError ? byModel(delivery) : [delivery]
}

function byModel(delivery: Delivery): Delivery[] {
  if (!('batch' in delivery)) return [delivery]
  const { metrics, params, tags } = delivery.batch
  const groups = new Map<string, BatchMetric[]>()
  for (const point of metrics) {
    const model = point.model_id ?? ''
    const group = groups.get(model)
    if (group) group.push(point)
    else groups.set(model, [point])
  }
  const own = groups.get('') ?? []
  groups.delete('')
  const parts: Batch[] = [...groups.values()].map((points) => ({ metrics: points, params: [], tags: [] }))
  const rest: Batch = { metrics: own, params, tags }
  return [rest, ...parts].map((batch) => ({ batch })).filter((part) => countOf(part) > 0)
}

function halves(delivery: Delivery): Delivery[] {
  if (!('batch' in delivery)) return [delivery]
  const { metrics, params, tags } = delivery.batch
  const none = { metrics: [], params: [], tags: [] }
  const kinds: Batch[] = [
    { ...none, params },
    { ...none, tags },
    { ...none, metrics },
  ]
  const filled = kinds.filter((batch) => countOf({ batch }) > 0)
  if (filled.length > 1) return filled.map((batch) => ({ batch }))
  const part = (from: number, to?: number) => (list: readonly unknown[]) => list.slice(from, to)
  const middle = Math.ceil(countOf(delivery) / 2)
  return [part(0, middle), part(middle)].map((of) => ({
    batch: { metrics: of(metrics), params: of(params), tags: of(tags) } as Batch,
  }))
}

/** Several failures as one error of the first one's kind. */
export function asOne(errors: readonly CairnError[]): CairnError {
  const first = errors[0]!
  if (errors.length === 1) return first
  const cause = new AggregateError(errors, 'what was refused')
  return reworded(first, `${first.message} (and ${errors.length - 1} more)`, { cause })
}
