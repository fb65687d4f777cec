import { CairnError, isBadRequest } from '../errors.js'
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

/**
 * The same transport, with a batch taken of which a model has a value already: a database has kept the points of the run
 * by then, but none of those of its models, nor the tags. Both are sent after it, without the points that the models have;
 * where one has another value, and thus keeps no second one, that is told.
 */
export function withModelPoints<T extends Transport>(inner: T, warn: (message: string) => void): T {
  /** What the models have of a run, as far as that can be told. */
  async function keptOf(runId: string, models: Iterable<string>, options: CallOptions): Promise<Map<string, string>> {
    const kept = new Map<string, string>()
    for (const model_id of models) {
      const found = await inner.call('getLoggedModel', { model_id }, options).catch((error: unknown) => {
        if (!(error instanceof CairnError) || error.retryable) throw error
      })
      for (const point of found?.model.data.metrics ?? [])
        if (point.run_id === runId) kept.set(placeOf(model_id, point), keptAs(point))
    }
    return kept
  }

  async function sendRest({ run_id, metrics = [], tags = [] }: Input<'logBatch'>, options: CallOptions): Promise<void> {
    if (tags.length > 0) await inner.call('logBatch', { run_id, tags }, options)
    const ofModels = metrics.flatMap((point) => (point.model_id ? [{ point, model: point.model_id }] : []))
    const kept = await keptOf(run_id, new Set(ofModels.map(({ model }) => model)), options)
    const missing: Point[] = []
    let left: Point | undefined
    for (const { point, model } of ofModels) {
      const place = placeOf(model, point)
      const before = kept.get(place)
      // A database may refuse a NaN that the run has, and all else with it.
      if (before === undefined && !isNaNPoint(point)) {
        missing.push(point)
        kept.set(place, keptAs(point))
      } else if (before !== keptAs(point)) left ??= point
    }
    if (missing.length > 0)
      await inner.call('logBatch', { run_id, metrics: missing }, options).catch((error: unknown) => {
        // Somebody else logs to the same model, or what it has could not be told.
        if (!isTaken(error)) throw error
        left ??= missing[0]
      })
    if (left)
      warn(
        `The logged model ${left.model_id} has another value of ${JSON.stringify(left.key)} at the same step and time already, and keeps one: the run has all points, the model lacks some. Give each point a step or timestamp of its own`,
      )
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
      await sendRest(input as Input<'logBatch'>, options)
      return {} as Output<O>
    }
  }
  return { ...inner, call }
}
