import { checkAlias, checkStage, type Stage } from '../core/names.js'
import { InvalidParameterError } from '../errors.js'

/** A stage (`None`, `Staging`, `Production`, `Archived`, in any case), or an alias for servers that no longer want stages. */
export type StageTarget = string | { readonly alias: string }

/** A target, read: exactly one of the two. */
export type Target =
  | { readonly stage: Stage; readonly alias?: never }
  | { readonly alias: string; readonly stage?: never }

/** Reads a stage or an alias; `InvalidParameterError` for a word that is neither. */
export function targetOf(target: StageTarget): Target {
  if (typeof target === 'string') return { stage: checkStage(target) }
  if (typeof target === 'object' && target !== null && 'alias' in target) return { alias: checkAlias(target.alias) }
  throw new InvalidParameterError("Give a stage, like 'Production', or an alias, like { alias: 'champion' }")
}

/** How a message names a target. */
export const nameOf = (target: Target): string => target.stage ?? `the alias ${JSON.stringify(target.alias)}`

/** Whether something recorded with a stage or an alias speaks of this target. */
export const isFor = (
  target: Target,
  recorded: { readonly alias?: string | undefined; readonly stage?: string | undefined },
) =>
  target.alias === undefined
    ? recorded.alias === undefined && recorded.stage === target.stage
    : recorded.alias === target.alias
