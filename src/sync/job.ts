import type { Progress } from '../core/entities.js'
import { CairnError, IntegrityError, NetworkError, TimeoutError, UnauthenticatedError } from '../errors.js'
import { withoutSecrets } from '../spool/place.js'
import { isMadeUp } from './rehearsal.js'
import type { Side } from './side.js'

/** How many of one kind were made, had something added or changed, or were complete already. */
export interface SyncTally {
  readonly added: number
  readonly changed: number
  readonly same: number
}

/** What kinds of things a copy is made of. */
export type SyncKind = 'experiment' | 'run' | 'file' | 'logged model' | 'registered model' | 'model version'

/** Something that was not copied, or not whole. */
export interface SyncFailure {
  readonly what: SyncKind
  /** Its id or name in the source; of a file, the id of its run and its path: `<run id>/<path>`. */
  readonly id: string
  readonly error: CairnError
}

/** What was copied; with `dryRun`, what would be. */
export interface SyncResult {
  readonly dryRun: boolean
  /** The two stores: absolute paths, or addresses without credentials. */
  readonly from: string
  readonly to: string
  readonly experiments: SyncTally
  readonly runs: SyncTally
  readonly loggedModels: SyncTally
  readonly registeredModels: SyncTally
  readonly modelVersions: SyncTally
  /** Points of metrics that were sent. */
  readonly points: number
  /** Artifact files that were sent, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** What failed; all else was copied. */
  readonly failed: readonly SyncFailure[]
  /** Sentences on what the target has otherwise, or was left as it is. */
  readonly kept: readonly string[]
  /** Ids in the source → ids in the target. */
  readonly runIds: Readonly<Record<string, string>>
  readonly modelIds: Readonly<Record<string, string>>
}

/** How far a copy is: `loaded` of `total` runs and models; `file` names the one that was just worked on. */
export interface SyncProgress extends Progress {
  readonly points: number
  readonly bytes: number
}

/** What is copied, and how. */
export interface CopyRules {
  /** Reads all and writes nothing; the result says what would be done. */
  readonly dryRun?: boolean | undefined
  /** Only these experiments, by name; then only the versions of models that come from them. */
  readonly experimentNames?: readonly string[] | undefined
  /** Only these runs; then only the versions of models that come from them. */
  readonly runIds?: readonly string[] | undefined
  /** Also deleted runs; they are deleted at the target, too. Those of deleted experiments are left out, and `kept` says so. */
  readonly deleted?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how far the copy is. */
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined
}

/** How `sync` copies, and where to. */
export interface SyncOptions extends CopyRules {
  /** The store to copy to, a path or an address; the client's own tracking URI unless said. */
  readonly to?: string | undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Counted = 'experiments' | 'runs' | 'loggedModels' | 'registeredModels' | 'modelVersions'

/** One copy while it is made: its sides, its counts, and what is told of it. */
export interface Job {
  readonly from: Side
  readonly to: Side
  readonly options: CopyRules
  readonly signal: AbortSignal | undefined
  count(kind: Counted, outcome: keyof SyncTally): void
  points(more: number): void
  file(bytes: number): void
  /** Says it once. */
  keep(sentence: string): void
  /** Does the work on one thing; when it fails the others go on, unless the target or source is out of reach. */
  guard(what: SyncKind, id: string, work: () => Promise<void>): Promise<void>
  fail(what: SyncKind, id: string, error: CairnError): void
  hasFailed(what: SyncKind, id: string): boolean
  mapped(kind: 'runIds' | 'modelIds', from: string, to: string): void
  /** More things to do. */
  expect(more: number): void
  /** One of them is done. */
  done(name: string): void
  readonly result: SyncResult
}

const MOST_LOST = 3

const isOutOfReach = (error: unknown): boolean => error instanceof NetworkError || error instanceof UnauthenticatedError

/** Of the statuses that may pass, those that say nothing of what was asked for: 500 may be for good. */
const OUTAGES: ReadonlySet<number | undefined> = new Set([429, 502, 503, 504])

/** Whether it was the store that failed, and not what it was asked for. */
export const isOfTheStore = (error: unknown): boolean =>
  isOutOfReach(error) ||
  error instanceof TimeoutError ||
  (error instanceof CairnError && !(error instanceof IntegrityError) && OUTAGES.has(error.status))

/** Counts what is copied from one side to the other, and tells how far that is. */
export function job(from: Side, to: Side, options: CopyRules): Job {
  const none = (): Mutable<SyncTally> => ({ added: 0, changed: 0, same: 0 })
  const tallies: Record<Counted, Mutable<SyncTally>> = {
    experiments: none(),
    runs: none(),
    loggedModels: none(),
    registeredModels: none(),
    modelVersions: none(),
  }
  const failed: SyncFailure[] = []
  const kept: string[] = []
  const ids = { runIds: {} as Record<string, string>, modelIds: {} as Record<string, string> }
  let [points, files, bytes, loaded, total, lost] = [0, 0, 0, 0, 0, 0]
  let current = ''
  const tell = () => options.onProgress?.({ loaded, total, file: current, points, bytes })

  return {
    from,
    to,
    options,
    signal: options.signal,
    count(kind, outcome) {
      tallies[kind][outcome]++
    },
    points(more) {
      points += more
      tell()
    },
    file(size) {
      files++
      bytes += size
      tell()
    },
    keep(sentence) {
      if (!kept.includes(sentence)) kept.push(sentence)
    },
    async guard(what, id, work) {
      try {
        options.signal?.throwIfAborted()
        await work()
        lost = 0
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!(error instanceof CairnError)) throw error
        // Out of reach for one is out of reach for all: each would only wait as long again.
        if (error.retryable) lost++
        if (isOutOfReach(error) || lost >= MOST_LOST) throw error
        failed.push({ what, id, error })
      }
    },
    fail: (what, id, error) => void failed.push({ what, id, error }),
    hasFailed: (what, id) => failed.some((failure) => failure.what === what && failure.id === id),
    mapped(kind, source, target) {
      // What is made up is nobody's id.
      if (isMadeUp(target)) return
      ids[kind][source] = target
    },
    expect(more) {
      total += more
      tell()
    },
    done(name) {
      loaded++
      current = name
      tell()
    },
    get result() {
      const stores = { from: withoutSecrets(from.uri), to: withoutSecrets(to.uri) }
      return { dryRun: options.dryRun === true, ...stores, ...tallies, points, files, bytes, failed, kept, ...ids }
    },
  }
}
