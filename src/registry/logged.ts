import { OPERATION_TAG } from '../core/tags.js'
import type { Transport } from '../transport/transport.js'
import type { RegistryDeps } from './deps.js'
import { registry } from './registry.js'

/** A logged model that is to have a version. */
export interface LoggedModelVersion {
  readonly name: string
  readonly source: string
  readonly stage: string | undefined
  readonly alias: string | undefined
  /** By this the version is found again when it was perhaps made. */
  readonly operationId: string | undefined
  /** How long to wait until the version is ready, in milliseconds. */
  readonly awaitRegistrationMs?: number | undefined
  readonly signal: AbortSignal | undefined
}

/**
 * Makes a version of a logged model, in its stage and with its alias, and answers its number; with an operation id a
 * second call, of whatever process, finds what the first has made.
 */
export async function registerLogged(deps: RegistryDeps, wanted: LoggedModelVersion): Promise<string> {
  const { name, source, stage, alias, operationId, awaitRegistrationMs, signal } = wanted
  const mark = operationId === undefined ? {} : { tags: { [OPERATION_TAG]: operationId } }
  const verbs = registry(
    operationId === undefined ? deps : { ...deps, transport: async () => doubtful(await deps.transport()) },
  )
  const { version } = await verbs.registerModel(source, name, { signal, awaitRegistrationMs, ...mark })
  if (stage !== undefined) await verbs.transitionStage(name, version, stage, { signal })
  if (alias !== undefined) await verbs.transitionStage(name, version, { alias }, { signal })
  return version
}

/** Each call as one that may have been carried out before. */
const doubtful = (inner: Transport): Transport => ({
  call: (operation, input, options) => inner.call(operation, input, { ...options, again: true }),
  close: () => inner.close(),
})
