import { checkOptions, LONGEST_MS, numberThat, orNull } from '../core/options.js'

const FLUSH_MS = 60_000

/** How long a flush waits at the most, in milliseconds; `InvalidParameterError` for what says no time. */
export function flushMs(options: { readonly timeoutMs?: number | undefined }): number {
  checkOptions('flush takes options, like { timeoutMs: 5000 }', options, {
    timeoutMs: orNull(numberThat('a number of milliseconds, 0 or more', (value) => value >= 0)),
  })
  return Math.min(options.timeoutMs ?? FLUSH_MS, LONGEST_MS)
}
