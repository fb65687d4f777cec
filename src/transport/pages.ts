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
    token = page.nextPageToken || undefined
  } while (token !== undefined)
}

/** The first `limit` items, joined. */
export async function firstOf<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const found: T[] = []
  if (limit <= 0) return found
  for await (const item of items) if (found.push(item) >= limit) break
  return found
}
