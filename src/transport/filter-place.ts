import type { FilterTarget } from '../core/filter/fields.js'
import { parseFilter } from '../core/filter/parse.js'
import { InvalidParameterError } from '../errors.js'
import type { Input, Operation, Output, Transport } from './transport.js'

const SEARCHED: { readonly [O in Operation]?: FilterTarget } = {
  searchRuns: 'runs',
  searchExperiments: 'experiments',
  searchRegisteredModels: 'registeredModels',
  searchModelVersions: 'modelVersions',
  searchLoggedModels: 'loggedModels',
}

/**
 * The same transport, with a filter that its server refuses shown at the place where it broke. What the server takes is
 * not judged here: it may know more than we do.
 */
export function withFilterPlace(inner: Transport): Transport {
  async function call<O extends Operation>(operation: O, input: Input<O>, options = {}): Promise<Output<O>> {
    const target = SEARCHED[operation]
    if (target === undefined) return inner.call(operation, input, options)
    try {
      return await inner.call(operation, input, options)
    } catch (error) {
      throw error instanceof InvalidParameterError ? shown(error, (input as { filter?: string }).filter, target) : error
    }
  }
  return { ...inner, call }
}

function shown(
  refusal: InvalidParameterError,
  filter: string | undefined,
  target: FilterTarget,
): InvalidParameterError {
  try {
    parseFilter(filter, target)
    return refusal
  } catch (error) {
    if (!(error instanceof InvalidParameterError)) return refusal
    // Its own words stay: it may have meant something else.
    return new InvalidParameterError(`${error.message}\nThe server says: ${refusal.message}`, {
      ...refusal,
      cause: refusal,
    })
  }
}
