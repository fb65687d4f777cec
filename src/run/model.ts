import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { makeDirs, removeAll } from '../disk/files.js'
import { tree } from '../disk/tree.js'
import { type CairnError, TimeoutError, UnavailableError } from '../errors.js'
import type { CarryDeps } from '../models/carried.js'
import type { LogModelOptions, ModelInfo } from '../models/log.js'
import type { PackageDeps } from '../models/package.js'
import { inRoom } from '../spool/room.js'
import { checkKeptPath } from './kept.js'
import { isOutage } from './offline.js'
import type { LiveRun } from './run.js'
import type { SpooledOutlet } from './spooled.js'

/** What logging a model needs of the world. */
export interface LogModelWays {
  readonly packaging: () => Promise<PackageDeps>
  readonly backend: CarryDeps
  /** The tags of who logs it from where. */
  readonly contextTags: () => Promise<Readonly<Record<string, string>>>
  /** As `backend`, each giving up after seconds: what has not arrived by then is kept on disk. */
  readonly impatient: CarryDeps
  /** The registry's address, without credentials, when it is not the server of the runs. */
  readonly registry: string | undefined
  /** Told what waits on disk, and why. */
  readonly away: (said: string) => void
}

/** A run, and its way through the disk where it has one. */
export interface ModelsRun {
  readonly run: LiveRun
  readonly spooled: SpooledOutlet | undefined
}

/** How long what was logged before may take to arrive, and how long its server may be known to be away meanwhile. */
const ARRIVE_MS = 20_000
const AWAY_MS = 4_000
const LOOK_MS = 200

/** Logs a model with a run: on its server, or on disk until that can be reached. */
export async function logModelOf(
  ways: LogModelWays,
  { run, spooled }: ModelsRun,
  model: unknown,
  asked: LogModelOptions,
): Promise<ModelInfo> {
  const log = await import('../models/log.js')
  log.checkModelOptions(asked)
  const options = { ...asked, tags: { ...(await ways.contextTags()), ...asked.tags } }
  if (spooled?.isOpen) return keptOrSent(ways, { run, spooled }, model, options)
  // The logged model takes over what the run knows of itself: its parameters have to be there first.
  await run.flush()
  const deps = { ...(await ways.packaging()), ...ways.backend }
  const runId = spooled?.folder.runId() ?? run.runId
  return log.logModel(deps, await carried(ways.backend, runId, options.signal), model, options)
}

const carried = async ({ transport }: CarryDeps, runId: string, signal: AbortSignal | undefined) =>
  (await import('../models/carried.js')).runOfModel(await transport(), runId, { signal })

async function keptOrSent(
  ways: LogModelWays,
  { run, spooled }: { readonly run: LiveRun; readonly spooled: SpooledOutlet },
  model: unknown,
  options: LogModelOptions,
): Promise<ModelInfo> {
  const { packForRun } = await import('../models/log.js')
  const { carryModel } = await import('../models/carry.js')
  const folder = `model-${randomUUID()}`
  const dir = join(spooled.folder.dir, folder)
  const { registry } = ways
  const known = { model, runId: run.runId, operationId: randomUUID(), registry }
  let isKept = false
  await makeDirs(dir, 0o700)
  try {
    const { packed, info } = await packForRun(await ways.packaging(), dir, known, options)
    for (const { path } of await tree(dir, { links: 'refuse' })) checkKeptPath(run.artifactUri, path)
    const signal = AbortSignal.any([spooled.leaving, options.signal].filter((one) => one !== undefined))
    const goesOn = (error: unknown): error is CairnError =>
      isOutage(error) && spooled.isOpen && !options.signal?.aborted
    let reason = await awayFor(run, spooled)
    if (!reason)
      try {
        const of = await carried(ways.impatient, spooled.folder.runId() ?? run.runId, signal)
        return await carryModel(ways.impatient, of, packed, { ...options, signal, goesOn })
      } catch (error) {
        if (!goesOn(error)) throw error
        reason = error
      }
    const step = { model: { folder, request: packed.request } }
    await inRoom(spooled.folder.room, info.modelSizeBytes ?? 0, () => spooled.steps([step]))
    isKept = true
    spooled.tellSpooled(reason)
    ways.away(
      `The model ${JSON.stringify(options.name)} of run ${run.runId} is kept on disk until its server takes it, then logged${options.registeredModelName === undefined ? '' : ' and registered'} in its turn: ${reason.message}`,
    )
    return info
  } finally {
    if (!isKept) await Promise.all([removeAll(dir), removeAll(`${dir}.sent`)])
  }
}

/** Why the server cannot have a model now; undefined when it has all that was logged before. */
async function awayFor(run: LiveRun, spooled: SpooledOutlet): Promise<CairnError | undefined> {
  run.handOver()
  if (spooled.folder.runId() === undefined) return new UnavailableError('the run is not made on its server yet')
  if (spooled.awayFor) return spooled.awayFor
  let looks = 0
  let look: NodeJS.Timeout | undefined
  const knownAway = new Promise<CairnError>((resolve) => {
    look = setInterval(() => {
      looks = spooled.awayFor ? looks + 1 : 0
      if (spooled.awayFor && looks * LOOK_MS >= AWAY_MS) resolve(spooled.awayFor)
      if (spooled.leaving.aborted) resolve(spooled.leaving.reason as CairnError)
    }, LOOK_MS)
  })
  try {
    return await Promise.race([spooled.arrive(ARRIVE_MS).then(() => undefined), knownAway])
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
    return spooled.awayFor ?? error
  } finally {
    clearInterval(look)
  }
}
