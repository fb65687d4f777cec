import { CairnError, isRetryable, reworded } from '../errors.js'
import type { Registry } from './registry.js'

const READS = /^(get|search|iterate)/

/**
 * The registry's verbs, whose failure says what to do when the registry is away: unlike what a run logs, what they change
 * needs an answer, and nothing of it is kept on disk.
 */
export function sayingTheWayOut(verbs: Registry): Registry {
  const all = Object.entries(verbs).map(([name, verb]) => {
    if (READS.test(name)) return [name, verb]
    const told = (...given: unknown[]) =>
      (verb as (...given: unknown[]) => Promise<unknown>)(...given).catch((error: unknown) => {
        throw withWayOut(name, error)
      })
    return [name, told]
  })
  return Object.fromEntries(all) as Registry
}

function withWayOut(verb: string, error: unknown): unknown {
  if (!(error instanceof CairnError) || !isRetryable(error)) return error
  const said = `${error.message}. ${verb} needs the registry's answer, so it is not kept on disk: call it again when that is back; a model that is logged with registeredModelName (and stage, alias) meanwhile is registered in its turn`
  return reworded(error, said)
}
