import type { OpenArtifacts } from '../artifacts/store.js'
import { DEFAULT_EXPERIMENT } from '../core/names.js'
import { TAG } from '../core/tags.js'
import { blobOf } from '../disk/files.js'
import { absent, InvalidParameterError, UnavailableError } from '../errors.js'
import type { CarryOptions, Courier } from '../spool/courier.js'
import { PARENT_FIRST } from '../spool/failures.js'
import { KEPT_CALLS, type KeptModel, LINK_MODEL, type NewRun, TAKE_UP, TAKEN_UP } from '../spool/steps.js'
import type { CallOptions, Input, Operation, Transport } from '../transport/transport.js'
import { ensureExperiment, experiments } from './experiments.js'
import { addKeptRows } from './kept-rows.js'
import { linkModel } from './link-model.js'
import { endTaken, takeUp } from './taken-up.js'

export interface CourierDeps {
  /** One try for each call; one made again after a doubtful one says so with `again`. */
  readonly transport: Transport
  readonly openArtifacts: OpenArtifacts
  /** The server's id for a run that was made away from it; its own for any other; undefined while it has none. */
  readonly serverRunId?: ((runId: string) => string | undefined) | undefined
  /** Logs a model that was kept on disk; without it that is refused. */
  readonly model?: ((runId: string, kept: KeptModel, options: CarryOptions) => Promise<void>) | undefined
}

/** What of the protocol may wait in the spool, beside batches. */
const CALLS: ReadonlySet<string> = new Set(['deleteTag', 'updateRun', ...KEPT_CALLS])
/** The way from the spool to a tracking backend. */
export function courier({ transport, openArtifacts, serverRunId = (runId) => runId, model }: CourierDeps): Courier {
  const artifactUris = new Map<string, string>()

  async function experimentOf(run: NewRun, signal: AbortSignal): Promise<string> {
    if (run.experimentId !== undefined) return run.experimentId
    if (run.experimentName === undefined) return DEFAULT_EXPERIMENT
    return (
      await ensureExperiment(
        experiments(async () => transport),
        run.experimentName,
        signal,
      )
    ).experimentId
  }

  async function artifactUri(runId: string, options: CallOptions): Promise<string> {
    const known = artifactUris.get(runId)
    if (known !== undefined) return known
    const { run } = await transport.call('getRun', { run_id: runId }, options)
    const uri = run.info.artifact_uri ?? ''
    artifactUris.set(runId, uri)
    return uri
  }

  /** The server's id for a run that has to be there first. */
  function made(runId: string): string {
    const mapped = serverRunId(runId)
    if (mapped !== undefined) return mapped
    throw new UnavailableError(`The run ${runId} has to be made first`, { code: PARENT_FIRST, notSent: true })
  }

  /** Whether an end that is sent again has arrived before: a run that was resumed since keeps it, and goes on. */
  async function hasEnded(
    runId: string,
    { status, end_time }: Readonly<Record<string, unknown>>,
    options: CarryOptions,
  ): Promise<boolean> {
    if (!options.again || end_time === undefined) return false
    const { info } = (await transport.call('getRun', { run_id: runId }, options)).run
    return info.end_time === end_time && (info.status === status || info.status === 'RUNNING')
  }

  return {
    async create(run, options) {
      if (run.begunAs !== undefined) return made(run.begunAs)
      const experiment_id = await experimentOf(run, options.signal)
      const tags = run.tags.map(({ key, value }) => ({
        key,
        value: key === TAG.parentRunId ? made(value) : value,
      }))
      const input = { experiment_id, run_name: run.runName, start_time: run.startTime, user_id: run.userId, tags }
      const { info } = (await transport.call('createRun', input, options)).run
      artifactUris.set(info.run_id, info.artifact_uri ?? '')
      return info.run_id
    },
    async batch(runId, { metrics, params, tags }, options) {
      const input = { run_id: runId, metrics, params, tags } as Input<'logBatch'>
      await transport.call('logBatch', input, options)
    },
    async call(runId, operation, input, options) {
      if (operation === TAKE_UP) return takeUp(transport, runId, input, options)
      if (operation === LINK_MODEL) return linkModel(transport, { runId, modelId: String(input.model_id) }, options)
      if (operation === 'updateRun' && TAKEN_UP in input) return endTaken(transport, runId, input, options)
      if (operation === 'updateRun' && (await hasEnded(runId, input, options))) return
      if (!CALLS.has(operation))
        throw new InvalidParameterError(`The spool holds ${operation}, which is not sent from it`)
      await transport
        .call(operation as Operation, { run_id: runId, ...input } as Input<Operation>, {
          ...options,
          again: options.again || KEPT_CALLS.has(operation),
        })
        .catch((error: unknown) => {
          // Removing what is not there is success.
          if (operation !== 'deleteTag') throw error
          absent(error)
        })
    },
    async artifact(runId, kept, options) {
      if ('folder' in kept) {
        if (!model) throw new InvalidParameterError('Models are not sent from here')
        return model(runId, kept, options)
      }
      const { path, file, type, isRows } = kept
      const store = await openArtifacts(await artifactUri(runId, options))
      if (isRows) return addKeptRows(store, kept, { signal: options.signal })
      const blob = await blobOf(file)
      await store.write(path, type === '' ? blob : blob.slice(0, blob.size, type), { signal: options.signal })
    },
  }
}
