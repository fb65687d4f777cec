import { randomUUID } from 'node:crypto'
import type { ArtifactStore, OpenArtifacts } from '../artifacts/store.js'
import type { Experiment, RunData } from '../core/entities.js'
import { checkRunId, checkRunName } from '../core/names.js'
import { type CairnError, diskError, UnavailableError } from '../errors.js'
import type { DeliveryEvents } from '../spool/deliverer.js'
import { goesFirst } from '../spool/elders.js'
import type { SpooledRun } from '../spool/place.js'
import { runOf } from '../spool/whose.js'
import type { Transport } from '../transport/transport.js'
import { keptOrSent } from './kept.js'
import { offlineRun } from './offline-run.js'
import { isAway, sayingNever } from './outages.js'
import type { Outlet } from './outlet.js'
import type { SpooledOutlet } from './spooled.js'
import { type StartDeps, type StartRunOptions, startRun } from './start.js'

/** A run that has begun: on its server, or on this disk until that can be reached. */
export interface Begun {
  readonly data: RunData
  /** Whether this process ends it. */
  readonly owned: boolean
  readonly outlet: Outlet
  /** The same, where it goes through the disk. */
  readonly spooled: SpooledOutlet | undefined
  /** Where its files and its other calls go. */
  readonly store: () => Promise<ArtifactStore>
  readonly transport: Transport
  /** Whether its server was there. */
  readonly isOnline: boolean
  /** Whether its server was asked for it. */
  readonly wasAsked: boolean
}

/** The ways to the backend of runs. */
export interface Ways {
  readonly transport: () => Promise<Transport>
  readonly openArtifacts: OpenArtifacts
}

export interface BeginDeps extends StartDeps {
  /** The way through the disk; undefined where there is none, as for a store of this machine. */
  readonly spool: ((run: SpooledRun, watch: DeliveryEvents, elders?: readonly string[]) => SpooledOutlet) | undefined
  /** The folders in which something of a run waits, the oldest first; what can be delivered at once is. */
  readonly elders: (runId: string, signal: AbortSignal | undefined) => Promise<readonly string[]>
  /** The way without one. */
  readonly direct: (runId: string) => Promise<Outlet>
  readonly backend: Ways
  /** As `backend`, each giving up after seconds: for what can also be kept on disk. */
  readonly impatient: Ways
  /** Whether a run may begin while its server is away. */
  readonly mayBeOffline: boolean
  /** Whether the server was away just now, and is so slow to say so that nothing is asked again yet. */
  readonly isStillAway: () => boolean
  /** The experiment that is set, without asking the server. */
  readonly knownExperiment: () => Pick<Experiment, 'experimentId'> | { readonly name: string } | undefined
  /** The server's id for a run that was made away from it; undefined while it has none. */
  readonly serverRunId: (runId: string) => string | undefined
  readonly watch: (runId: string) => DeliveryEvents
  readonly warn: (message: string) => void
  /** Told what waits on disk, and why. */
  readonly away: (said: string) => void
}

/** With the older folders of the run. */
type Known = Omit<BeginDeps, 'elders'> & { readonly elders: readonly string[] }

/** Begins a run; when the server is away, on disk. */
export async function beginRun(deps: BeginDeps, given: StartRunOptions): Promise<Begun> {
  given.signal?.throwIfAborted()
  const options = { ...given, runName: checkRunName(given.runName) }
  const { spool } = deps
  const operationId = spool && deps.mayBeOffline ? randomUUID() : undefined
  const elders =
    spool && options.runId !== undefined ? await deps.elders(checkRunId(options.runId), options.signal) : []
  const known = { ...deps, operationId, elders }
  const asked = withServerIds(deps, options)
  const orphan = asked.parentRunId === undefined ? options.parentRunId : undefined
  if (spool && options.runId !== undefined && (asked.runId === undefined || elders.some(goesFirst)))
    return offline(known, spool, options, 'What was logged to it before has not reached the server yet')
  if (spool && orphan !== undefined) {
    return offline(
      known,
      spool,
      { ...asked, parentRunId: orphan },
      `Its parent ${orphan} has not reached the server yet`,
    )
  }
  if (spool && deps.mayBeOffline && deps.isStillAway())
    return offline(known, spool, asked, 'The server was away a moment ago, and slow to say so')
  try {
    const { data, owned } = await startRun(known, asked)
    return await online(known, data, owned)
  } catch (error) {
    if (!spool || !isAway(error)) throw error
    if (!deps.mayBeOffline) throw sayingNever(error)
    return offline(known, spool, asked, `The server is away (${error.message})`, true)
  }
}

/** Ids of ours as those that the server knows, where it has them. */
function withServerIds({ serverRunId }: Pick<BeginDeps, 'serverRunId'>, options: StartRunOptions): StartRunOptions {
  const { runId, parentRunId } = options
  return {
    ...options,
    runId: runId === undefined ? undefined : serverRunId(runId),
    parentRunId: parentRunId === undefined ? undefined : serverRunId(parentRunId),
  }
}

async function online(deps: Known, data: RunData, owned: boolean): Promise<Begun> {
  const { runId, artifactUri } = data.info
  const spooled = spooledWay(deps, runId)
  if (spooled) return { ...kept(deps, spooled, { data, after: 0 }), owned, isOnline: true, wasAsked: true }
  const { transport, openArtifacts } = deps.backend
  return {
    data,
    owned,
    outlet: await deps.direct(runId),
    spooled: undefined,
    store: async () => openArtifacts(artifactUri ?? ''),
    transport: await transport(),
    isOnline: true,
    wasAsked: true,
  }
}

function spooledWay({ spool, watch, warn, elders }: Known, runId: string): SpooledOutlet | undefined {
  try {
    return spool?.({ runId, local: false }, watch(runId), elders)
  } catch (error) {
    warn(
      `There is no spool for what is logged: ${whyNoSpool(error)}. It goes straight to the server, and what has not arrived is lost when the process is killed or calls process.exit(): await endRun() or flush() before; CAIRN_SPOOL_DIR names another folder`,
    )
    return undefined
  }
}

const whyNoSpool = (error: unknown): string => diskError(error, 'open the spool').message

/** A run whose files and other calls wait on disk while its server is away. */
function kept(
  { impatient, away }: Known,
  outlet: SpooledOutlet,
  { data, after }: { data: RunData; after: number },
): Omit<Begun, 'owned' | 'isOnline' | 'wasAsked'> {
  const { runId, artifactUri } = data.info
  function onKept(what: string, reason: CairnError): void {
    outlet.tellSpooled(reason)
    away(`${what} of run ${runId} and what follows it are kept on disk: ${reason.message}`)
  }
  const { store, transport } = keptOrSent({ outlet, ...impatient, artifactUri, after, onKept })
  return { data, outlet, spooled: outlet, store: async () => store, transport }
}

/** Whether a run that was made on this disk is nobody's any more. */
const isLeft = (elders: readonly string[]): boolean =>
  elders.every(goesFirst) && elders.some((elder) => runOf(elder)?.local)

async function offline(
  deps: Known,
  spool: NonNullable<BeginDeps['spool']>,
  options: StartRunOptions,
  why: string,
  wasAsked = false,
): Promise<Begun> {
  const { experimentId, experimentName } = options
  const named = experimentName === undefined ? undefined : { name: experimentName }
  const experiment = experimentId === undefined ? (named ?? deps.knownExperiment()) : { experimentId }
  const theirs = options.runId === undefined ? undefined : deps.serverRunId(options.runId)
  // To a server that has the run, our id for it is no run's.
  const known = { ...options, runId: theirs ?? options.runId }
  const { data, steps, mark, isOurs } = await offlineRun(deps, known, experiment, {
    ...{ isOurs: options.runId !== undefined && theirs === undefined, wasAsked, isLeft: isLeft(deps.elders) },
  })
  const { runId } = data.info
  const { outlet, after } = begunOnDisk(() => {
    const opened = spool({ runId, local: isOurs }, deps.watch(runId), deps.elders)
    return { outlet: opened, after: opened.steps(steps) }
  }, why)
  if (mark !== undefined) outlet.endsOnlyAs(mark)
  deps.away(`${why}, so the run ${runId} is kept on disk`)
  return { ...kept(deps, outlet, { data, after }), owned: true, isOnline: false, wasAsked }
}

/** Neither the server nor the disk takes the run: a reader told of one alone would look in the wrong place. */
function begunOnDisk<T>(act: () => T, why: string): T {
  try {
    return act()
  } catch (error) {
    throw new UnavailableError(
      `${why}, and the run cannot be kept on disk meanwhile: ${whyNoSpool(error)}; CAIRN_SPOOL_DIR names another folder`,
      { cause: error },
    )
  }
}
