import { checkSource, isLocal, localPath } from '../artifacts/location.js'
import type { OpenArtifacts } from '../artifacts/store.js'
import { factsBehind } from '../disk/files.js'
import { IntegrityError } from '../errors.js'
import type { Transport } from '../transport/transport.js'

/** One of the two stores of a copy. */
export interface Side {
  /** The URI, or the absolute path of a local store. */
  readonly uri: string
  /** Whether it lies on this machine's disk. */
  readonly local: boolean
  /** Whether the places it names may be paths of this machine. */
  readonly sharesDisk: boolean
  readonly transport: Transport
  readonly openArtifacts: OpenArtifacts
}

/**
 * Where artifacts of a side lie. A local store that was moved still names its old place; `home` is where they would lie in
 * the store as it stands, and counts when there is nothing at the place it names.
 */
export async function placeOf(side: Side, uri: string | undefined, home: readonly string[]): Promise<string> {
  if (side.local && (!uri || isLocal(uri))) {
    const named = uri ? await factsBehind(localPath(uri)) : undefined
    const here = [side.uri, ...home].join('/')
    if (!named && (await factsBehind(here))) return here
  }
  if (!uri) throw new IntegrityError(`${side.uri} does not say where the artifacts of ${home.join('/')} lie`)
  return checkSource(uri, side.sharesDisk)
}
