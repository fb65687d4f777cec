import { failureKind } from '../core/retry.js'
import { CairnError, isBadRequest, reworded } from '../errors.js'
import { isNaNPoint, type Point, pointIdentity } from './history.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

const TABLE = 'logged_model_metrics'

/** Whether a database refuses a model's second value of a metric at one step and time; each says so in its own words, before its SQL. */
function isTaken(error: unknown): boolean {
  if (!isBadRequest(error)) return false
  const [said = '', sql = ''] = (error as CairnError).message.split('[SQL: ')
  return /unique constraint|duplicate/i.test(said) && (said.includes(TABLE) || sql.startsWith(`INSERT INTO ${TABLE}`))
}

/** Of what a model keeps one value. */
const placeOf = (modelId: string, { key, step = 0, timestamp = 0 }: Point): string =>
  `${modelId}\n${key}\n${step}\n${timestamp}`

/** Models have 0 for a NaN. */
const keptAs = (point: Point): string => pointIdentity(isNaNPoint(point) ? { ...point, value: 0 } : point)

/** What fails once a run has its points, if only since it was not sent, leaves a batch half carried out: the next try is its second. */
function halfDone(error: unknown): unknown {
  if (failureKind(error) !== 'not sent' && failureKind(error) !== 'throttled') return error
  const { message } = error as CairnError
  return reworded(error as CairnError, message, { notSent: false, status: undefined })
}

type OfModel = Point & { readonly model_id: string }

/**
 * The same transport, with a batch taken of which a model has a value already: a database has kept the points of the run
 * by then, but none of those of its models, nor the tags. Both are sent after it, without the points that the models have;
 * where one has another value, and thus keeps no second one, that is told, to a `warn` that passes over what it has said.
 */
export function withModelPoints<T extends Transport>(inner: T, warn: (message: string) => void): T {
  /** Models that could not be read, as one with more points than an answer may hold. */
  const unread = new Set<string>()

  /** What the models have of a run, as far as that can be told. */
  async function keptOf(runId: string, models: Iterable<string>, options: CallOptions): Promise<Map<string, string>> {
    const kept = new Map<string, string>()
    for (const model_id of models) {
      if (unread.has(model_id)) continue
      const found = await inner.call('getLoggedModel', { model_id }, options).catch((error: unknown) => {
        if (!(error instanceof CairnError) || error.retryable) throw error
        unread.add(model_id)
      })
      for (const point of found?.model.data.metrics ?? [])
        if (point.run_id === runId) kept.set(placeOf(model_id, point), keptAs(point))
    }
    return kept
  }

  const lacks = ({ model_id }: OfModel): void =>
    warn(
      `The logged model ${model_id} has another value of some metrics at the same step and time already, and keeps one: the run has all points, the model lacks some. Give each point a step or timestamp of its own`,
    )

  /**
   * Sends points of which one may be refused again, as what a model has could not be told, or somebody else logs to it:
   * then by halves. They are not left to the caller, to whom halves that are taken say that the whole was too long.
   */
  async function sendParts(run_id: string, metrics: OfModel[], options: CallOptions): Promise<void> {
    if (metrics.length === 0) return
    try {
      await inner.call('logBatch', { run_id, metrics }, options)
    } catch (error) {
      if (!isTaken(error)) throw error
      if (metrics.length === 1) return lacks(metrics[0]!)
      const middle = Math.ceil(metrics.length / 2)
      await sendParts(run_id, metrics.slice(0, middle), options)
      await sendParts(run_id, metrics.slice(middle), options)
    }
  }

  async function sendRest({ run_id, metrics = [], tags = [] }: Input<'logBatch'>, options: CallOptions): Promise<void> {
    if (tags.length > 0) await inner.call('logBatch', { run_id, tags }, options)
    const ofModels = metrics.filter((point): point is OfModel => Boolean(point.model_id))
    // Of one alone it is plain, without a look, what was refused.
    if (ofModels.length === 1) return lacks(ofModels[0]!)
    const kept = await keptOf(run_id, new Set(ofModels.map(({ model_id }) => model_id)), options)
    const missing: OfModel[] = []
    for (const point of ofModels) {
      const place = placeOf(point.model_id, point)
      const before = kept.get(place)
      if (before === undefined) {
        missing.push(point)
        kept.set(place, keptAs(point))
      } else if (before !== keptAs(point)) lacks(point)
    }
    const isNumber = (point: Point) => !isNaNPoint(point)
    await sendParts(run_id, missing.filter(isNumber), options)
    await sendParts(run_id, missing.filter(isNaNPoint), options).catch((error: unknown) => {
      // A database may refuse a NaN that the run has.
      if (!isBadRequest(error)) throw error
    })
  }

  async function call<O extends Operation>(
    operation: O,
    input: Input<O>,
    options: CallOptions = {},
  ): Promise<Output<O>> {
    try {
      return await inner.call(operation, input, options)
    } catch (error) {
      if (operation !== 'logBatch' || !isTaken(error)) throw error
      await sendRest(input as Input<'logBatch'>, options).catch((error: unknown) => {
        throw halfDone(error)
      })
      return {} as Output<O>
    }
  }
  return { ...inner, call }
}
