import { exists } from '../disk/write.js'
import { diskHealth } from '../run/disk-health.js'
import { type SpooledFolder, type SpooledOutlet, spooledOutlet } from '../run/spooled.js'
import { type SpoolContents, type WaitingRun, whatWaits } from '../spool/contents.js'
import type { Courier } from '../spool/courier.js'
import type { DeliveryEvents } from '../spool/deliverer.js'
import { foldersOf, goesFirst } from '../spool/elders.js'
import { PARENT_FIRST } from '../spool/failures.js'
import { serverIds } from '../spool/ids.js'
import type { Outage } from '../spool/outage.js'
import { claimOf } from '../spool/owner.js'
import {
  dropRunDir,
  hiddenPlaces,
  newRunDir,
  remakeRunDir,
  type ServerPlace,
  type SpooledRun,
  sayWhose,
} from '../spool/place.js'
import type { Replayed, ReplayOptions } from '../spool/replay.js'
import { endOutOfReserve } from '../spool/reserve.js'
import { roomOf } from '../spool/room.js'
import type { Hands } from './hands.js'

/** What a client keeps on disk for its server. */
export interface Spool {
  /** Opens the way of one run through the disk; throws what the disk says when there is no way. */
  open(run: SpooledRun, watch: DeliveryEvents, elders?: readonly string[]): SpooledOutlet
  /**
   * The folders in which something of a run waits, the oldest first. What goes before all that is logged now is delivered,
   * as far as that takes no longer than seconds.
   */
  elders(runId: string, signal?: AbortSignal): Promise<readonly string[]>
  /** The server's address, without credentials. */
  readonly uri: string
  /** MLflow's workspace there, when one is named. */
  readonly workspace: string | undefined
  /** Its folder. */
  readonly dir: string
  /** What the client's logger is told of the server. */
  readonly outage: Outage
  /** Delivers what processes that are gone have left for this server. */
  replay(options?: Omit<ReplayOptions, 'courier' | 'server'>): Promise<Replayed[]>
  /** What waits for this server, run by run. */
  waiting(): WaitingRun[]
  /** The server's id for a run, also for one that was made away from it; undefined while that has none. */
  serverRunId(runId: string): string | undefined
  /** Stops delivering; what is left stays for the next one. */
  close(): Promise<void>
}

export interface SpoolOptions {
  readonly place: ServerPlace
  readonly hands: Hands
  readonly courier: () => Promise<Courier>
  readonly warn: (message: string) => void
  readonly outage: Outage
  /** Called when the spool is closed, before anybody else may go on with what is in it. */
  readonly onClose?: (() => void) | undefined
}

const BRING_MS = 5_000
const LOOK_MS = 100
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Opens the spool of one server; nothing is made on disk before the first run. */
export function openSpool({ place, hands, courier, warn, outage, onClose }: SpoolOptions): Spool {
  mend(place)
  const outlets = new Set<SpooledOutlet>()
  let awaySince: number | undefined
  /** What one run is told of the server is true for all. */
  const overheard = (watch: DeliveryEvents): DeliveryEvents => ({
    ...watch,
    onSpooled(error) {
      if (error.code !== PARENT_FIRST) awaySince ??= performance.now()
      watch.onSpooled?.(error)
    },
    onRecovered() {
      awaySince = undefined
      watch.onRecovered?.()
    },
  })
  const disk = diskHealth(warn)
  const ids = serverIds(place)

  /** Delivers these folders, or waits for who delivers them, as long as the server takes what it is sent. */
  async function bring(dirs: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const given = new AbortController()
    const limit = setTimeout(() => given.abort(), BRING_MS)
    const until = signal ? AbortSignal.any([signal, given.signal]) : given.signal
    const watch = () => ({ onSpooled: () => given.abort() })
    try {
      await hands.replay({ signal: until, hurry: true, isOurs: (dir) => !dirs.includes(dir), watch })
      while (!until.aborted && awaySince === undefined && dirs.some(goesFirst)) await pause(LOOK_MS)
    } finally {
      clearTimeout(limit)
    }
  }

  /** A disk too full for one more run has room again when what waits there has gone. */
  function newDir(run: SpooledRun, elders: readonly string[]): string {
    try {
      return newRunDir(place, run, elders)
    } catch (error) {
      hands.lookForLeft(false)
      throw error
    }
  }

  return {
    open(run, watch, elders = []) {
      const dir = newDir(run, elders)
      const claim = claimOf(dir, 0)
      let runId = run.local ? undefined : run.runId
      if (runId === undefined) ids.making(run.runId)
      else ids.learn(runId, runId)
      const onMapped = (id: string) => {
        runId = id
        ids.learn(run.runId, id)
        watch.onMapped?.(id)
      }
      const folder: SpooledFolder = {
        dir,
        claim,
        room: roomOf(place),
        awayMs: () => (awaySince === undefined ? 0 : performance.now() - awaySince),
        drop: () => dropRunDir(dir),
        remake(log, done) {
          const id = runId
          // What is to make the run lay there alone.
          if (id === undefined) return false
          const known = { done, runId: run.local ? id : undefined }
          log.goOnIn((file, begun) => remakeRunDir(place, dir, run, { file, begun, known }))
          return true
        },
        endOutOfReserve: (write) => endOutOfReserve(place, write),
        courier,
        runId: () => runId,
        deliver(log, more) {
          const delivery = hands.deliver({
            dir,
            run,
            claim,
            log,
            elders,
            watch: { ...overheard(more), onMapped },
          })
          void delivery.finished.then(() => outlets.delete(outlet))
          return delivery
        },
      }
      const outlet: SpooledOutlet = spooledOutlet(folder, { watch, disk, warn })
      outlets.add(outlet)
      hands.lookForLeft(elders.length > 0)
      return outlet
    },
    async elders(runId, signal) {
      try {
        const dirs = foldersOf(place, runId)
        if (awaySince === undefined && dirs.some(goesFirst)) await bring(dirs, signal)
        return dirs.filter(exists)
      } catch {
        // A disk that cannot be read keeps no run from starting.
        return []
      }
    },
    ...{ uri: place.uri, workspace: place.workspace, dir: place.dir },
    outage,
    replay: (options = {}) => hands.replay(options),
    waiting: () => whatWaits(place),
    serverRunId: ids.of,
    async close() {
      onClose?.()
      await Promise.all([...outlets].map((outlet) => outlet.stop()))
      outlets.clear()
      await hands.close()
    },
  }
}

/** What waits in a place that says no more for which server is found again by who knows that. */
function mend(place: ServerPlace): void {
  try {
    if (exists(place.dir)) sayWhose(place)
  } catch {
    // A disk that takes nothing: it is looked at again when a run begins.
  }
}

/** What became of one run that waited in the spool; of a folder whose runs cannot be told, `runId` and `server` are empty. */
export interface SpoolDelivery extends Replayed {
  /** The address of its server, and the workspace there that it was logged to. */
  readonly server: string
  readonly workspace?: string | undefined
  /** What waits, with `dryRun`. */
  readonly waiting?: SpoolContents
}

/** How the spool is delivered. */
export interface SpoolDeliveryOptions {
  /** Stops where it stands; what is left stays in the spool. */
  readonly signal?: AbortSignal | undefined
  /** Gives up on a server that has taken nothing for this long, in milliseconds; 30,000 by default. */
  readonly patienceMs?: number | undefined
  /** Only tells what waits: nothing is sent. */
  readonly dryRun?: boolean | undefined
  /** Told of each run how many of its entries have arrived, and how many there were when it began. */
  readonly onProgress?:
    | ((progress: { readonly runId: string; readonly delivered: number; readonly total: number }) => void)
    | undefined
}

const PATIENCE_MS = 30_000

const NOTHING = { complete: false, delivered: 0, refused: 0, refusals: [] } as const

/** What waits on disk for a server that is not known, or as another version writes it. */
export const hiddenFrom = (spoolDir: string): SpoolDelivery[] =>
  hiddenPlaces(spoolDir).map((hidden) => ({
    ...{ ...NOTHING, ...hidden, runId: '', serverRunId: undefined, server: '', busy: false },
  }))

/** Delivers what waits on disk, each to the server that it was logged to. */
export async function deliverAll(
  spools: readonly Spool[],
  { signal, patienceMs = PATIENCE_MS, dryRun, onProgress }: SpoolDeliveryOptions,
): Promise<SpoolDelivery[]> {
  signal?.throwIfAborted()
  if (dryRun) return spools.flatMap(rehearsed)
  const all = await Promise.all(
    spools.map(async (spool) => {
      const totals = new Map(onProgress && spool.waiting().map(({ runId, waiting }) => [runId, waiting.entries]))
      const given = new AbortController()
      const moved = new Map<string, number>()
      let timer = setTimeout(() => given.abort(), patienceMs)
      const watched: ReplayOptions['onProgress'] = ({ isCarrying, ...progress }) => {
        onProgress?.({ ...progress, total: totals.get(progress.runId) ?? progress.delivered })
        // A file takes its time; one that nobody takes ends by itself.
        if (moved.get(progress.runId) === progress.delivered && !isCarrying) return
        moved.set(progress.runId, progress.delivered)
        clearTimeout(timer)
        timer = setTimeout(() => given.abort(), patienceMs)
      }
      try {
        const both = signal ? AbortSignal.any([signal, given.signal]) : given.signal
        const done = await spool.replay({ signal: both, hurry: true, onProgress: watched })
        return done.map((one) => ({ ...one, server: spool.uri, workspace: spool.workspace }))
      } finally {
        clearTimeout(timer)
      }
    }),
  )
  return all.flat()
}

/** What would be delivered from one spool. */
const rehearsed = (spool: Spool): SpoolDelivery[] =>
  spool.waiting().map((run) => ({
    ...run,
    ...{ ...NOTHING, server: spool.uri, workspace: spool.workspace },
  }))
