import {
  checkedInUse,
  each,
  having,
  isCount,
  isSomeText,
  LONGEST_MS,
  listOf,
  numberThat,
  orNull,
  type Rules,
  record,
} from '../core/options.js'
import { signal } from '../transport/call-options.js'
import type { BatchOptions } from './batching.js'
import type { ModelOptions } from './package.js'

const names = listOf('names', isSomeText)
const paths = listOf('paths', isSomeText)
const versions = each('version ranges', checkedInUse)

/** The options of a model that is logged or saved. */
export const MODEL_OPTIONS: Rules<ModelOptions> = {
  flavor: checkedInUse,
  signature: orNull(having('a signature, as inferSignature makes it', 'toJSON')),
  inputExample: checkedInUse,
  metadata: checkedInUse,
  dependencies: (value, name) => (Array.isArray(value) ? names : versions)(value, name),
  code: (value, name) => (typeof value === 'string' ? isSomeText : paths)(value, name),
  lib: checkedInUse,
  signal,
}

/** The rule for how rows of calls at once are joined. */
export const isBatch = record<BatchOptions>({
  maxSize: isCount,
  maxWaitMs: numberThat(
    'a number of milliseconds from 0, at most 2147483647 (24 days)',
    (value) => value >= 0 && value <= LONGEST_MS,
  ),
})

/** The rule for how far the numbers of a replay may be apart. */
export const isTolerance = numberThat('a number from 0', (value) => value >= 0)
