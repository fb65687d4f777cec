import { paramTaken } from '../core/param-taken.js'
import {
  AlreadyExistsError,
  absent,
  CairnError,
  type CairnErrorOptions,
  InvalidParameterError,
  isBadRequest,
  NotFoundError,
  ParamConflictError,
} from '../errors.js'
import { missingPoints } from './history.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

interface Refused<O extends Operation> {
  readonly transport: Transport
  readonly input: Input<O>
  readonly options: CallOptions
  readonly refusal: CairnError
}
/** What a refusal comes to: what is meant by it, or the answer where all is as it was to be; undefined when it speaks for itself. */
type Meaning<O extends Operation> = (of: Refused<O>) => Promise<CairnError | Output<O> | undefined>
type ErrorClass = new (message: string, options: CairnErrorOptions) => CairnError

const quoted = JSON.stringify

const inWords = (Kind: ErrorClass, refusal: CairnError, message: string): CairnError => {
  const { status, url, requestId } = refusal
  return new Kind(message, { cause: refusal, status, url, requestId })
}

const meanings: { readonly [O in Operation]?: Meaning<O> } = {
  async createExperiment({ transport, input: { name }, options, refusal }) {
    if (!(refusal instanceof AlreadyExistsError)) return undefined
    const { experiment } = await transport.call('getExperimentByName', { experiment_name: name }, options)
    const { experiment_id: id, lifecycle_stage: stage } = experiment
    const said =
      stage === 'deleted'
        ? `exists, deleted (id ${id}); bring it back with restoreExperiment('${id}')`
        : `exists already (id ${id}); use that`
    return inWords(AlreadyExistsError, refusal, `An experiment ${quoted(name)} ${said}, or choose another name`)
  },

  async renameRegisteredModel({ input: { new_name: name }, refusal }) {
    if (!(refusal instanceof AlreadyExistsError)) return undefined
    return inWords(
      AlreadyExistsError,
      refusal,
      `A registered model ${quoted(name)} exists already; choose another name`,
    )
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
      return inWords(InvalidParameterError, refusal, said)
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

  async logBatch({ transport, input: { run_id, params = [], metrics = [] }, options, refusal }) {
    if (refusal instanceof ParamConflictError) {
      const { run } = await transport.call('getRun', { run_id }, options)
      const there = new Map(run.data.params.map(({ key, value }) => [key, value]))
      for (const { key, value = '' } of params) {
        const before = there.get(key)
        if (before !== undefined && before !== value)
          return inWords(ParamConflictError, refusal, paramTaken(key, before, value))
      }
    }
    // Of several points each will come by itself.
    const [point, ...others] = metrics
    if (!isBadRequest(refusal) || point?.model_id === undefined || others.length > 0) return undefined
    const { model_id, key } = point
    if (await transport.call('getLoggedModel', { model_id }, options).catch(absent)) return undefined
    // A database keeps the points of the run before it looks for the model.
    const isKept = (await missingPoints(transport, run_id, [point], options)).length === 0
    const said = isKept ? `the run has the point of ${quoted(key)}, the model has not` : `${quoted(key)} names it`
    return inWords(NotFoundError, refusal, `There is no logged model ${model_id}: ${said}`)
  },
}

/**
 * The same transport, with what a database refuses told in our words, after a look at what is there: servers hand on its
 * SQL. A link between run and model that is there already is success.
 */
export function withMeaning<T extends Transport>(inner: T): T {
  async function call<O extends Operation>(operation: O, input: Input<O>, options = {}): Promise<Output<O>> {
    try {
      return await inner.call(operation, input, options)
    } catch (refusal) {
      const meaning: Meaning<O> | undefined = meanings[operation]
      if (!meaning || !(refusal instanceof CairnError) || refusal.retryable) throw refusal
      const meant = await meaning({ transport: inner, input, options, refusal }).catch(() => undefined)
      if (meant === undefined) throw refusal
      if (meant instanceof CairnError) throw meant
      return meant
    }
  }
  return { ...inner, call }
}
