import { join } from 'node:path'
import { namesIn } from '../disk/files.js'
import {
  absent,
  CairnError,
  IntegrityError,
  InvalidParameterError,
  NotFoundError,
  UnavailableError,
} from '../errors.js'
import { isOfTheStore, type Job, type SyncKind } from './job.js'

/** Folders of a store or an experiment that hold other things. */
const OTHERS = new Set(['models', 'tags', 'datasets', 'traces', '.trash'])

/** For `catch`: nothing, of what is not there or cannot be read. */
export function unreadable(error: unknown): undefined {
  const isUnreadable = error instanceof IntegrityError || (error instanceof UnavailableError && !isOfTheStore(error))
  if (!isUnreadable) absent(error)
}

/** What a folder of a local store holds, one kind in each of its folders. */
interface Shelf {
  readonly what: SyncKind
  /** The folder, by its names below the store. */
  readonly at: readonly string[]
  /** The folders in it that were listed. */
  readonly listed: ReadonlySet<string>
  /** Reads the one in a folder. */
  read(name: string): Promise<unknown>
  /** How it is called in the result; as its folder is by default. */
  id?(name: string): string
}

/**
 * Tells what a listing left out because it cannot be read. A local store is looked through for that; what a server does
 * not list is not there for anybody.
 */
export async function tellUnreadable(job: Job, { what, at, listed, read, id = (name) => name }: Shelf): Promise<void> {
  if (!job.from.local) return
  for (const name of await namesIn(join(job.from.uri, ...at))) {
    if (listed.has(name) || OTHERS.has(name)) continue
    try {
      await read(name)
    } catch (error) {
      job.signal?.throwIfAborted()
      if (!(error instanceof CairnError)) throw error
      if (!(error instanceof NotFoundError || error instanceof InvalidParameterError)) job.fail(what, id(name), error)
    }
  }
}
