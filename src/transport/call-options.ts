import { checkedInUse, checkOptions, each, isFunction, isSignal, orNull, type Rules, untold } from '../core/options.js'
import type { CallOptions } from './transport.js'

export const signal = orNull(isSignal)
export const onProgress = orNull(isFunction)
export const tags = orNull(each('texts', checkedInUse))

/** The options of every call. */
export const CALL_OPTIONS: Rules<CallOptions> = { signal, again: untold, background: untold }

/** Checks the options of a call that takes no others. */
export const checkCall = (verb: string, options: unknown): void =>
  checkOptions(`${verb} takes options, like { signal }`, options, CALL_OPTIONS)
