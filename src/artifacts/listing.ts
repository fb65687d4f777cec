import { IntegrityError, UnsafePathError } from '../errors.js'
import { eachLimited } from './limited.js'
import { checkArtifactPath, checkLocalPath } from './paths.js'
import type { ArtifactFile, ArtifactStore } from './store.js'
import type { CopyOptions } from './transfer.js'

const MAX_ENTRIES = 1_000_000
const MAX_DEPTH = 100
/** Told of an entry whose name is refused; it is then left out, with all below it. */
export type OnUnfit = (path: string, error: UnsafePathError) => void

/**
 * Everything below a directory of a store, files and directories, in no order; hostile names are an `UnsafePathError`, or
 * told to `onUnfit`.
 */
export async function listAll(
  store: ArtifactStore,
  path: string,
  { concurrency = 8, signal, onUnfit }: CopyOptions & { readonly onUnfit?: OnUnfit | undefined } = {},
): Promise<ArtifactFile[]> {
  const found: ArtifactFile[] = []
  let level = [checkArtifactPath(path)]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH)
      throw new IntegrityError(`The artifacts below ${JSON.stringify(path)} are nested over ${MAX_DEPTH} deep`)
    const next: string[] = []
    await eachLimited(
      level,
      concurrency,
      async (dir) => {
        for (const entry of await listChecked(store, dir, signal, onUnfit)) {
          if (found.push(entry) > MAX_ENTRIES) throw new IntegrityError(`Over ${MAX_ENTRIES} artifacts are listed`)
          if (entry.isDir) next.push(entry.path)
        }
      },
      signal,
    )
    level = next
  }
  return found
}

/** One directory as the store lists it: each entry checked by the rule for paths, and directly below that directory. */
export async function listChecked(
  store: ArtifactStore,
  dir: string,
  signal?: AbortSignal,
  onUnfit?: OnUnfit,
): Promise<readonly ArtifactFile[]> {
  const listed = await store.list(dir, { signal })
  const entries = onUnfit ? listed.filter(({ path }) => isFit(path, checkLocalPath, onUnfit)) : listed
  const names = new Set<string>()
  for (const { path } of entries) {
    const clean = checkLocalPath(path)
    const below = dir === '' ? clean : clean.startsWith(`${dir}/`) ? clean.slice(dir.length + 1) : ''
    if (clean !== path || below === '' || below.includes('/'))
      throw new UnsafePathError(
        `The store lists ${JSON.stringify(path)} in ${JSON.stringify(dir)}, where it does not lie`,
      )
    if (names.has(path)) throw new IntegrityError(`The store lists ${JSON.stringify(path)} twice`)
    names.add(path)
  }
  return entries
}

/** Whether a path passes a check; `onUnfit` is told of one that does not. */
export function isFit(path: string, check: (path: string) => unknown, onUnfit: OnUnfit): boolean {
  try {
    check(path)
    return true
  } catch (error) {
    if (!(error instanceof UnsafePathError)) throw error
    onUnfit(path, error)
    return false
  }
}
