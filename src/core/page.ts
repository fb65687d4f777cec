import { InvalidParameterError } from '../errors.js'
import type { FilterTarget } from './filter/fields.js'
import { shown } from './options.js'

/** How many results a page of each search has: without a wish, at least, and at most. Zero stands for the default where it is allowed. */
export const pageLimits: Readonly<Record<FilterTarget, { byDefault: number; least: 0 | 1; most: number }>> = {
  runs: { byDefault: 1_000, least: 1, most: 50_000 },
  experiments: { byDefault: 1_000, least: 1, most: 50_000 },
  registeredModels: { byDefault: 100, least: 1, most: 1_000 },
  modelVersions: { byDefault: 10_000, least: 1, most: 200_000 },
  loggedModels: { byDefault: 100, least: 0, most: Number.MAX_SAFE_INTEGER },
}

/** Points of a metric's history in one page; MLflow gives no more at once. */
export const HISTORY_PAGE = 25_000

/** The page size to use for `max_results`; throws `InvalidParameterError` naming the range when it is outside. */
export function pageSize(target: FilterTarget, maxResults: number | undefined): number {
  const { byDefault, least, most } = pageLimits[target]
  if (maxResults === undefined) return byDefault
  if (!Number.isInteger(maxResults) || maxResults < least || maxResults > most)
    throw new InvalidParameterError(
      `max_results must be a whole number from ${least} to ${most}, but is ${shown(maxResults)}; leave it out for ${byDefault}`,
    )
  return maxResults === 0 ? byDefault : maxResults
}

/** A page size or limit as a caller gives it: a whole number from 1 to `most`, 50,000 by default. */
export function checkMaxResults(maxResults: number, most = 50_000): number {
  if (Number.isInteger(maxResults) && maxResults >= 1 && maxResults <= most) return maxResults
  throw new InvalidParameterError(`maxResults is ${shown(maxResults)}; it must be a whole number from 1 to ${most}`)
}

/** The token for the page that begins at an offset above zero. */
export const tokenOf = (offset: number): string => Buffer.from(JSON.stringify({ offset })).toString('base64')

/** The offset that a token stands for; `InvalidParameterError` for one that no search gave. */
export function offsetOf(token: string): number {
  try {
    const { offset } = JSON.parse(Buffer.from(token, 'base64').toString()) as { offset?: unknown }
    const number = typeof offset === 'string' && /^[0-9]+$/.test(offset) ? Number(offset) : offset
    if (typeof number === 'number' && Number.isSafeInteger(number) && number > 0) return number
  } catch {
    // Falls to the one answer for every token that no search gave.
  }
  throw new InvalidParameterError(
    `Invalid page_token ${shown(token)}: pass the next_page_token of the page before, or none for the first page`,
  )
}

/** A page, and the token for the next one if there is more. */
export interface Page<T> {
  readonly items: T[]
  readonly next_page_token?: string
}

/** How many of the first items must be known to make that page and to say whether there is another; a bad token throws. */
export const pageEnd = (maxResults: number, token?: string): number => (token ? offsetOf(token) : 0) + maxResults + 1

/**
 * The page of at most `maxResults` items that `token` asks for, the first one without a token.
 * Tokens are MLflow's; one that is not throws `InvalidParameterError`.
 */
export function page<T>(items: readonly T[], maxResults: number, token?: string): Page<T> {
  const from = token ? offsetOf(token) : 0
  const to = from + maxResults
  return { items: items.slice(from, to), ...(to < items.length ? { next_page_token: tokenOf(to) } : {}) }
}
