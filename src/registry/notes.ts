import { randomUUID } from 'node:crypto'
import type { ModelVersion } from '../core/entities.js'
import { LIMITS, lengthOf } from '../core/names.js'
import { InvalidParameterError } from '../errors.js'
import type { CallOptions, Transport } from '../transport/transport.js'

/** Something that happened to a version, kept as one tag of it, so that two writers never overwrite each other. */
export interface Note {
  /** Epoch milliseconds. */
  readonly at: number
  readonly [field: string]: unknown
}

const COMMENT_LIMIT = 4_000

/** A key that nobody else makes and that sorts by time: no colon, as older servers and some file systems refuse it. */
function noteKey(prefix: string, at: number): string {
  return `${prefix}${new Date(at).toISOString().replace(/[-:.]/g, '')}-${randomUUID().slice(0, 8)}`
}

/** Writes one note to a version. */
export async function writeNote(
  transport: Transport,
  { name, version }: Pick<ModelVersion, 'name' | 'version'>,
  { prefix, note, signal }: CallOptions & { readonly prefix: string; readonly note: Note },
): Promise<void> {
  const input = { name, version, key: noteKey(prefix, note.at), value: JSON.stringify(note) }
  await transport.call('setModelVersionTag', input, { signal })
}

/** A version's notes of one kind, oldest first. Tags are anybody's to write: what is no note is passed over. */
export function notesOf({ tags }: ModelVersion, prefix: string): Note[] {
  return Object.keys(tags)
    .filter((key) => key.startsWith(prefix))
    .sort()
    .flatMap((key) => parse(tags[key] ?? ''))
    .sort((a, b) => a.at - b.at)
}

function parse(text: string): Note[] {
  try {
    const value: unknown = JSON.parse(text)
    const note = value as Note
    return typeof value === 'object' && value !== null && isTime(note.at) ? [note] : []
  } catch {
    return []
  }
}

const isTime = (at: unknown): at is number => typeof at === 'number' && Math.abs(at) <= 8.64e15

/** A field of a note, when it is a text. */
export const textIn = (note: Note, field: string): string | undefined => {
  const value = note[field]
  return typeof value === 'string' ? value : undefined
}

/** The person and the reason of a move, checked before it: texts, the comment at most 4,000 characters, `by` at most 250. */
export function checkNote(by: string | undefined, comment: string | undefined): void {
  for (const [what, text, limit] of [
    ['by', by, LIMITS.key],
    ['comment', comment, COMMENT_LIMIT],
  ] as const) {
    if (text === undefined) continue
    if (typeof text !== 'string') throw new InvalidParameterError(`${what} must be a text, not ${typeof text}`)
    if (lengthOf(text) > limit)
      throw new InvalidParameterError(`${what} has ${lengthOf(text)} characters; at most ${limit} are allowed`)
  }
}
