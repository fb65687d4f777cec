import type { Batch } from '../core/batch.js'
import type { KeptFile, KeptModel, NewRun } from './steps.js'

/** What is told with each request. */
export interface CarryOptions {
  /** The request may have been carried out before: look first where a second time would do harm. */
  readonly again: boolean
  readonly signal: AbortSignal
}

/** How what waits in the spool reaches a server; one try each, failures thrown. */
export interface Courier {
  /** Makes a run and answers its id. */
  create(run: NewRun, options: CarryOptions): Promise<string>
  batch(runId: string, batch: Batch, options: CarryOptions): Promise<void>
  /** An operation of the protocol on the run. */
  call(runId: string, operation: string, input: Readonly<Record<string, unknown>>, options: CarryOptions): Promise<void>
  /** A file for the run's artifacts, or a model of the run, from where it lies on this machine. */
  artifact(runId: string, kept: KeptFile | KeptModel, options: CarryOptions): Promise<void>
}
