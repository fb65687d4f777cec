import type { FilterTarget } from '../core/filter/fields.js'
import { parseFilter } from '../core/filter/parse.js'
import { checkDistinct, type LoggedModelOrder, parseLoggedModelOrder, parseOrderBy } from '../core/order.js'
import { CairnError, InvalidParameterError, reworded } from '../errors.js'
import type { Input, Operation, Output, Transport } from './transport.js'

const SEARCHED: { readonly [O in Operation]?: FilterTarget } = {
  searchRuns: 'runs',
  searchExperiments: 'experiments',
  searchRegisteredModels: 'registeredModels',
  searchModelVersions: 'modelVersions',
  searchLoggedModels: 'loggedModels',
}

/**
 * The same transport, with a filter or order that its server refuses shown at the place where it broke. What the server
 * takes is not judged here: it may know more than we do. MLflow stumbles over some of what it does not know (a 500), and
 * would at every try.
 */
export function withFilterPlace<T extends Transport>(inner: T): T {
  async function call<O extends Operation>(operation: O, input: Input<O>, options = {}): Promise<Output<O>> {
    const target = SEARCHED[operation]
    if (target === undefined) return inner.call(operation, input, options)
    try {
      return await inner.call(operation, input, options)
    } catch (error) {
      if (error instanceof InvalidParameterError) throw shown(error, input as Search, target)
      if (!(error instanceof CairnError && error.status === 500)) throw error
      const said = shown(error, input as Search, target)
      if (said === error) throw error
      // It may know more than we do, and have had another trouble: that one stumble passes.
      return await inner.call(operation, input, options).catch((second: unknown) => {
        throw second instanceof CairnError && second.status === 500 ? said : second
      })
    }
  }
  return { ...inner, call }
}

interface Search {
  readonly filter?: string
  readonly order_by?: readonly (string | LoggedModelOrder)[]
}

function shown(failure: CairnError, { filter, order_by }: Search, target: FilterTarget): CairnError {
  try {
    parseFilter(filter, target)
    const keys =
      target === 'loggedModels'
        ? parseLoggedModelOrder(order_by as readonly LoggedModelOrder[] | undefined)
        : parseOrderBy(order_by as readonly string[] | undefined, target)
    checkDistinct(keys)
    return failure
  } catch (error) {
    if (!(error instanceof InvalidParameterError)) return failure
    // Its own words stay: it may have meant something else.
    return reworded(failure, `${error.message}\nThe server says: ${failure.message}`, { as: InvalidParameterError })
  }
}
