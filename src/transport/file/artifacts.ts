import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkRelativePath } from '../../core/relative-path.js'
import { isInside, listEntries } from '../../disk/walk.js'
import { exists, stateOf } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError, UnsafePathError } from '../../errors.js'
import type { Output, WireFile } from '../protocol.js'
import type { HandlersOf } from './handlers.js'
import type { Store } from './layout.js'
import { findRun } from './run-meta.js'

/** The local folder an artifact URI means (`file:` or a plain path); undefined when it lies elsewhere. */
export function localPath(uri: string): string | undefined {
  if (/^file:/i.test(uri)) {
    try {
      return fileURLToPath(uri)
    } catch (error) {
      throw new InvalidParameterError(`${uri} is not a file URI of this machine`, { cause: error })
    }
  }
  return /^[a-z][a-z0-9+.-]+:/i.test(uri) ? undefined : uri
}

// What a store of artifacts is writing, and Python's and our own staging; no file of a user is called so.
const HIDDEN = /^\.stage-\d+-[0-9a-f]{16}$|^\.cairn-|^\.?mlflow_tmp/

/** What lies in a folder below `root`: names relative to `root`, sorted; nothing for a file or a missing path. */
function listLocal(root: string, path: string | undefined): WireFile[] {
  const inside = path ? checkRelativePath(path.replace(/\/+$/, ''), 'The artifact path') : ''
  const dir = join(root, inside)
  if (!exists(dir)) return []
  if (!isInside(root, dir)) throw new UnsafePathError(`The artifact path ${JSON.stringify(path)} leads out of ${root}`)
  return listEntries(dir).flatMap(({ name, kind }) => {
    const file = join(dir, name)
    const state = HIDDEN.test(name) || kind === 'other' ? undefined : stateOf(file)
    // A link may point elsewhere in the folder, and nowhere else.
    if (!state || (kind === 'link' && !isInside(root, file))) return []
    const listed = inside ? `${inside}/${name}` : name
    return state.isDirectory ? { path: listed, is_dir: true } : { path: listed, is_dir: false, file_size: state.size }
  })
}

/** What lies at an artifact URI, here or, by the store's `listElsewhere`, wherever it is; as the wire has it. */
export async function listAt(store: Store, uri: string, path: string | undefined): Promise<Output<'listArtifacts'>> {
  const root = localPath(uri)
  if (root !== undefined) return { root_uri: uri, files: listLocal(root, path) }
  if (!store.listElsewhere)
    throw new InvalidParameterError(`The artifacts lie at ${uri}, which a local store cannot list by itself`)
  return { root_uri: uri, files: [...(await store.listElsewhere(uri, path))] }
}

/** The operation that lists a run's artifacts. */
export const artifacts = (store: Store): HandlersOf<'listArtifacts'> => ({
  async listArtifacts(input) {
    const { artifact_uri: uri } = findRun(store, input.run_id).info
    if (!uri) throw new NotFoundError(`The run ${input.run_id} has no artifact_uri`)
    return listAt(store, uri, input.path)
  },
})
