import { checkOptions, isSignal, orNull, type Rules, untold } from '../core/options.js'
import type { CallOptions } from './transport.js'

/** The options of every call. */
export const CALL_OPTIONS: Rules<CallOptions> = { signal: orNull(isSignal), again: untold, background: untold }

/** Checks the options of a call that takes no others. */
export const checkCall = (verb: string, options: unknown): void =>
  checkOptions(`${verb} takes options, like { signal }`, options, CALL_OPTIONS)
