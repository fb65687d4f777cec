import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { makeDirs, readText, removeAll } from '../disk/files.js'
import { noRoom } from '../disk/no-room.js'
import { type Sum, sumOf } from '../disk/sums.js'
import { tree } from '../disk/tree.js'
import { type CairnError, TimeoutError, UnauthenticatedError, UnavailableError } from '../errors.js'
import type { LogModelOptions, ModelInfo, Packed } from '../models/log.js'
import type { PackageDeps } from '../models/package.js'
import type { CarryDeps, PackedModel, RegisterRequest } from '../models/packed-model.js'
import { inRoom } from '../spool/room.js'
import type { KeptModel } from '../spool/steps.js'
import type { LiveRun } from './handle.js'
import { checkKeptPath } from './kept.js'
import { loaded } from './loaded.js'
import { mayWait } from './outages.js'
import type { SpooledOutlet } from './spooled.js'
import { type Tried, whileThere } from './while-there.js'

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
  const log = await loaded(() => import('../models/log.js'))
  log.checkModelOptions(asked)
  const options = { ...asked, tags: { ...(await ways.contextTags()), ...asked.tags } }
  const runId = () => spooled?.folder.runId() ?? run.runId
  if (spooled) {
    const tried = await logOrKeep(ways, { run, spooled }, model, options)
    if ('value' in tried) return tried.value
    // A model that found no place on disk does not wait for its server at length.
    if (spooled.folder.runId() === undefined)
      throw nowhere(new UnavailableError('The run is not made on its server yet'), tried.reason)
    await carried(ways.impatient, runId(), options.signal).catch((error: unknown) => {
      throw mayWait(error) ? nowhere(error, tried.reason) : error
    })
  }
  // The logged model takes over what the run knows of itself: its parameters have to be there first.
  await run.flush()
  const deps = { ...(await loaded(ways.packaging)), ...ways.backend }
  return log.logModel(deps, await carried(ways.backend, runId(), options.signal), model, options)
}

/** By what the files of a packaged model are known again. */
async function asKept(dir: string): Promise<Pick<KeptModel, 'mlModel' | 'sums'>> {
  const sums: Record<string, Sum> = {}
  for (const { path, file } of await tree(dir, { links: 'refuse' }))
    if (path !== 'MLmodel') sums[path] = await sumOf(file)
  return { mlModel: await readText(join(dir, 'MLmodel')), sums }
}

const carried = async ({ transport }: CarryDeps, runId: string, signal: AbortSignal | undefined) =>
  (await loaded(() => import('../models/packed-model.js'))).runOfModel(await transport(), runId, { signal })

const nowhere = (away: CairnError, { message }: CairnError) =>
  new UnavailableError(`${away.message}, and the model cannot be kept on disk until then: ${message}`, { cause: away })

/** Why a run's folder cannot have a model, where that is known before. */
function noPlace({ isOpen, folder }: SpooledOutlet): CairnError | undefined {
  if (!folder.claim.isThere()) return new UnavailableError(`${folder.dir} was removed, or has been taken over`)
  return isOpen ? undefined : new UnavailableError('The run has ended')
}

/** Packages a model in a run's folder; answers why not where its disk has no room. */
async function packedBeside({ dir }: SpooledOutlet['folder'], pack: () => Promise<Packed>): Promise<Tried<Packed>> {
  try {
    return { value: await pack() }
  } catch (error) {
    const reason = noRoom(error, dir, 'make room there, or name another folder in CAIRN_SPOOL_DIR')
    if (!reason) throw error
    return { reason }
  }
}

/** The model on its server, or on disk; answers why it found no place there on its way. */
async function logOrKeep(
  ways: LogModelWays,
  { run, spooled }: { readonly run: LiveRun; readonly spooled: SpooledOutlet },
  model: unknown,
  options: LogModelOptions,
): Promise<Tried<ModelInfo>> {
  const lost = noPlace(spooled)
  if (lost) return { reason: lost }
  const { packForRun } = await loaded(() => import('../models/log.js'))
  const folder = `model-${randomUUID()}`
  const dir = join(spooled.folder.dir, folder)
  const { registry } = ways
  const known = { model, runId: run.runId, operationId: randomUUID(), registry }
  let isKept = false
  try {
    const packing = await loaded(ways.packaging)
    const tried = await packedBeside(spooled.folder, async () => {
      await makeDirs(dir, 0o700)
      return packForRun(packing, dir, known, options)
    })
    if ('reason' in tried) return tried
    const { packed, info } = tried.value
    for (const { path } of await tree(dir, { links: 'refuse' })) checkKeptPath(run.artifactUri, path)
    const got = await sentNow(ways, { run, spooled }, packed, options)
    if ('value' in got) return got
    const { reason } = got
    if (!spooled.isOpen) throw reason
    const step = { model: { folder, request: packed.request, ...(await asKept(dir)) } }
    await inRoom(spooled.folder.room, info.modelSizeBytes ?? 0, () => spooled.steps([step]))
    isKept = true
    spooled.tellSpooled(reason)
    ways.away(
      `The model ${JSON.stringify(options.name)} of run ${run.runId} is kept on disk until its server takes it, then logged${options.registeredModelName === undefined ? '' : ' and registered'} in its turn: ${reason.message}`,
    )
    return { value: info }
  } finally {
    if (!isKept) await Promise.all([removeAll(dir), removeAll(`${dir}.sent`)])
  }
}

/** The packaged model on its server, or why that cannot have it now. */
async function sentNow(
  { impatient }: LogModelWays,
  { run, spooled }: { readonly run: LiveRun; readonly spooled: SpooledOutlet },
  packed: PackedModel,
  options: LogModelOptions,
): Promise<Tried<ModelInfo>> {
  const { carryModel } = await loaded(() => import('../models/carry-model.js'))
  const ofRun = (until: AbortSignal) => carried(impatient, spooled.folder.runId() ?? run.runId, until)
  const goesOn = (error: unknown): boolean => mayWait(error) && spooled.isOpen && !options.signal?.aborted
  let isRefused = false
  const registerModel = (asked: RegisterRequest) =>
    impatient.registerModel(asked).catch((error: unknown) => {
      isRefused = asked.registry !== undefined && error instanceof UnauthenticatedError
      throw error
    })
  // A failure of something else breaks nothing off that may be much to send.
  const sent = await whileThere({ awayFor: undefined, leaving: spooled.leaving }, ofRun)(
    options.signal,
    async (until, moved): Promise<Tried<ModelInfo>> => {
      const signal = AbortSignal.any([spooled.leaving, until])
      const away = await awayFor(run, spooled, signal)
      options.signal?.throwIfAborted()
      if (away) return { reason: away }
      const onProgress: typeof options.onProgress = (progress) => {
        moved()
        options.onProgress?.(progress)
      }
      const of = await ofRun(signal)
      return { value: await carryModel({ ...impatient, registerModel }, of, packed, { signal, goesOn, onProgress }) }
    },
  )
  if ('value' in sent) return sent.value
  // A registry of its own has credentials of its own, for which its run would wait.
  if (isRefused) throw sent.reason
  return sent
}

/** Why the server cannot have a model now; undefined when it has all that was logged before. */
async function awayFor(run: LiveRun, spooled: SpooledOutlet, signal: AbortSignal): Promise<CairnError | undefined> {
  run.handOver()
  if (spooled.folder.runId() === undefined) return new UnavailableError('the run is not made on its server yet')
  const known = spooled.awayFor ?? spooled.toldAway
  if (known) return known
  const over = new AbortController()
  let looks = 0
  let look: NodeJS.Timeout | undefined
  const knownAway = new Promise<CairnError>((resolve) => {
    look = setInterval(() => {
      looks = spooled.awayFor ? looks + 1 : 0
      if (spooled.awayFor && looks * LOOK_MS >= AWAY_MS) resolve(spooled.awayFor)
      if (signal.aborted) resolve(signal.reason as CairnError)
    }, LOOK_MS)
  })
  try {
    return await Promise.race([spooled.arrive(ARRIVE_MS, over.signal).then(() => undefined), knownAway])
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
    return spooled.awayFor ?? error
  } finally {
    clearInterval(look)
    // Its limit would hold the process.
    over.abort()
  }
}
