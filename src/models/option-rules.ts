import { checkedInUse, each, having, isSignal, isSomeText, listOf, orNull, type Rules } from '../core/options.js'
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
  signal: orNull(isSignal),
}
