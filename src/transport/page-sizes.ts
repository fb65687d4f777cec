import { HISTORY_PAGE } from '../core/page.js'
import { CairnError } from '../errors.js'
import { TOO_LARGE } from '../http/body.js'
import type { Input, Operation } from './transport.js'

/** The operations that answer in pages, and how much a page holds when nothing is said. */
const PAGED: Partial<Record<Operation, number>> = {
  getMetricHistory: HISTORY_PAGE,
  searchExperiments: 1_000,
  searchRuns: 1_000,
  searchLoggedModels: 100,
  searchModelVersions: 10_000,
  searchRegisteredModels: 100,
}

/** How much one server gives at once, learnt from what it refuses: Azure's takes no more than 1,000 of anything. */
export interface PageSizes {
  /** The input with a page that is no larger than is known to work. */
  within<O extends Operation>(operation: O, input: Input<O>): Input<O>
  /** Learns from a failure, and answers what to do when that was wrong; undefined when a smaller page would not help. */
  shrink(operation: Operation, input: object, error: unknown): (() => void) | undefined
}

/** Keeps the pages of an operation small once a large one was refused; until then they are asked for as they are. */
export function pageSizes(): PageSizes {
  const most = new Map<Operation, number>()
  return {
    within(operation, input) {
      const limit = most.get(operation)
      if (limit === undefined || sizeOf(operation, input) <= limit) return input
      return { ...input, max_results: limit }
    },
    shrink(operation, input, error) {
      const size = sizeOf(operation, input)
      if (PAGED[operation] === undefined || !(size > 1) || !isTooMany(error)) return undefined
      const before = most.get(operation)
      most.set(operation, Math.min(Math.ceil(size / 25), named(error, size)))
      return () => {
        // A refusal may name the word for other reasons, as a filter that has it; an answer that is too large has one.
        if (error.status !== 400) return
        if (before === undefined) most.delete(operation)
        else most.set(operation, before)
      }
    },
  }
}

function sizeOf(operation: Operation, input: object): number {
  const { max_results: asked } = input as { readonly max_results?: number }
  return asked ?? PAGED[operation] ?? Number.NaN
}

function isTooMany(error: unknown): error is CairnError {
  if (!(error instanceof CairnError)) return false
  return error.code === TOO_LARGE || (error.status === 400 && /max_?results/i.test(error.message))
}

/** The limit that a refusal names. */
function named(error: CairnError, size: number): number {
  const [, words = '', limit] = /(less than|at most|up to|exceed|<=?)\D{0,20}(\d+)/i.exec(error.message) ?? []
  const number = Number(limit) - (/less than|^<$/i.test(words) ? 1 : 0)
  return error.status === 400 && number >= 1 && number < size ? number : size
}
