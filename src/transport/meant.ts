import { toMap } from '../core/pairs.js'
import { paramTaken } from '../core/param-taken.js'
import {
  AlreadyExistsError,
  absent,
  CairnError,
  InvalidParameterError,
  isBadRequest,
  NotFoundError,
  ParamConflictError,
  reworded,
} from '../errors.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

interface Refused<O extends Operation> {
  readonly transport: Transport
  readonly input: Input<O>
  readonly options: CallOptions
  readonly refusal: CairnError
  /** Whether a logged model is not there. */
  readonly isMissing: (modelId: string) => Promise<boolean>
}
/** What a refusal comes to: what is meant by it, or the answer where all is as it was to be; undefined when it speaks for itself. */
type Meaning<O extends Operation> = (of: Refused<O>) => Promise<CairnError | Output<O> | undefined>

const isLasting = (error: unknown): boolean => error instanceof CairnError && !error.retryable

const quoted = JSON.stringify

const meanings: { readonly [O in Operation]?: Meaning<O> } = {
  async createExperiment({ transport, input: { name }, options, refusal }) {
    if (!(refusal instanceof AlreadyExistsError)) return undefined
    const { experiment } = await transport.call('getExperimentByName', { experiment_name: name }, options)
    const { experiment_id: id, lifecycle_stage: stage } = experiment
    const said =
      stage === 'deleted'
        ? `exists, deleted (id ${id}); bring it back with restoreExperiment('${id}')`
        : `exists already (id ${id}); use that`
    return reworded(refusal, `An experiment ${quoted(name)} ${said}, or choose another name`, {
      as: AlreadyExistsError,
    })
  },

  async renameRegisteredModel({ input: { new_name: name }, refusal }) {
    if (!(refusal instanceof AlreadyExistsError)) return undefined
    return reworded(refusal, `A registered model ${quoted(name)} exists already; choose another name`, {
      as: AlreadyExistsError,
    })
  },

  async logOutputs({ transport, input: { run_id, models }, options, refusal }) {
    if (!isBadRequest(refusal)) return undefined
    const { run } = await transport.call('getRun', { run_id }, options)
    const there = new Map(run.outputs?.model_outputs.map(({ model_id, step = 0 }) => [model_id, step]))
    const rest = models.filter(({ model_id }) => !there.has(model_id))
    if (rest.length === models.length) return undefined
    for (const { model_id, step = 0 } of models) {
      const before = there.get(model_id)
      if (before === undefined || String(before) === String(step)) continue
      const said = `The logged model ${model_id} is an output at step ${before} already and cannot be one at step ${step} too; leave it out`
      return reworded(refusal, said, { as: InvalidParameterError })
    }
    return rest.length === 0 ? {} : transport.call('logOutputs', { run_id, models: rest }, options)
  },

  async logInputs({ transport, input: { run_id, datasets, models = [] }, options, refusal }) {
    if (!isBadRequest(refusal)) return undefined
    const { run } = await transport.call('getRun', { run_id }, options)
    const there = new Set(run.inputs?.model_inputs.map(({ model_id }) => model_id))
    const rest = models.filter(({ model_id }) => !there.has(model_id))
    if (rest.length === models.length) return undefined
    if (rest.length === 0 && !datasets?.length) return {}
    return transport.call('logInputs', { run_id, datasets, models: rest }, options)
  },

  async logBatch({ transport, input: { run_id, params = [], metrics = [] }, options, refusal, isMissing }) {
    if (refusal instanceof ParamConflictError) {
      const { run } = await transport.call('getRun', { run_id }, options)
      const there = toMap(run.data.params)
      for (const { key, value = '' } of params) {
        const before = there.get(key)
        if (before !== undefined && before !== value)
          return reworded(refusal, paramTaken(key, before, value), { as: ParamConflictError })
      }
    }
    const [{ model_id, key } = {}] = metrics
    // Points of several models will come by themselves.
    if (!isBadRequest(refusal) || model_id === undefined || metrics.some((point) => point.model_id !== model_id))
      return undefined
    if (!(await isMissing(model_id))) return undefined
    // A database keeps the points of the run before it looks for the model.
    const said = `There is no logged model ${model_id}: ${quoted(key)} names it; the run may have the points all the same`
    return reworded(refusal, said, { as: NotFoundError })
  },
}

/** The most answers that are remembered: a refused batch comes again in parts, each of which names the same model. */
const MOST_MODELS = 1000

/**
 * The same transport, with what a database refuses told in our words, after a look at what is there: servers hand on its
 * SQL. A link between run and model that is there already is success.
 */
export function withMeaning<T extends Transport>(inner: T): T {
  const missing = new Map<string, boolean>()

  async function isMissing(model_id: string, options: CallOptions): Promise<boolean> {
    const known = missing.get(model_id)
    if (known !== undefined) return known
    const isThere = await inner.call('getLoggedModel', { model_id }, options).catch(absent)
    if (missing.size >= MOST_MODELS) missing.clear()
    missing.set(model_id, !isThere)
    return !isThere
  }

  async function call<O extends Operation>(operation: O, input: Input<O>, options = {}): Promise<Output<O>> {
    try {
      return await inner.call(operation, input, options)
    } catch (refusal) {
      const meaning: Meaning<O> | undefined = meanings[operation]
      if (!meaning || !(refusal instanceof CairnError) || refusal.retryable) throw refusal
      const looking = meaning({
        transport: inner,
        input,
        options,
        refusal,
        isMissing: (modelId) => isMissing(modelId, options),
      })
      const meant = await looking.catch((failure: unknown) => {
        // What may have been done already is not refused for good before that was looked up.
        if (isBadRequest(refusal) && !isLasting(failure)) throw failure
      })
      if (meant === undefined) throw refusal
      if (meant instanceof CairnError) throw meant
      return meant
    }
  }
  return { ...inner, call }
}
