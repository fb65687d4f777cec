import type { ModelVersion } from '../core/entities.js'
import { CairnError, TimeoutError } from '../errors.js'
import { systemClock } from '../host/clock.js'

const FIRST_MS = 100
const LONGEST_MS = 3_000

export interface ReadyOptions {
  /** How long to wait at the most, in milliseconds. */
  readonly awaitMs: number
  readonly now: () => number
  readonly signal?: AbortSignal | undefined
}

/**
 * The version once the registry calls it ready, asked for ever more slowly. Throws `TimeoutError` when the time is over, and
 * what the registry says when the registration failed.
 */
export async function ready(
  made: ModelVersion,
  again: () => Promise<ModelVersion>,
  { awaitMs, now, signal }: ReadyOptions,
): Promise<ModelVersion> {
  const end = now() + awaitMs
  let version = made
  for (let pause = FIRST_MS; version.status !== 'READY'; pause = Math.min(2 * pause, LONGEST_MS)) {
    const title = `Version ${made.version} of ${JSON.stringify(made.name)}`
    if (version.status === 'FAILED_REGISTRATION')
      throw new CairnError(`${title} was not registered: ${version.statusMessage ?? 'the registry gives no reason'}`)
    if (now() + pause > end)
      throw new TimeoutError(
        `${title} is still ${version.status} after ${awaitMs} ms; wait longer with awaitRegistrationMs, or look later with getModelVersion`,
      )
    await systemClock.sleep(pause, signal)
    version = await again()
  }
  return version
}
