import { shown } from '../core/options.js'
import { InvalidParameterError, ProtocolError } from '../errors.js'

/** One page of a search: what was found, and the token of the next page, when there is one. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly nextPageToken?: string | undefined
}

/** All items of a search, one page after the other, asked for as they are consumed. */
export async function* allPages<T>(fetch: (token: string | undefined) => Promise<Page<T>>): AsyncGenerator<T> {
  let token: string | undefined
  do {
    const page = await fetch(token)
    yield* page.items
    const next = page.nextPageToken || undefined
    if (next !== undefined && next === token)
      throw new ProtocolError('The server names the page it has just given as the next one, so there is no end to them')
    token = next
  } while (token !== undefined)
}

/**
 * The first `maxResults` items of a search, joined: `byDefault` unless said, all of them for `Infinity`, asked for in
 * pages of at most `most`.
 */
export async function firstOf<T, O extends { readonly maxResults?: number | undefined }>(
  search: (options: O) => AsyncIterable<T>,
  options: O,
  { byDefault, most }: { readonly byDefault: number; readonly most: number },
): Promise<T[]> {
  const { maxResults = byDefault } = options
  if (!(Number.isInteger(maxResults) || maxResults === Number.POSITIVE_INFINITY) || maxResults < 1)
    throw new InvalidParameterError(
      `maxResults is ${shown(maxResults)}; it must be a whole number from 1, or Infinity for all`,
    )
  const found: T[] = []
  for await (const item of search({ ...options, maxResults: Math.min(maxResults, most) }))
    if (found.push(item) >= maxResults) break
  return found
}
