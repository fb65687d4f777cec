import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetchFile } from '../artifacts/download.js'
import { eachLimited } from '../artifacts/limited.js'
import { isFit, listAll, type OnUnfit } from '../artifacts/listing.js'
import { isLocal, localPath } from '../artifacts/location.js'
import type { ArtifactFile, ArtifactStore } from '../artifacts/store.js'
import { upload } from '../artifacts/upload.js'
import { factsBehind, factsOf, namesIn, removeAll } from '../disk/files.js'
import { isAbandoned, isPartial } from '../disk/partial.js'
import { inStage } from '../disk/stage.js'
import { IntegrityError } from '../errors.js'
import type { Job } from './job.js'
import { fingerprint, type Pair, textOf, WRITTEN } from './marks.js'
import { isMlModel, type Renames, renamedMlModel } from './mlmodel.js'
import { isWritten, readWritten, withSpan } from './write-spans.js'

const AT_ONCE = 4
const MLMODEL_BYTES = 1 << 24

/** A file of the source; a place on this disk tells its times as well, in epoch milliseconds. */
interface SourceFile extends ArtifactFile {
  readonly mtimeMs?: number | undefined
  readonly ctimeMs?: number | undefined
}

/** The files of a run or model in the source, as listed. */
export interface Listing {
  readonly uri: string
  readonly store: ArtifactStore
  readonly files: readonly SourceFile[]
}

/** Lists all files below a place of the source; a name that no store takes is thrown, or told to `onUnfit` and left out. */
export async function listing(job: Job, uri: string, onUnfit?: OnUnfit): Promise<Listing> {
  const store = await job.from.openArtifacts(uri)
  const entries = await listAll(store, '', { signal: job.signal, onUnfit })
  const files = entries.filter(({ isDir }) => !isDir).sort((a, b) => (a.path < b.path ? -1 : 1))
  return { uri, store, files: isLocal(uri) ? await Promise.all(files.map((file) => timed(uri, file))) : files }
}

async function timed(uri: string, file: ArtifactFile): Promise<SourceFile> {
  const facts = await factsBehind(placed(uri, file.path))
  return { ...file, mtimeMs: facts?.mtimeMs, ctimeMs: facts?.ctimeMs }
}

const placed = (uri: string, path: string): string => join(localPath(uri), ...path.split('/'))

/** What tells one listing from a later one, as far as it can be told without reading. */
export const shown = ({ files }: Listing) => files.map(({ path, size, mtimeMs }) => [path, size, mtimeMs] as const)

/** What is remembered at the target of the files it was sent. */
export interface FilesMark {
  /** The tag of the target that holds it. */
  readonly key: string
  /** What changes when files of the original may have, for a source that tells no times. */
  readonly state: unknown
  /** The two runs or models, with what stores remember in their tags. */
  readonly from: Tagged
  readonly to: Tagged
  write(key: string, value: string): Promise<unknown>
}

interface Tagged {
  readonly id: string
  readonly tags: readonly Pair[]
}

/** Removes the unfinished files of a copy that was killed. */
async function sweep(uri: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders)
    for (const name of (await namesIn(placed(uri, folder))).filter(isPartial)) {
      const file = join(placed(uri, folder), name)
      const facts = await factsOf(file)
      if (facts?.kind === 'file' && isAbandoned(name, facts.mtimeMs)) await removeAll(file)
    }
}

interface Target {
  readonly uri: string
  /** The folder below it. */
  readonly path: string
  /** Nothing can be there yet. */
  readonly fresh: boolean
  readonly renames: Renames
  readonly mark: FilesMark
  /** Told of a file whose name the target does not take, which is then left out; thrown without it. */
  readonly onUnfit?: OnUnfit | undefined
}

/**
 * The mark of a listing, and whether a file may have changed since the mark that is there. The time of the last change
 * counts, not that of the last writing: MLflow's client keeps the latter when it logs a file. What was copied from the
 * target itself, and did not change since, is as it is there.
 */
function compared({ uri, files }: Listing, { key, state, from, to }: FilesMark) {
  const was = textOf(to.tags, key)
  if (!isLocal(uri)) {
    const now = `state:${fingerprint(state)}`
    return { was, now, changed: () => was !== undefined && was !== now }
  }
  const written = readWritten(textOf(from.tags, WRITTEN), to.id)
  const times = files.map(({ ctimeMs = 0 }) => ctimeMs).filter((time) => !isWritten(written, time))
  // Another source may go by what was written here before.
  const now = times.length === 0 ? (was ?? '0') : String(times.reduce((last, time) => Math.max(last, time), 0))
  const isOld = (time: number) => time <= Number(was) || isWritten(written, time)
  return { was, now, changed: ({ ctimeMs = 0 }: SourceFile) => was !== undefined && !isOld(ctimeMs) }
}

/**
 * Remembers when this copy wrote files of a local store, unless another hand wrote there meanwhile: then they count as
 * changed when they are copied back.
 */
async function remember(job: Job, sent: ReadonlyMap<string, number>, { uri, path, mark }: Target): Promise<void> {
  if (sent.size === 0 || job.options.dryRun) return
  let [first, last] = [Number.POSITIVE_INFINITY, 0]
  for (const time of sent.values()) [first, last] = [Math.min(first, time), Math.max(last, time)]
  const to = await job.to.openArtifacts(uri)
  for (const { path: at, isDir } of await listAll(to, path, { signal: job.signal, onUnfit: () => {} })) {
    const time = isDir ? undefined : (await factsBehind(placed(uri, at)))?.ctimeMs
    if (time !== undefined && time >= first && time <= last && sent.get(at) !== time) return
    if (sent.has(at) && sent.get(at) !== time) return
  }
  await mark.write(WRITTEN, withSpan(readWritten(textOf(mark.to.tags, WRITTEN), mark.from.id), [first, last]))
}

/**
 * Sends the files that the target lacks, has with another size or from before they changed, descriptions of models last,
 * so that a listing that shows one shows a whole model. Answers how many were sent.
 */
export async function copyFiles(job: Job, listing: Listing, target: Target): Promise<number> {
  const { uri, store } = listing
  if (listing.files.length === 0) return 0
  const { signal } = job
  const { mark, onUnfit } = target
  const { was, now, changed } = compared(listing, mark)
  // Before the first file goes: when this copy is cut, the next one knows what has changed since it began.
  if (was === undefined) await mark.write(mark.key, now)
  const to = await job.to.openArtifacts(target.uri)
  const there = target.fresh ? [] : await listAll(to, target.path, { signal, onUnfit: () => {} })
  const folders = there.filter(({ isDir }) => isDir).map(({ path }) => path)
  if (isLocal(target.uri) && !target.fresh && !job.options.dryRun) await sweep(target.uri, ['', ...folders])
  const sizes = new Map(there.map(({ path, size }) => [path, size]))
  const at = (path: string) => (target.path === '' ? path : `${target.path}/${path}`)
  const check = (path: string) => to.checkWritable?.(at(path))
  const files = onUnfit ? listing.files.filter(({ path }) => isFit(path, check, onUnfit)) : listing.files
  let sent = 0
  /** When each was written, where the target is a folder of this machine. */
  const written = new Map<string, number>()
  const wrote = async (path: string, size: number): Promise<void> => {
    sent++
    job.file(size)
    const facts =
      isLocal(target.uri) && !job.options.dryRun ? await factsBehind(placed(target.uri, at(path))) : undefined
    if (facts) written.set(at(path), facts.ctimeMs)
  }

  const isThere = (file: SourceFile, size = file.size): boolean =>
    sizes.has(at(file.path)) && sizes.get(at(file.path)) === size && !changed(file)

  const send = async (file: SourceFile): Promise<void> => {
    const { path, size } = file
    if (isMlModel(path)) return describe(file)
    if (isThere(file)) return
    if (isLocal(uri)) await upload(to, [{ path: at(path), file: placed(uri, path) }], '', { signal })
    else if (!job.options.dryRun) await throughDisk(path, size)
    await wrote(path, size ?? 0)
  }

  const throughDisk = (path: string, size: number | undefined) =>
    inStage(
      tmpdir(),
      async (stage) => {
        const file = join(stage, 'file')
        await fetchFile(store, path, file, { signal, size })
        await upload(to, [{ path: at(path), file }], '', { signal })
      },
      0o700,
    )

  const describe = async (file: SourceFile): Promise<void> => {
    const { path, size = 0 } = file
    if (size > MLMODEL_BYTES) throw new IntegrityError(`${path} has ${size} bytes, which no MLmodel has`)
    const text = await new Response(await store.read(path, { signal })).text()
    const data = new Blob([renamedMlModel(text, target.renames)])
    if (isThere(file, data.size)) return
    await to.write(at(path), data, { signal })
    await wrote(path, data.size)
  }

  const isLast = ({ path }: ArtifactFile) => isMlModel(path)
  await eachLimited(
    files.filter((file) => !isLast(file)),
    AT_ONCE,
    send,
    signal,
  )
  await eachLimited(files.filter(isLast), AT_ONCE, send, signal)
  if (was !== undefined && was !== now) await mark.write(mark.key, now)
  await remember(job, written, target)
  return sent
}
