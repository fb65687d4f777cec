import type { CairnError } from '../errors.js'
import { type SpooledOutlet, spooledOutlet } from '../run/spooled.js'
import { type Courier, deliverer, type Watch } from '../spool/deliver.js'
import { firstClaim } from '../spool/owner.js'
import { newRunDir, type SpooledRun, serverPlace, serverRunId } from '../spool/place.js'
import { type Replayed, type ReplayOptions, replay, type Waiting, waitingRuns } from '../spool/replay.js'
import { serverState } from '../spool/server.js'

/** What a client keeps on disk for its server. */
export interface Spool {
  /** Opens the way of one run through the disk; throws what the disk says when there is no way. */
  open(run: SpooledRun, watch: Watch): SpooledOutlet
  /** The server's address, without credentials. */
  readonly uri: string
  /** Delivers what processes that are gone have left for this server. */
  replay(options?: Omit<ReplayOptions, 'courier' | 'server' | 'limits'>): Promise<Replayed[]>
  /** The runs that wait for this server. */
  waiting(): Waiting[]
  /** The server's id for a run, also for one that was made away from it; undefined while that has none. */
  serverRunId(runId: string): string | undefined
  /** Stops delivering; what is left stays for the next one. */
  close(): void
}

export interface SpoolOptions {
  readonly spoolDir: string
  readonly trackingUri: string
  readonly courier: () => Promise<Courier>
  readonly warn: (message: string) => void
}

const LOOK_AGAIN_MS = 60_000

/** Opens the spool of one server; nothing is made on disk before the first run. */
export function openSpool({ spoolDir, trackingUri, courier, warn }: SpoolOptions): Spool {
  const place = serverPlace(spoolDir, trackingUri)
  const outlets = new Set<SpooledOutlet>()
  const closing = new AbortController()
  const server = serverState({
    onDown: (error) =>
      warn(`${place.uri} does not take what is logged; it is kept on disk until it does: ${error.message}`),
    onUp: () => warn(`${place.uri} takes what is logged again; what waited on disk is on its way`),
  })
  let looking: NodeJS.Timeout | undefined
  /** Made once, at the first request; one that fails to be made is one that fails to send. */
  const later: Courier = {
    create: async (...of) => (await courier()).create(...of),
    batch: async (...of) => (await courier()).batch(...of),
    call: async (...of) => (await courier()).call(...of),
    artifact: async (...of) => (await courier()).artifact(...of),
  }

  const deliverLeft: Spool['replay'] = (options = {}) => replay(place, { ...options, courier: later, server })

  /** What processes that are gone have left is taken along, now and from time to time. */
  function lookForLeft(): void {
    if (looking) return
    const look = () =>
      void deliverLeft({ signal: closing.signal }).catch((error: unknown) =>
        warn(`What waits on disk for ${place.uri} cannot be looked at: ${(error as CairnError).message}`),
      )
    look()
    looking = setInterval(look, LOOK_AGAIN_MS)
    looking.unref()
  }

  return {
    open(run, watch) {
      const dir = newRunDir(place, run)
      const owned = firstClaim(dir)
      let runId = run.local ? undefined : run.runId
      const outlet = spooledOutlet(
        {
          dir,
          claim: owned,
          courier,
          runId: () => runId,
          deliver(written, more) {
            const onMapped = (id: string) => {
              runId = id
              more.onMapped?.(id)
            }
            const delivery = deliverer({
              dir,
              place,
              run,
              courier: later,
              server,
              held: owned.held,
              written,
              watch: { ...more, onMapped },
            })
            void delivery.finished.then(() => outlets.delete(outlet))
            return delivery
          },
        },
        { watch, warn },
      )
      outlets.add(outlet)
      lookForLeft()
      return outlet
    },
    uri: place.uri,
    replay: deliverLeft,
    waiting: () => waitingRuns(place),
    serverRunId: (runId) => serverRunId(place, runId),
    close() {
      clearInterval(looking)
      closing.abort()
      for (const outlet of outlets) outlet.stop()
      outlets.clear()
    },
  }
}

/** What became of one run that waited in the spool. */
export interface SpoolDelivery extends Replayed {
  /** The address of its server. */
  readonly server: string
}

/** How the spool is delivered. */
export interface SpoolDeliveryOptions {
  /** Stops where it stands; what is left stays in the spool. */
  readonly signal?: AbortSignal | undefined
  /** Gives up on a server that has taken nothing for this long, in milliseconds; 30,000 by default. */
  readonly patienceMs?: number | undefined
  readonly onProgress?: ReplayOptions['onProgress']
}

const PATIENCE_MS = 30_000

/** Delivers what waits on disk, each to the server that it was logged to. */
export async function deliverAll(
  spools: readonly Spool[],
  { signal, patienceMs = PATIENCE_MS, onProgress }: SpoolDeliveryOptions,
): Promise<SpoolDelivery[]> {
  const all = await Promise.all(
    spools.map(async (spool) => {
      const given = new AbortController()
      const moved = new Map<string, number>()
      let timer = setTimeout(() => given.abort(), patienceMs)
      const watched = (progress: { readonly runId: string; readonly delivered: number }) => {
        onProgress?.(progress)
        if (moved.get(progress.runId) === progress.delivered) return
        moved.set(progress.runId, progress.delivered)
        clearTimeout(timer)
        timer = setTimeout(() => given.abort(), patienceMs)
      }
      try {
        const both = signal ? AbortSignal.any([signal, given.signal]) : given.signal
        const done = await spool.replay({ signal: both, hurry: true, onProgress: watched })
        return done.map((one) => ({ ...one, server: spool.uri }))
      } finally {
        clearTimeout(timer)
      }
    }),
  )
  return all.flat()
}
