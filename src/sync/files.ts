import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listAll, upload } from '../artifacts/copy.js'
import { eachLimited } from '../artifacts/limited.js'
import { isLocal, localPath } from '../artifacts/location.js'
import type { ArtifactFile, ArtifactStore } from '../artifacts/store.js'
import { saveStream } from '../disk/files.js'
import { inStage } from '../disk/stage.js'
import { IntegrityError } from '../errors.js'
import type { Job } from './job.js'
import { isMlModel, type Renames, renamedMlModel } from './mlmodel.js'

const AT_ONCE = 4
const MLMODEL_BYTES = 1 << 24

/** The files of a run or model in the source, as listed. */
export interface Listing {
  readonly uri: string
  readonly store: ArtifactStore
  readonly files: readonly ArtifactFile[]
}

/** Lists all files below a place of the source. */
export async function listing(job: Job, uri: string): Promise<Listing> {
  const store = await job.from.openArtifacts(uri)
  const entries = await listAll(store, '', { signal: job.signal })
  const files = entries.filter(({ isDir }) => !isDir).sort((a, b) => (a.path < b.path ? -1 : 1))
  return { uri, store, files }
}

interface Target {
  readonly uri: string
  /** The folder below it. */
  readonly path: string
  /** Nothing can be there yet. */
  readonly fresh: boolean
  readonly renames: Renames
}

/**
 * Sends the files that the target lacks or has with another size, descriptions of models last, so that a listing that
 * shows one shows a whole model. Answers how many were sent.
 */
export async function copyFiles(job: Job, { uri, store, files }: Listing, target: Target): Promise<number> {
  if (files.length === 0) return 0
  const { signal } = job
  const to = await job.to.openArtifacts(target.uri)
  const there = target.fresh ? [] : await listAll(to, target.path, { signal })
  const sizes = new Map(there.map(({ path, size }) => [path, size]))
  const at = (path: string) => (target.path === '' ? path : `${target.path}/${path}`)
  let sent = 0

  const send = async ({ path, size }: ArtifactFile): Promise<void> => {
    if (isMlModel(path)) return describe(path, size)
    if (sizes.has(at(path)) && sizes.get(at(path)) === size) return
    if (isLocal(uri))
      await upload(to, [{ path: at(path), file: join(localPath(uri), ...path.split('/')) }], '', { signal })
    else if (!job.options.dryRun) await throughDisk(path, size)
    sent++
    job.file(size ?? 0)
  }

  const throughDisk = (path: string, size: number | undefined) =>
    inStage(
      tmpdir(),
      async (stage) => {
        const file = join(stage, 'file')
        await saveStream(file, await store.read(path, { signal }), { signal, size })
        await upload(to, [{ path: at(path), file }], '', { signal })
      },
      0o700,
    )

  const describe = async (path: string, size = 0): Promise<void> => {
    if (size > MLMODEL_BYTES) throw new IntegrityError(`${path} has ${size} bytes, which no MLmodel has`)
    const text = await new Response(await store.read(path, { signal })).text()
    const data = new Blob([renamedMlModel(text, target.renames)])
    if (sizes.get(at(path)) === data.size) return
    await to.write(at(path), data, { signal })
    sent++
    job.file(data.size)
  }

  const isLast = ({ path }: ArtifactFile) => isMlModel(path)
  await eachLimited(
    files.filter((file) => !isLast(file)),
    AT_ONCE,
    send,
    signal,
  )
  await eachLimited(files.filter(isLast), AT_ONCE, send, signal)
  return sent
}
