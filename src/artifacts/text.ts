import { NotFoundError } from '../errors.js'
import type { ArtifactStore, TransferOptions } from './store.js'

/** The text of one file, whole; undefined when there is none. */
export async function textAt(
  store: ArtifactStore,
  path: string,
  options?: TransferOptions,
): Promise<string | undefined> {
  try {
    return await new Response(await store.read(path, options)).text()
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}
