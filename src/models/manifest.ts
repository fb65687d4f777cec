import { join } from 'node:path'
import { eachLimited } from '../artifacts/limited.js'
import { readText, saveFile, sha256Of } from '../disk/files.js'
import { type TreeFile, tree } from '../disk/tree.js'
import { CairnError, IntegrityError } from '../errors.js'

/** What is known of one file of a cached model. */
interface Known {
  readonly size: number
  readonly mtimeMs: number
  readonly ino: number
  readonly mode: number
  readonly sha256: string
}

interface Manifest {
  readonly files: Readonly<Record<string, Known>>
}

const LIMIT = 256 * 1024 * 1024

const known = async ({ file, size, mtimeMs, ino, mode }: TreeFile): Promise<Known> => ({
  size,
  mtimeMs,
  ino,
  mode,
  sha256: await sha256Of(file),
})

async function write(file: string, entries: ReadonlyMap<string, Known>): Promise<void> {
  await saveFile(file, JSON.stringify({ files: Object.fromEntries(entries) }), { mode: 0o600 })
}

/** Hashes every file below `dir` and writes what it found to `file`; answers the bytes of all. */
export async function writeManifest(file: string, dir: string): Promise<number> {
  const files = await tree(dir, { links: 'refuse' })
  const entries = new Map<string, Known>()
  await eachLimited(files, 4, async (one) => {
    entries.set(one.path, await known(one))
  })
  await write(file, entries)
  return files.reduce((sum, { size }) => sum + size, 0)
}

async function readManifest(file: string): Promise<Manifest> {
  try {
    const manifest = JSON.parse(await readText(file, LIMIT)) as Manifest
    if (typeof manifest?.files !== 'object' || manifest.files === null) throw new SyntaxError('it has no files')
    return manifest
  } catch (error) {
    throw new IntegrityError(`The manifest ${file} cannot be read`, { cause: error })
  }
}

const isUntouched = (now: TreeFile, then: Known): boolean =>
  now.mtimeMs === then.mtimeMs && now.ino === then.ino && now.mode === then.mode

/**
 * Compares `dir` with its manifest: `changed` looks at size, time, inode and mode and hashes only what moved, `always`
 * hashes all. Throws `IntegrityError` naming the first file that is missing, too many, a link, or not what it was.
 */
export async function verifyManifest(file: string, dir: string, verify: 'changed' | 'always'): Promise<void> {
  const { files: recorded } = await readManifest(file)
  const found = await tree(dir, { links: 'refuse' }).catch((error: unknown) => {
    throw error instanceof IntegrityError
      ? error
      : new IntegrityError(`The cached model ${dir} is damaged`, { cause: error })
  })
  const present = new Set(found.map(({ path }) => path))
  for (const path of Object.keys(recorded))
    if (!present.has(path)) throw new IntegrityError(`The cached file ${join(dir, path)} is missing`)
  const entries = new Map<string, Known>()
  let moved = false
  await eachLimited(found, 4, async (one) => {
    const then = Object.hasOwn(recorded, one.path) ? recorded[one.path] : undefined
    if (!then) throw new IntegrityError(`${one.file} was not there when the model was cached`)
    if (one.size !== then.size)
      throw new IntegrityError(`The cached file ${one.file} has ${one.size} bytes instead of ${then.size}`)
    const untouched = isUntouched(one, then)
    if (untouched && verify === 'changed') {
      entries.set(one.path, then)
      return
    }
    moved ||= !untouched
    const now = await known(one).catch((error: unknown) => {
      throw new IntegrityError(`The cached file ${one.file} cannot be read`, { cause: error })
    })
    if (now.sha256 !== then.sha256)
      throw new IntegrityError(`The cached file ${one.file} is not what was fetched (SHA-256 differs)`)
    entries.set(one.path, now)
  })
  if (moved) await write(file, entries).catch(ignoreReadOnly)
}

const ignoreReadOnly = (error: unknown): void => {
  if (!(error instanceof CairnError)) throw error
}
