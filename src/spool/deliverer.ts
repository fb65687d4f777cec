import type { CairnError } from '../errors.js'
import type { Written } from './log.js'

/** What became of the entries of one log; points and all else counted alike. */
export interface Progress {
  /** Without what nobody logged. */
  readonly inFlight: number
  readonly delivered: number
  readonly refused: number
  /** How many of those refused nobody logged: the run's making and its end. */
  readonly refusedChores: number
  /** Of those that were delivered, how many nobody logged. */
  readonly deliveredChores: number
  readonly retried: number
  readonly lastDeliveredAt: number | undefined
  /** Whether a file or a model is on its way, which may take its time. */
  readonly isCarrying?: boolean
}

/** What a delivery tells of, to whoever wants to hear it. */
export interface DeliveryEvents {
  readonly onRetry?: ((error: CairnError, delayMs: number) => void) | undefined
  readonly onRefused?: ((error: CairnError, count: number) => void) | undefined
  /** What is logged waits on disk from now on. */
  readonly onSpooled?: ((error: CairnError) => void) | undefined
  readonly onRecovered?: (() => void) | undefined
  /** Stretches of the log that could not be read; what they held is lost. */
  readonly onDamaged?: ((stretches: number) => void) | undefined
  /** The run has its id on the server. */
  readonly onMapped?: ((runId: string) => void) | undefined
}

/** The delivery of one log, from disk to server, as long as it takes. */
export interface Deliverer {
  /** There is more in the log: it goes out soon. */
  wake(): void
  /** Looks at once, also for the end of the log. */
  look(): void
  /** From now on everything at hand goes out without waiting for company, and the process stays for it. */
  hurry(): void
  /** As it was before a `hurry`. */
  calm(): void
  /** Waits as `until`, and blocks this thread: for the exit of the process, where nothing else runs. False when it cannot. */
  untilNow(target: Written, timeoutMs: number): boolean
  readonly progress: Progress
  /** Why things were refused since this was last asked; at most 100. */
  refusals(): CairnError[]
  /** The run's id on its server, once it has one. */
  runId(): string | undefined
  /** Up to where all is done with. */
  readonly done: Written
  /** Why the last request that failed did; undefined once one went through. */
  readonly lastError: CairnError | undefined
  /** Whether all that the log has taken is done with, delivered or refused. */
  isDone(written: Written): boolean
  /**
   * Resolves to true when the log is done with up to here, to false when that takes longer or it was stopped. All goes out
   * in a hurry meanwhile, and when the time is over, or the signal says so, what is still on its way is given up for now.
   */
  until(target: Written, timeoutMs: number, signal?: AbortSignal): Promise<boolean>
  /** Resolves to true when the whole log is done with and its folder removed, to false when it was stopped before. */
  readonly finished: Promise<boolean>
  /** Stops where it stands; what is on its way is given up and counts as perhaps arrived. */
  stop(): void | Promise<void>
}
