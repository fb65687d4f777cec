import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AlreadyExistsError, diskError } from '../errors.js'
import { factsOf, makeDirs, namesIn } from './files.js'

const STAGE = /^\.stage-(\d+)-[0-9a-f]{16}$/
const DAY = 24 * 60 * 60 * 1000
const TAKEN = new Set(['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR', 'EPERM'])

export interface StageOptions {
  /** Mode of the directory and of those made above it; 0700 keeps others out. */
  readonly mode?: number
  /** Where the staging directory stands, on the same file system; beside the final one unless said. */
  readonly parent?: string
}

/** Whether a name is that of a staging directory; listings leave them out. */
export const isStage = (name: string): boolean => STAGE.test(name)

/** Runs `work` in a fresh directory below `parent` and removes whatever of it is left at its old place afterwards. */
export async function inStage<T>(parent: string, work: (stage: string) => Promise<T>, mode = 0o777): Promise<T> {
  await makeDirs(parent, mode)
  await sweepStages(parent)
  const stage = join(parent, `.stage-${process.pid}-${randomBytes(8).toString('hex')}`)
  await mkdir(stage, { mode }).catch((error) => {
    throw diskError(error, `make a staging directory in ${parent}`)
  })
  try {
    return await work(stage)
  } finally {
    // What cannot be removed now is swept later; the outcome of the work is what counts.
    await rm(stage, { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
  }
}

/**
 * The directory `dir`, filled once: what stands there is whole. `fill` gets a staging directory that is renamed into place
 * when it is done; when another process was faster, its directory stays and ours is thrown away.
 */
export async function once(
  dir: string,
  fill: (stage: string) => Promise<void>,
  options: StageOptions = {},
): Promise<string> {
  if (await factsOf(dir)) return dir
  await inStage(
    options.parent ?? dirname(dir),
    async (stage) => {
      await fill(stage)
      if (options.parent !== undefined) await makeDirs(dirname(dir), options.mode)
      await settle(stage, dir)
    },
    options.mode,
  )
  return dir
}

/** Like `once`, but a directory that is taken already is an `AlreadyExistsError` and `fill` counts for nothing. */
export async function only(
  dir: string,
  fill: (stage: string) => Promise<void>,
  options: StageOptions = {},
): Promise<string> {
  const taken = () => new AlreadyExistsError(`${dir} is there already and is not overwritten`)
  if (await isTaken(dir)) throw taken()
  await inStage(
    options.parent ?? dirname(dir),
    async (stage) => {
      await fill(stage)
      if (!(await settle(stage, dir))) throw taken()
    },
    options.mode,
  )
  return dir
}

const isTaken = async (dir: string): Promise<boolean> => {
  const facts = await factsOf(dir)
  return facts !== undefined && (facts.kind !== 'directory' || (await namesIn(dir)).length > 0)
}

async function settle(stage: string, dir: string): Promise<boolean> {
  try {
    await rename(stage, dir)
    return true
  } catch (error) {
    if (TAKEN.has((error as NodeJS.ErrnoException).code ?? '') && (await factsOf(dir))) return false
    throw diskError(error, `move ${basename(stage)} to ${dir}`)
  }
}

/** Removes staging directories that processes now dead left behind more than a day ago. */
export async function sweepStages(parent: string, olderThanMs = DAY): Promise<number> {
  let swept = 0
  for (const name of await namesIn(parent)) {
    const pid = STAGE.exec(name)?.[1]
    if (pid === undefined || isAlive(Number(pid))) continue
    const facts = await factsOf(join(parent, name))
    if (!facts || Date.now() - facts.mtimeMs < olderThanMs) continue
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {})
    swept++
  }
  return swept
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
