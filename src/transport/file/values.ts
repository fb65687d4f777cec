import { checkKey, cutTo, LIMITS, lengthOf } from '../../core/names.js'
import { errno } from '../../disk/errno.js'
import { walkFiles } from '../../disk/walk.js'
import { createOnce, readText, removeFile, stateOf, writeAtomic } from '../../disk/write.js'
import { InvalidParameterError, ParamConflictError } from '../../errors.js'
import type { Memo } from './memo.js'

/** A parameter or tag. */
export interface KeyValue {
  readonly key: string
  readonly value: string
}

/** The file of a key (of a metric, parameter or tag) in its folder; a key that is no plain path is refused. */
export const keyFile = (dir: string, kind: 'metric' | 'param' | 'tag', key: string): string =>
  `${dir}/${checkKey(kind, key)}`

const same = (text: string): string => text

/** All parameters or tags of a folder, sorted by key; a file that goes away meanwhile is left out. */
export function readValues(dir: string, memo?: Memo): KeyValue[] {
  const values: KeyValue[] = []
  for (const key of memo ? memo.files(dir) : walkFiles(dir).sort()) {
    const file = `${dir}/${key}`
    const value = memo ? memo.read(file, same) : readText(file)
    if (value !== undefined) values.push({ key, value })
  }
  return values
}

/** One parameter or tag; undefined when it is not there. Nothing is checked, so a foreign key is simply absent. */
export const readValue = (dir: string, key: string, memo?: Memo): string | undefined => {
  try {
    const file = keyFile(dir, 'tag', key)
    return memo ? memo.read(file, same) : readText(file)
  } catch (error) {
    if (error instanceof InvalidParameterError || errno(error) === 'EISDIR') return undefined
    throw error
  }
}

/** A value as its file holds it, U+FFFD for half an emoji, within its limit: cut when `truncate`, refused otherwise. */
export function fitValue(truncate: boolean, kind: string, key: string, text: string, limit: number): string {
  const value = text.toWellFormed()
  if (value.length <= limit || lengthOf(value) <= limit) return value
  if (truncate) return cutTo(value, limit)
  throw new InvalidParameterError(
    `The value of the ${kind} ${JSON.stringify(key)} has ${lengthOf(value)} characters; at most ${limit} are allowed (MLFLOW_TRUNCATE_LONG_VALUES=true cuts it)`,
  )
}

const CLASH = new Set(['EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY'])

/** Runs a write of a key; that `a` and `a/b` cannot both be keys of one folder is said as bad input. */
export function writingKey<T>(kind: string, key: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (!CLASH.has(errno(error) ?? '')) throw error
    throw new InvalidParameterError(
      `The ${kind} key ${JSON.stringify(key)} clashes with another: on disk a key is a file and "/" makes folders, so "a" and "a/b" cannot both be keys`,
      { cause: error },
    )
  }
}

/** Refuses a key that cannot be a file beside those that are there, and beside `others` that come with it. */
export function checkClash(
  dir: string,
  kind: 'metric' | 'param' | 'tag',
  key: string,
  others: ReadonlySet<string>,
): void {
  const clash = (with_: string): never => {
    throw new InvalidParameterError(
      `The ${kind} key ${JSON.stringify(key)} clashes with ${with_}: on disk a key is a file and "/" makes folders, so "a" and "a/b" cannot both be keys`,
    )
  }
  for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) {
    const prefix = key.slice(0, at)
    const state = others.has(prefix) ? undefined : stateOf(`${dir}/${prefix}`)
    if (others.has(prefix) || state?.isDirectory === false) clash(JSON.stringify(prefix))
  }
  if (stateOf(keyFile(dir, kind, key))?.isDirectory) clash(`keys that begin with ${JSON.stringify(`${key}/`)}`)
}

/** Sets a tag; the temporary file lies in `home`, the folder above, never among the tags. */
export function setTag(home: string, dir: string, key: string, value: string): void {
  const file = keyFile(dir, 'tag', key)
  writingKey('tag', key, () => writeAtomic(file, value, { temp: home }))
}

/** Removes a tag; false when there was none, as where only keys begin with it. */
export function deleteTag(dir: string, key: string): boolean {
  const file = keyFile(dir, 'tag', key)
  return !stateOf(file)?.isDirectory && removeFile(file)
}

/** Refuses another value for a parameter that is there: a `ParamConflictError` naming both. The key is checked. */
export function checkParam(dir: string, key: string, value: string, owner: string): void {
  const file = keyFile(dir, 'param', key)
  const before = writingKey('param', key, () => readText(file))
  if (before === undefined || before === value) return
  throw new ParamConflictError(
    `The param ${JSON.stringify(key)} of ${owner} is ${JSON.stringify(before)} already and cannot become ${JSON.stringify(value)}; parameters are written once`,
  )
}

/** Writes a parameter once: the same value again is fine, another is refused as by `checkParam`. */
export function writeParam(home: string, dir: string, key: string, value: string, owner: string): void {
  const file = keyFile(dir, 'param', key)
  if (!writingKey('param', key, () => createOnce(file, value, { temp: home }))) checkParam(dir, key, value, owner)
}

/** A tag's value within MLflow's limit for runs. */
export const fitTag = (truncate: boolean, key: string, value: string): string =>
  fitValue(truncate, 'tag', key, value, LIMITS.tagValue)

/** A parameter's value within MLflow's limit. */
export const fitParam = (truncate: boolean, key: string, value: string): string =>
  fitValue(truncate, 'param', key, value, LIMITS.paramValue)
