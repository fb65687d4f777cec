import { errno } from '../disk/errno.js'
import { UnavailableError } from '../errors.js'

const FULL = new Set(['EMFILE', 'ENFILE'])

/** A part that a verb imports at its first call. Node remembers an import that has failed, whatever the reason. */
export async function loaded<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const code = errno(error) ?? ''
    if (!FULL.has(code)) throw error
    throw new UnavailableError(
      `A part of Cairn could not be loaded, as too many files were open (${code}); Node does not try that again in this process: restart it, with a higher limit (ulimit -n) or fewer files open at once`,
      { cause: error, retryable: false },
    )
  }
}
