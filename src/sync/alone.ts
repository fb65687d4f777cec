import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { makePrivateDir } from '../disk/private.js'
import { CairnError, UnavailableError } from '../errors.js'
import { type Claim, claim } from '../spool/owner.js'
import { withoutSecrets } from '../spool/place.js'

const BEAT_MS = 60_000

/**
 * Copies while nobody else on this machine copies to the same target: two at once would each make what the other has not
 * made yet. Throws `UnavailableError` when somebody does; one that was killed is nobody. `dir` remembers which process it is.
 */
export async function alone<T>(dir: string, uri: string, work: () => Promise<T>): Promise<T> {
  const owned = claimed(join(dir, createHash('sha256').update(withoutSecrets(uri)).digest('hex').slice(0, 16)))
  if (owned === 'taken')
    throw new UnavailableError(
      `Another copy to ${withoutSecrets(uri)} is under way on this machine; try again when it has ended`,
    )
  const beating = setInterval(() => owned?.beat(), BEAT_MS)
  beating.unref()
  try {
    return await work()
  } finally {
    clearInterval(beating)
    owned?.release()
  }
}

function claimed(dir: string): Claim | undefined | 'taken' {
  try {
    makePrivateDir(dir)
    return claim(dir) ?? 'taken'
  } catch (error) {
    // A folder that cannot be written to keeps nobody from copying.
    if (error instanceof CairnError) return undefined
    throw error
  }
}
