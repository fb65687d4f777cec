import { createHash, randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { shown } from '../core/options.js'
import { factsOf, makeDirs, move, namesIn, readText, removeAll, saveFile, touch } from '../disk/files.js'
import { noRoom, unmake } from '../disk/no-room.js'
import { isStage, once, sweepStages } from '../disk/stage.js'
import { tree } from '../disk/tree.js'
import { CairnError, IntegrityError, InvalidParameterError, NotFoundError } from '../errors.js'
import { prepareRoot } from './cache-root.js'
import { verifyManifest, writeManifest } from './manifest.js'
import { sharedWork } from './shared-work.js'

/** What tells one cached model from every other: its name is for people, all `parts` together are its identity. */
export interface CacheKey {
  readonly name: string
  /** What stands first in the entry's own name: a version, an id. */
  readonly label: string
  readonly parts: readonly string[]
}

export interface CachedOptions {
  /** `changed` (default) hashes only files whose time, inode or mode moved; `always` hashes all. */
  readonly verify?: 'changed' | 'always' | undefined
  /** Why nothing may be fetched; then an absent entry is a `NotFoundError` and a damaged one an `IntegrityError`. */
  readonly offline?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** One model in the cache. Times are epoch milliseconds. */
export interface CacheEntry {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly usedAt: number
}

/** What the cache holds, and where. */
export interface CacheInfo {
  readonly dir: string
  readonly bytes: number
  readonly entries: readonly CacheEntry[]
}

/** What `pruneCache` takes away; with neither it takes nothing. */
export interface PruneOptions {
  /** The least recently used go until no more than this stays. */
  readonly maxBytes?: number | undefined
  /** What was not used for longer than that goes. */
  readonly olderThanMs?: number | undefined
}

/** How many entries went, and how many bytes with them. */
export interface Pruned {
  readonly removed: number
  readonly bytes: number
}

export type Fill = (dir: string, signal: AbortSignal) => Promise<void>

/** Models kept on this machine, whole and checked, for all processes that name the same directory. */
export interface ModelCache {
  readonly dir: string
  /** The folder of a model: as it stands there when it passes the check, else filled anew. Callers at once share one filling. */
  cached(key: CacheKey, fill: Fill, options?: CachedOptions): Promise<string>
  /** Keeps what a moving reference meant last; failing to is no failure of the caller's. */
  remember(ref: readonly string[], value: unknown): Promise<void>
  /** What a moving reference meant last, or `undefined`. */
  recall(ref: readonly string[]): Promise<unknown>
  info(): Promise<CacheInfo>
  prune(options?: PruneOptions): Promise<Pruned>
}

export interface ModelCacheOptions {
  readonly dir: string
  readonly warn?: ((message: string) => void) | undefined
}

const FULL = 'make room there (npx cairn-ml cache prune --older-than 30d), or name another folder with CAIRN_CACHE_DIR'
const MODE = { mode: 0o700 }
const hash = (parts: readonly string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')
const slug = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}_-]+/gu, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '') || 'model'

// All caches of a process that name one directory share what they are fetching.
const filling = sharedWork<string>()

/** The cache of models in one directory, made with mode 0700 when absent; one that all may write to is refused. */
export function modelCache({ dir, warn = () => {} }: ModelCacheOptions): ModelCache {
  const root = join(dir, 'v1')
  let ready: Promise<void> | undefined
  const prepare = (): Promise<void> => {
    ready ??= prepareRoot(dir, warn).catch((error: unknown) => {
      ready = undefined
      throw error
    })
    return ready
  }
  const placeOf = ({ name, label, parts }: CacheKey): string =>
    join(
      root,
      `${slug(name)}-${hash([name]).slice(0, 8)}`,
      `${slug(label)}-${hash([name, label, ...parts]).slice(0, 32)}`,
    )
  const refOf = (ref: readonly string[]): string => join(root, 'refs', `${hash(ref)}.json`)

  async function fetched(
    entry: string,
    key: CacheKey,
    fill: Fill,
    options: CachedOptions,
    signal: AbortSignal,
  ): Promise<string> {
    await prepare()
    const model = join(entry, 'model')
    const manifest = join(entry, 'manifest.json')
    if (await factsOf(entry)) {
      try {
        await verifyManifest(manifest, model, options.verify ?? 'changed')
        await touch(manifest)
        return model
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error
        if (options.offline !== undefined)
          throw new IntegrityError(`${error.message}, and it cannot be fetched again: ${options.offline}`, {
            cause: error,
          })
        warn(`${error.message}; the copy in the cache is set aside and fetched again`)
        await setAside(entry)
      }
    }
    if (options.offline !== undefined)
      throw new NotFoundError(
        `${key.name} (${key.label}) is not in the cache ${dir}, and it cannot be fetched: ${options.offline}`,
      )
    await once(
      entry,
      async (stage) => {
        await makeDirs(join(stage, 'model'), 0o700)
        await fill(join(stage, 'model'), signal)
        signal.throwIfAborted()
        await writeManifest(join(stage, 'manifest.json'), join(stage, 'model'))
      },
      MODE,
    )
    return model
  }

  /** Out of the way by a rename, so that nobody sees it half removed; `prune` clears it away. */
  async function setAside(entry: string): Promise<void> {
    const grave = join(root, 'quarantine')
    await makeDirs(grave, 0o700)
    await move(entry, join(grave, randomUUID())).catch((error: unknown) => {
      if (!(error instanceof NotFoundError)) throw error
    })
  }

  async function entries(): Promise<CacheEntry[]> {
    const found: CacheEntry[] = []
    for (const group of await namesIn(root)) {
      if (group === 'refs' || group === 'quarantine') continue
      for (const name of await namesIn(join(root, group))) {
        const path = join(root, group, name)
        const manifest = await factsOf(join(path, 'manifest.json'))
        if (isStage(name) || !manifest) continue
        const files = await tree(path).catch(() => [])
        const bytes = files.reduce((sum, { size }) => sum + size, 0)
        found.push({ name: `${group.slice(0, -9)}/${name.slice(0, -33)}`, path, bytes, usedAt: manifest.mtimeMs })
      }
    }
    return found.sort((a, b) => b.usedAt - a.usedAt)
  }

  return {
    dir,
    async cached(key, fill, options = {}) {
      options.signal?.throwIfAborted()
      const entry = placeOf(key)
      const work = JSON.stringify([entry, options.verify ?? 'changed', options.offline])
      const begin = async (shared: AbortSignal): Promise<string> => {
        try {
          return await fetched(entry, key, fill, options, shared)
        } catch (error) {
          const full = noRoom(error, dir, FULL)
          if (full) await unmake([dirname(entry)])
          throw full ?? error
        }
      }
      return filling(work, begin, options.signal)
    },
    async remember(ref, value) {
      try {
        await prepare()
        await makeDirs(join(root, 'refs'), 0o700)
        await saveFile(refOf(ref), JSON.stringify(value), { mode: 0o600 })
      } catch (error) {
        if (!(error instanceof CairnError)) throw error
        warn(`What ${ref.at(-1)} means now could not be kept: ${error.message}`)
      }
    },
    async recall(ref) {
      try {
        return JSON.parse(await readText(refOf(ref), 1_000_000)) as unknown
      } catch (error) {
        if (error instanceof NotFoundError || error instanceof SyntaxError) return undefined
        throw error
      }
    },
    async info() {
      const all = await entries()
      return { dir, entries: all, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) }
    },
    async prune({ maxBytes = Number.POSITIVE_INFINITY, olderThanMs = Number.POSITIVE_INFINITY } = {}) {
      for (const [name, limit] of Object.entries({ maxBytes, olderThanMs }))
        if (typeof limit !== 'number' || !(limit >= 0))
          throw new InvalidParameterError(`${name} is a number from 0, not ${shown(limit)}`)
      for (const group of await namesIn(root)) await sweepStages(join(root, group))
      let [kept, removed, bytes] = [0, 0, 0]
      for (const entry of await entries()) {
        kept += entry.bytes
        if (kept <= maxBytes && Date.now() - entry.usedAt <= olderThanMs) continue
        kept -= entry.bytes
        await setAside(entry.path)
        removed++
        bytes += entry.bytes
      }
      await removeAll(join(root, 'quarantine'))
      return { removed, bytes }
    },
  }
}
