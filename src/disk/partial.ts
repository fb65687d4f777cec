import { createHash, randomBytes } from 'node:crypto'
import { identity, lives } from './process.js'

const DAY = 24 * 60 * 60 * 1000
const PARTIAL = /^\.cairn-[0-9a-f-]{36}\.partial$/
/** One that says whose it is: where its process was, and the pid. */
const OWNED = /^\.cairn-([0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{18}\.partial$/

/** Stands for the machine, or the container, in which a pid means something. */
const placeOf = ({ host, space }: { readonly host: string; readonly space: string }): string =>
  createHash('sha256').update(`${host}\n${space}`).digest('hex').slice(0, 8)

/** A name for a file in the making, which says whose it is. */
export function partialName(): string {
  const pid = process.pid.toString(16).padStart(8, '0')
  return `.cairn-${placeOf(identity())}-${pid}-${randomBytes(9).toString('hex')}.partial`
}

/** Whether a name is one of the unfinished files that writing leaves for a moment; listings leave them out. */
export const isPartial = (name: string): boolean => PARTIAL.test(name)

/** Whether nobody goes on with an unfinished file: its process is dead or, where that is not to be seen, it is a day old. */
export function isAbandoned(name: string, mtimeMs: number): boolean {
  const me = identity()
  const [, place, pid = ''] = OWNED.exec(name) ?? []
  const isDead = place === placeOf(me) && lives({ ...me, pid: Number.parseInt(pid, 16), started: '' }, me) === false
  return isDead || Date.now() - mtimeMs > DAY
}
