import { heed } from '../core/heed.js'
import { sharedSignal } from '../core/shared-signal.js'
import { exists } from '../disk/write.js'
import { type CairnError, diskError, IntegrityError, UnavailableError } from '../errors.js'
import type { Courier } from './courier.js'
import { deliverer } from './deliver.js'
import type { Deliverer, DeliveryEvents } from './deliverer.js'
import { eldersAmong, goesFirst } from './elders.js'
import { type Claim, claim, isOwned } from './owner.js'
import { dropRunDir, runDirs, type ServerPlace } from './place.js'
import { isFull, outOfReserve } from './reserve.js'
import type { ServerState } from './server.js'
import { isBlank, isEmptied, runIdIn, runOf } from './whose.js'

/** What was left by one run of a process that is gone, and what became of it. */
export interface Replayed {
  /** The id that the script knew. */
  readonly runId: string
  /** The run's id on its server; undefined when it was not made. */
  readonly serverRunId: string | undefined
  /** The folder in which it waits; to remove it is to give up what is left. */
  readonly dir: string
  /** Whether everything is done with; false when it was stopped before, or belongs to a process that lives. */
  readonly complete: boolean
  /** Whether a process that lives delivers it; nothing was done here. */
  readonly busy: boolean
  readonly delivered: number
  readonly refused: number
  /** Why; also what else of it is lost, or set aside, since it was damaged on disk. */
  readonly refusals: readonly CairnError[]
  /** Why it stopped before all was done with, as far as that is known. */
  readonly reason?: CairnError | undefined
}

export interface ReplayOptions {
  readonly courier: Courier
  /** What is known of the server already. */
  readonly server: ServerState
  /** Stops where it stands; what is left stays in the spool. */
  readonly signal?: AbortSignal | undefined
  /** Whether to send at once and keep the process alive until all is done, as a command does. */
  readonly hurry?: boolean | undefined
  readonly watch?: ((runId: string) => DeliveryEvents) | undefined
  /** Whether a folder is known to be delivered already, so that it need not be looked at. */
  readonly isOurs?: ((dir: string) => boolean) | undefined
  /** Told now and then how far one run is. */
  readonly onProgress?:
    | ((progress: { readonly runId: string; readonly delivered: number; readonly isCarrying: boolean }) => void)
    | undefined
}

/** Runs delivered side by side. */
const SIDE_BY_SIDE = 16
const BEAT_MS = 15_000
const LOOK_MS = 200

/**
 * Delivers what processes that are gone have left for a server: each run by whoever claims it first, so that two who try
 * at once deliver it once. Resolves when all that could be claimed is done with, or when it is stopped.
 */
export async function replay(place: ServerPlace, options: ReplayOptions): Promise<Replayed[]> {
  const signal = sharedSignal(options.signal)
  const dirs = runDirs(place)
  const eldersOf = eldersAmong(place, dirs)
  const inTurn = new Set(dirs.flatMap((dir) => [...eldersOf(dir), dir]))
  const left = [...inTurn].filter((dir) => !options.isOurs?.(dir))
  const all: Replayed[] = []
  /** What one run left in several folders goes one after the other: its last end is the one that counts. */
  const turns = new Map<string, Promise<unknown>>()
  let underWay = 0
  const worker = async () => {
    for (let dir = left.shift(); dir !== undefined && !options.signal?.aborted; dir = left.shift()) {
      // To look at thousands that are another's takes a while.
      if (left.length % SIDE_BY_SIDE === 0) await new Promise(setImmediate)
      const at = dir
      const elders = eldersOf(at)
      const turn = Promise.all(elders.map((elder) => turns.get(elder))).then(() =>
        replayRun(place, at, { ...options, elders, signal }),
      )
      turns.set(
        at,
        turn.catch(() => {}),
      )
      underWay++
      try {
        const one = await turn
        if (one) all.push(one)
      } catch (error) {
        if (!isFull(error)) throw error
        // Those under way make room, and then take it up.
        if (underWay > 1) {
          left.push(at)
          return
        }
        const run = runOf(at)
        if (run) all.push({ ...untouched(run.runId, at), busy: false, reason: diskError(error, `take over ${at}`) })
      } finally {
        underWay--
      }
    }
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker))
  return all
}

type One = ReplayOptions & { readonly elders: readonly string[] }

const untouched = (runId: string, dir: string) => ({
  runId,
  dir,
  serverRunId: undefined,
  complete: false,
  delivered: 0,
  refused: 0,
  refusals: [],
})

async function replayRun(place: ServerPlace, dir: string, options: One): Promise<Replayed | undefined> {
  const run = runOf(dir)
  const elder = options.elders.find(goesFirst)
  if (elder !== undefined) {
    const reason = new UnavailableError(`What the run left before has to arrive first; it lies in ${elder}`)
    return run && { ...untouched(run.runId, dir), busy: isOwned(elder), reason }
  }
  const owned = outOfReserve(place, () => claim(dir))
  // Gone by now: another one has delivered it since the folders were listed.
  if (!owned) return run && exists(dir) ? { ...untouched(run.runId, dir), busy: true } : undefined
  if (!run) {
    if (isBlank(dir)) {
      dropRunDir(dir)
      return undefined
    }
    owned.release()
    const reason = new IntegrityError('run.json and the start of the log are damaged: nothing says how its run begins')
    return { ...untouched(runIdIn(dir), dir), busy: false, reason }
  }
  const { runId } = run
  const { courier, server, watch, signal, onProgress } = options
  let damaged = isEmptied(dir) ? 1 : 0
  const told = watch?.(runId)
  const onDamaged = (stretches: number) => {
    damaged += stretches
    told?.onDamaged?.(stretches)
  }
  const delivery = deliverer({
    dir,
    place,
    run,
    courier,
    server,
    held: owned.held,
    written: () => undefined,
    watch: { ...told, onDamaged },
  })
  const since = progressFrom(delivery)
  const tell = () => {
    const { delivered, isCarrying } = since()
    onProgress?.({ runId, delivered, isCarrying })
  }
  const complete = await settle(delivery, owned, { ...options, signal }, tell)
  const reason = complete ? undefined : delivery.lastError
  delivery.stop()
  if (!complete) owned.release()
  const { delivered, refused } = since()
  const serverRunId = delivery.runId()
  const refusals = delivery.refusals()
  // What stood at the end of the log nobody misses.
  if (complete && damaged > 0 && refusals.length === 0)
    refusals.push(
      new IntegrityError(`The log of run ${runId} was damaged in ${counted(damaged)}; what stood there is lost`),
    )
  return { runId, serverRunId, dir, complete, busy: false, delivered, refused, refusals, reason }
}

const counted = (places: number): string => (places === 1 ? 'one place' : `${places} places`)

/** What became of a log from now on: what was done with before was counted by the process that left it. */
function progressFrom(delivery: Deliverer) {
  const before = delivery.progress
  return () => {
    const { delivered, refused, isCarrying = false } = delivery.progress
    return { delivered: delivered - before.delivered, refused: refused - before.refused, isCarrying }
  }
}

/** Waits until a log is done with, or the signal says stop; answers which. */
async function settle(delivery: Deliverer, owned: Claim, options: One, tell: () => void): Promise<boolean> {
  const { signal, hurry, onProgress } = options
  const beat = setInterval(owned.beat, BEAT_MS)
  beat.unref()
  const look = onProgress && setInterval(tell, LOOK_MS)
  look?.unref()
  try {
    if (hurry) delivery.hurry()
    else delivery.look()
    return await heed(signal, delivery.finished).catch(() => false)
  } finally {
    clearInterval(beat)
    clearInterval(look)
    tell()
  }
}
