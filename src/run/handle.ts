import type { RunStatus } from '../core/entities.js'
import type { LogModelOptions, ModelInfo } from '../models/log.js'
import type { RunVerbs } from './verbs.js'

/** How a run may end. */
export type EndStatus = Extract<RunStatus, 'FINISHED' | 'FAILED' | 'KILLED'>

/** A run in the hands of the script that logs to it. */
export interface Run extends RunVerbs, AsyncDisposable {
  readonly runId: string
  readonly experimentId: string
  readonly runName: string
  readonly artifactUri: string
  readonly status: RunStatus
  /** The run's page, when the store is a server. */
  readonly url: string | undefined
  /**
   * Keeps a model with the run, as MLflow 3 does: a logged model linked to the run, READY when all its files are there.
   * Registers it too when `registeredModelName` is given. While the server is away the model waits on disk with all else of
   * the run; its `ModelInfo` then has neither `modelId` nor `registeredModelVersion`, and one line says so.
   */
  logModel(model: unknown, options: LogModelOptions): Promise<ModelInfo>
  /**
   * Ends the run, `FINISHED` by default: waits for what was begun, delivers what waits, sets status and end time. Never
   * throws because delivery failed: one line on standard error says what is left, and `stats()` counts it. A run that
   * another process made is left running, unless a status is given. What is logged after this was called is refused.
   */
  end(status?: EndStatus): Promise<void>
}

/** A run that can also be ended on the spot, when the process goes. */
export interface LiveRun extends Run {
  /** Whether it takes what is logged, or lets it go with the process: until its end is asked for. */
  readonly isOpen: boolean
  /** Hands on what waits in memory, so that it goes before what follows. */
  handOver(): void
  /** Ends the run if this process made it; else only delivers what waits. */
  finish(status: EndStatus): Promise<void>
  /**
   * Delivers, and notes the end, but goes on taking what is logged: for a process that is about to be killed, since then.
   * Waits no longer once it has waited in vain.
   */
  beforeEnd(status: EndStatus, since: number): Promise<void>
  /** As `beforeEnd`, at a natural end of the process, which comes again while something goes on: for what is new then. */
  beforeExit(status: EndStatus): Promise<void>
  /**
   * Delivers and ends on the spot, as far as the backend can: for the exit of the process, which began at `since` on the
   * clock of `performance.now()`. Notes all that is to be noted; what it returns notes what was logged since, takes no more
   * and waits: that way many runs wait together.
   */
  endNow(status: EndStatus, since: number): () => void
}
