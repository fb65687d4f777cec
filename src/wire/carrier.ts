import { join } from 'node:path'
import type { OpenArtifacts } from '../artifacts/store.js'
import { readMlModel } from '../core/mlmodel.js'
import { onceFor } from '../core/remembered.js'
import { CairnError, isRetryable } from '../errors.js'
import { systemUser } from '../host/user.js'
import { type RegisterRequest, runOfModel } from '../models/packed-model.js'
import { registerLogged } from '../registry/logged.js'
import type { CarryOptions, Courier } from '../spool/courier.js'
import type { KeptModel } from '../spool/steps.js'
import { courier } from '../tracking/courier.js'
import type { Transport } from '../transport/transport.js'

/** What carries things from the spool to a server, each try for itself. */
export interface CarrierDeps {
  readonly transport: Transport
  readonly openArtifacts: OpenArtifacts
  readonly serverRunId: (runId: string) => string | undefined
  /** The registry at an address. */
  readonly registryAt: (address: string) => Promise<Transport>
  readonly user: string | undefined
  /** Ends what is on its way when its client is closed: somebody else may go on from there. */
  readonly closing: AbortSignal
}

/** An error that is not ours, as one of a user's own store, may pass. */
const goesOn = (error: unknown): boolean => !(error instanceof CairnError) || isRetryable(error)
/** A version that is to be put in a stage has to be ready; a process that ends does not wait long for that. */
const READY_MS = 10_000

/** The way from the spool to a server, models and their versions included. */
export function carrier({ transport, openArtifacts, serverRunId, registryAt, user, closing }: CarrierDeps): Courier {
  /** By folder: what takes over from a thread that is gone joins what that one had begun here. */
  const underWay = new Map<string, Promise<void>>()

  async function carryOne(
    runId: string,
    { folder, request, mlModel }: KeptModel,
    { signal }: CarryOptions,
  ): Promise<void> {
    const { carryModel } = await import('../models/carry-model.js')
    const deps = {
      transport: async () => transport,
      openArtifacts,
      registerModel: ({ registry, ...wanted }: RegisterRequest) =>
        registerLogged(
          {
            transport: async () => (registry === undefined ? transport : registryAt(registry)),
            tracking: async () => transport,
            user: () => user ?? systemUser(),
          },
          { ...wanted, awaitRegistrationMs: (wanted.stage ?? wanted.alias) ? READY_MS : 0 },
        ),
    }
    const run = await runOfModel(transport, runId, { signal })
    const described = mlModel === undefined ? undefined : readMlModel(mlModel, join(folder, 'MLmodel'))
    await carryModel(deps, run, { dir: folder, request, described }, { signal, goesOn })
  }

  function model(runId: string, kept: KeptModel, options: CarryOptions): Promise<void> {
    const { folder } = kept
    return onceFor(underWay, folder, () => carryOne(runId, kept, options).finally(() => underWay.delete(folder)))
  }

  const made = courier({ transport, openArtifacts, serverRunId, model })
  return {
    ...made,
    artifact: (runId, kept, how) =>
      made.artifact(runId, kept, { ...how, signal: AbortSignal.any([how.signal, closing]) }),
  }
}
