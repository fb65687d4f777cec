import { createHash } from 'node:crypto'
import { OPERATION_TAG } from '../core/tags.js'

/** The tag that says of which run, logged model or version something is a copy. */
export const SOURCE = 'cairn.sync.source'
/** The tag that says in which state the original was when its copy was last complete. */
export const STATE = 'cairn.sync.state'
/** The tag that says up to when, or in which state of the original, all files were sent or found of the same size. */
export const FILES = 'cairn.sync.files'
/** The tag that says which files a copy wrote in a local store, and when: copied back, they are no changes. */
export const WRITTEN = 'cairn.sync.written'
/** The tag that says which description and tags of a registered model are as they were copied, each as a short hash. */
export const FIELDS = 'cairn.sync.fields'
/** The tag with the original's creation time in epoch milliseconds, where a server sets its own. */
export const CREATED = 'cairn.sync.created'

/** The tag of a run that was deleted as the original was, and not by somebody at the target. */
export const DELETED = 'cairn.sync.deleted'

/** A tag as stores have it. */
export interface Pair {
  readonly key: string
  readonly value: string
}

/** Whether a tag belongs to its store alone and is not copied. */
export const isOwn = (key: string): boolean => key.startsWith('cairn.sync.') || key === OPERATION_TAG

/** The tags that are copied. */
export const copied = (tags: readonly Pair[]): Pair[] => tags.filter(({ key }) => !isOwn(key))

/** The value of a tag. */
export const textOf = (tags: readonly Pair[], key: string): string | undefined =>
  tags.find((tag) => tag.key === key)?.value

/**
 * What something is in all stores it was copied to: the id of the first. So a copy of a copy is known as one of the
 * original, and copying back finds the original.
 */
export const identityOf = (id: string, tags: readonly Pair[]): string => textOf(tags, SOURCE) || id

/** The entries of the first list that the second lacks or has with another value. */
export const differing = (wanted: readonly Pair[], there: readonly Pair[]): Pair[] => {
  const known = new Map(there.map(({ key, value }) => [key, value]))
  return wanted.filter(({ key, value }) => known.get(key) !== value)
}

/** A short text that is the same for the same value, whatever the order of fields in lists of pairs. */
export function fingerprint(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint' || (typeof inner === 'number' && !Number.isFinite(inner))) return String(inner)
    if (Array.isArray(inner)) return inner.map((item) => JSON.stringify(item, jsonable)).sort()
    return inner
  })
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

const jsonable = (_: string, inner: unknown): unknown =>
  typeof inner === 'bigint' || (typeof inner === 'number' && !Number.isFinite(inner)) ? String(inner) : inner

/** The tag with a creation time that the target cannot be told. */
export const createdTag = (time: number | undefined, tags: readonly Pair[]) =>
  time === undefined ? [] : [{ key: CREATED, value: textOf(tags, CREATED) ?? String(time) }]
