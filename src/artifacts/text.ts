import { absent } from '../errors.js'
import type { ArtifactStore, TransferOptions } from './store.js'

/** The text of one file, whole; undefined when there is none. */
export async function textAt(
  store: ArtifactStore,
  path: string,
  options?: TransferOptions,
): Promise<string | undefined> {
  const read = async () => new Response(await store.read(path, options)).text()
  return read().catch(absent)
}
