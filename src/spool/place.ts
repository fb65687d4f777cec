import { createHash, randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { appendBytes, closeLog } from '../disk/log-file.js'
import { createPrivate, makePrivateDir, writePrivate } from '../disk/private.js'
import { sizeOf } from '../disk/space.js'
import { isRealDir, namesIn } from '../disk/walk.js'
import { exists, move, readText, removeDir } from '../disk/write.js'
import { type CairnError, IntegrityError, UnavailableError } from '../errors.js'
import { beginAcks, type Known } from './acks.js'
import { signFirst } from './owner.js'
import { keepReserve, outOfReserve } from './reserve.js'
import { madeIn, nameOf, runOf } from './whose.js'

/** Where what waits for one server lies. */
export interface ServerPlace {
  /** The server's address, without credentials. */
  readonly uri: string
  /** MLflow's workspace there, when one is named. */
  readonly workspace?: string | undefined
  readonly dir: string
  /** The folder of the whole spool. */
  readonly spoolDir: string
  /** The user's limit on all that waits there; undefined for ours. */
  readonly maxBytes?: number | undefined
}

/** What a folder of the spool says of its run. */
export interface SpooledRun {
  /** The id that the script knows. */
  readonly runId: string
  /** Whether that id is ours, and the server has to make the run yet. */
  readonly local: boolean
}

const VERSION = 'v1'
const WHOSE = 'server.json'

/** An address as it may be written down: no credentials, no query. */
export function withoutSecrets(uri: string): string {
  if (!/^https?:/i.test(uri)) return uri
  const { protocol, host, pathname } = new URL(uri)
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`
}

/** The place of a server, one for each of its workspaces; nothing is made. */
export function serverPlace(
  spoolDir: string,
  trackingUri: string,
  { workspace, maxBytes }: Pick<ServerPlace, 'workspace' | 'maxBytes'> = {},
): ServerPlace {
  const uri = withoutSecrets(trackingUri)
  const name = workspace === undefined ? uri : `${uri}\n${workspace}`
  const dir = join(spoolDir, VERSION, createHash('sha256').update(name).digest('hex').slice(0, 16))
  return { uri, workspace, spoolDir, maxBytes, dir }
}

/** The places in a spool where anything was ever kept. */
export const serverPlaces = (spoolDir: string): ServerPlace[] =>
  dirsOf(spoolDir).flatMap((dir) => placeSaid(spoolDir, dir) ?? [])

const dirsOf = (spoolDir: string): string[] =>
  namesIn(join(spoolDir, VERSION)).map((name) => join(spoolDir, VERSION, name))

/** The place that a folder says it is; undefined when that is not to be read, or its name says otherwise. */
function placeSaid(spoolDir: string, dir: string): ServerPlace | undefined {
  try {
    const { uri, workspace } = JSON.parse(readText(join(dir, WHOSE)) ?? '') as Record<string, unknown>
    if (typeof uri !== 'string' || (workspace !== undefined && typeof workspace !== 'string')) return undefined
    const place = serverPlace(spoolDir, uri, { workspace })
    return place.dir === dir ? place : undefined
  } catch {
    return undefined
  }
}

/** Writes down for which server a place is, also where that is to be read no more. */
export function sayWhose({ uri, workspace, spoolDir, dir }: ServerPlace): void {
  if (!placeSaid(spoolDir, dir)) writePrivate(join(dir, WHOSE), JSON.stringify({ uri, workspace }))
}

/** Folders of a spool in which something waits that cannot be delivered from here, each with the reason. */
export function hiddenPlaces(spoolDir: string): { readonly dir: string; readonly reason: CairnError }[] {
  const others = namesIn(spoolDir).filter((name) => /^v\d+$/.test(name) && name !== VERSION)
  const hidden = others.map((name) => ({
    dir: join(spoolDir, name),
    reason: new UnavailableError('another version of cairn-ml has left it, which delivers it: run its sync'),
  }))
  const lost = dirsOf(spoolDir).filter((dir) => !placeSaid(spoolDir, dir) && runDirs({ dir }).length > 0)
  const nameless = lost.map((dir) => ({
    dir,
    reason: new IntegrityError(
      `${WHOSE} in it, which says for which server this waits, is damaged: run sync with MLFLOW_TRACKING_URI (and MLFLOW_WORKSPACE, if it was set) as they were`,
    ),
  }))
  return [...hidden.filter(({ dir }) => sizeOf(dir) > 0), ...nameless]
}

let madeAt = 0

/**
 * Makes the folder of one run of this process, and owns it from the first moment in which others see it. It sorts behind
 * `elders`, the folders that the run has already.
 */
export function newRunDir(place: ServerPlace, run: SpooledRun, elders: readonly string[] = []): string {
  const { dir } = place
  // Folders of one run are told apart by their age, also where the clock went back since another process made one.
  madeAt = Math.max(Date.now(), ...[madeAt, ...elders.map(madeIn)].map((before) => before + 1))
  const name = nameOf(madeAt, run.runId, randomBytes(4).toString('hex'))
  const made = join(dir, 'runs', name)
  makeRunDir(place, made, run, (staged) => beginAcks(staged))
  return made
}

/** Makes a run's folder; `begin` puts into it what is known of its delivery, and its log if that has begun. */
function makeRunDir(place: ServerPlace, made: string, run: SpooledRun, begin: (staged: string) => void): void {
  const staged = join(place.dir, 'staging', basename(made))
  sayWhose(place)
  keepReserve(place)
  try {
    createPrivate(join(staged, 'run.json'), JSON.stringify(run))
    signFirst(staged)
    begin(staged)
    makePrivateDir(dirname(made))
    move(staged, made)
  } catch (error) {
    dropRunDir(staged)
    throw error
  }
}

/**
 * Makes a run's folder anew that somebody has removed or moved away, with the file in which its log goes on. Throws what the
 * disk says: `InvalidParameterError` where a link or file lies in its place.
 */
export function remakeRunDir(
  place: ServerPlace,
  made: string,
  run: SpooledRun,
  { file, begun, known }: { readonly file: string; readonly begun: Uint8Array; readonly known: Known },
): void {
  makeRunDir(place, made, run, (staged) => {
    beginAcks(staged, known)
    appendBytes(join(staged, file), begun)
    closeLog(join(staged, file))
    if (known.runId !== undefined && !writtenIds(place).has(run.runId)) rememberId(place, run.runId, known.runId)
    // What a removal has left, or not come to yet.
    if (isRealDir(made)) dropRunDir(made)
  })
}

const GONE = '.gone'
/** What is older in staging belongs to nobody: it is there for the blink of an eye. */
const STAGING_MS = 3_600_000

/** The folders of runs that wait for a server, the oldest first; what was being removed is removed. */
export function runDirs({ dir }: Pick<ServerPlace, 'dir'>): string[] {
  for (const name of namesIn(join(dir, 'staging')))
    if (Date.now() - Number.parseInt(name, 10) > STAGING_MS) removeDir(join(dir, 'staging', name))
  const all = namesIn(join(dir, 'runs')).map((name) => join(dir, 'runs', name))
  for (const gone of all) if (gone.endsWith(GONE)) removeDir(gone)
  return all.filter((path) => !path.endsWith(GONE))
}

/** Removes a run's folder; it is out of the way at once, so that half of it is never taken for a whole. */
export function dropRunDir(dir: string): void {
  try {
    if (exists(dir)) move(dir, dir + GONE)
    removeDir(dir + GONE)
  } catch {
    // Somebody else of this process was quicker, or the disk refuses; whoever finds it done with removes it.
  }
}

/** Remembers which run of the server a run of ours has become. */
export function rememberId(place: ServerPlace, ours: string, runId: string): void {
  const file = join(place.dir, 'ids')
  outOfReserve(place, () => appendBytes(file, Buffer.from(`${ours} ${runId}\n`), true))
  closeLog(file)
}

/** Which runs of the server the runs of ours have become, as far as that is written down. */
export const writtenIds = ({ dir }: ServerPlace): ReadonlyMap<string, string> =>
  new Map(
    (readText(join(dir, 'ids'))?.split('\n') ?? []).flatMap((line) => {
      const [ours, theirs] = line.split(' ')
      return ours && theirs ? [[ours, theirs] as const] : []
    }),
  )

/** The server's id for a run of ours, any other id as it is; undefined while the run is not made. */
export function serverRunId(place: ServerPlace, runId: string): string | undefined {
  const written = writtenIds(place).get(runId)
  if (written !== undefined) return written
  if (runDirs(place).some((dir) => dir.includes(runId) && runOf(dir)?.local)) return undefined
  // It may have been made, and its folder removed, between the two looks.
  return writtenIds(place).get(runId) ?? runId
}
