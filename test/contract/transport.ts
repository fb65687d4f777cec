import type { ContractOptions, Make } from './registry/facts.js'
import { experimentFacts } from './tracking/experiments.js'
import { inputFacts } from './tracking/inputs.js'
import { metricFacts } from './tracking/metrics.js'
import { runFacts } from './tracking/runs.js'
import { searchFacts } from './tracking/search.js'
import { loggedModelContract, registryContract } from './transport-registry.js'

export type { ContractOptions, Made, Make } from './registry/facts.js'

/** Experiments, runs, metrics, inputs, searches: what every tracking backend does. */
export function trackingContract(make: Make, options: ContractOptions = {}): void {
  experimentFacts(make, options)
  runFacts(make, options)
  metricFacts(make, options)
  inputFacts(make, options)
  searchFacts(make, options)
}

/** All that the SDK asks of a transport: tracking, logged models and the registry. */
export function transportContract(make: Make, options: ContractOptions = {}): void {
  trackingContract(make, options)
  loggedModelContract(make, options)
  registryContract(make, options)
}

/** What is otherwise wherever calls go over HTTP: the transport there goes by what a server gives at once. */
export const OVER_HTTP: NonNullable<ContractOptions['differs']> = {
  'a page of more runs than there may be is refused': 'it becomes as large as the server gives',
  'a page of more models or versions than there may be is refused': 'it becomes as large as the server gives',
}
