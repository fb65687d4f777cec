import { basename, dirname, join } from 'node:path'
import { sleep } from '../../disk/lock.js'
import { readText, stateOf, writeAtomic } from '../../disk/write.js'
import { InvalidParameterError } from '../../errors.js'
import { changeMeta } from './codec.js'
import { META } from './layout.js'
import { isSettled } from './memo.js'

const RETRIES_MS = [5, 20, 80]

/**
 * The text of the `meta.yaml` in a folder; undefined when there is none. Python rewrites these files in place: one that is
 * empty and young is read again for a tenth of a second.
 */
export function metaText(dir: string): string | undefined {
  const file = join(dir, META)
  let text = readText(file)
  for (const pause of RETRIES_MS) {
    if (text !== '' || isOld(file)) break
    sleep(pause)
    text = readText(file)
  }
  return text
}

const isOld = (file: string): boolean => {
  const state = stateOf(file)
  return state === undefined || isSettled(state)
}

/** Changes fields of the `meta.yaml` in a folder, all at once (undefined removes one); what others wrote there stays. */
export function changeMetaFile(dir: string, changes: Readonly<Record<string, unknown>>): void {
  const file = join(dir, META)
  writeAtomic(file, changeMeta(metaText(dir) ?? '', file, changes), { temp: dir })
}

/** A URI with path segments behind its path, before its query. */
export function appendToUri(uri: string, ...segments: readonly string[]): string {
  const query = uri.indexOf('?')
  const [path, rest] = query < 0 ? [uri, ''] : [uri.slice(0, query), uri.slice(query)]
  return [path.replace(/\/+$/, ''), ...segments].join('/') + rest
}

/** Refuses a whole number that is none, naming it; text of digits (from a wire) counts. */
export function wholeNumberOf(value: number | bigint | string, what: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || value === '')
    throw new InvalidParameterError(`${what} must be a whole number, not ${JSON.stringify(String(value))}`)
  return number
}

/** The id that the folder of a run, model or experiment has by its name, and that of the folder above. */
export const idsOf = (dir: string): { own: string; parent: string } => ({
  own: basename(dir),
  parent: basename(dirname(dir)),
})
