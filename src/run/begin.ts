import { randomUUID } from 'node:crypto'
import type { ArtifactStore } from '../artifacts/store.js'
import type { Experiment, RunData } from '../core/entities.js'
import { type CairnError, InvalidParameterError } from '../errors.js'
import type { Watch } from '../spool/deliver.js'
import type { SpooledRun } from '../spool/place.js'
import type { Transport } from '../transport/transport.js'
import { isAway, offlineRun } from './offline.js'
import { offlineStore, offlineTransport } from './offline-store.js'
import type { Outlet } from './outlet.js'
import type { SpooledOutlet } from './spooled.js'
import { type StartDeps, type StartRunOptions, startRun } from './start.js'

/** A run that has begun: on its server, or on this disk until that can be reached. */
export interface Begun {
  readonly data: RunData
  /** Whether this process ends it. */
  readonly owned: boolean
  readonly outlet: Outlet
  /** Where its files and other calls are kept until the server can be reached; undefined when it was. */
  readonly away: { readonly store: ArtifactStore; readonly transport: Transport } | undefined
}

export interface BeginDeps extends StartDeps {
  /** The way through the disk; undefined where there is none, as for a store of this machine. */
  readonly spool: ((run: SpooledRun, watch: Watch) => SpooledOutlet) | undefined
  /** The way without one. */
  readonly direct: (runId: string) => Promise<Outlet>
  /** Whether a run may begin while its server is away. */
  readonly mayBeOffline: boolean
  /** The experiment that is set, without asking the server. */
  readonly knownExperiment: () => Pick<Experiment, 'experimentId'> | { readonly name: string } | undefined
  /** The server's id for a run that was made away from it; undefined while it has none. */
  readonly serverRunId: (runId: string) => string | undefined
  readonly watch: (runId: string) => Watch
  readonly warn: (message: string) => void
}

/** Begins a run; when the server is away, on disk. */
export async function beginRun(deps: BeginDeps, options: StartRunOptions): Promise<Begun> {
  const operationId = deps.spool && deps.mayBeOffline ? randomUUID() : undefined
  const known = { ...deps, operationId }
  const asked = options.runId === undefined ? options : { ...options, runId: deps.serverRunId(options.runId) }
  if (options.runId !== undefined && asked.runId === undefined)
    throw new InvalidParameterError(
      `The run ${options.runId} was made while its server was away and has not reached it yet; send it with npx cairn-ml sync`,
    )
  try {
    const { data, owned } = await startRun(known, asked)
    return { data, owned, outlet: await outletOf(deps, data.info.runId), away: undefined }
  } catch (error) {
    if (!deps.spool || !deps.mayBeOffline || !isAway(error)) throw error
    return offline(known, deps.spool, asked, error)
  }
}

async function outletOf(deps: BeginDeps, runId: string): Promise<Outlet> {
  if (deps.spool) {
    try {
      return deps.spool({ runId, local: false }, deps.watch(runId))
    } catch (error) {
      deps.warn(
        `There is no spool for what is logged: ${(error as Error).message}. It goes straight to the server, and is lost when the process is killed; CAIRN_SPOOL_DIR names another folder`,
      )
    }
  }
  return deps.direct(runId)
}

async function offline(
  deps: BeginDeps,
  spool: NonNullable<BeginDeps['spool']>,
  options: StartRunOptions,
  reason: CairnError,
): Promise<Begun> {
  const { experimentId, experimentName } = options
  const named = experimentName === undefined ? undefined : { name: experimentName }
  const experiment = experimentId === undefined ? (named ?? deps.knownExperiment()) : { experimentId }
  const { data, create } = await offlineRun(deps, options, experiment)
  const { runId } = data.info
  const outlet = spool({ runId, local: create !== undefined }, deps.watch(runId))
  if (create) outlet.steps([{ create }])
  deps.warn(
    `The server is away, so the run ${runId} is kept on disk and sent when it is back, by this or the next process of Cairn here, or by npx cairn-ml sync: ${reason.message}`,
  )
  const away = create ? { store: offlineStore(outlet), transport: offlineTransport(outlet) } : undefined
  return { data, owned: create !== undefined, outlet, away }
}
