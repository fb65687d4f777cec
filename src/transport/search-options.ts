import { checkedInUse, checkOptions, isText, listOf, orNull, type Rule, type Rules } from '../core/options.js'
import { CALL_OPTIONS } from './call-options.js'
import type { CallOptions } from './transport.js'

/** What every search may be told. */
interface SearchOptions extends CallOptions {
  readonly filter?: string | undefined
  readonly orderBy?: unknown
  readonly maxResults?: number | undefined
}

const SEARCH_OPTIONS: Rules<SearchOptions> = {
  filter: orNull(isText),
  orderBy: listOf('keys', isText),
  maxResults: checkedInUse,
  ...CALL_OPTIONS,
}

/**
 * The check of a search with options of its `own` beside those of every search: a filter that is passed over would find
 * everything, and the best of that is another one. Its keys to sort by are texts unless said. Answers the options.
 */
export const searchCheck =
  <T extends SearchOptions>(
    own: Rules<Omit<T, keyof SearchOptions>>,
    example = "{ filter: '…' }",
    orderBy: Rule = SEARCH_OPTIONS.orderBy,
  ) =>
  (verb: string, given: T): T => {
    const rules = { ...own, ...SEARCH_OPTIONS, orderBy }
    checkOptions<SearchOptions>(`${verb} takes options, like ${example}`, given, rules, {
      elsewhere: { filterString: 'filter' },
    })
    return given
  }
