import type { BatchLimits } from '../core/batch.js'
import * as errors from '../errors.js'
import { CairnError, type CairnErrorOptions } from '../errors.js'
import type { HttpSettings } from '../settings.js'
import type { Progress } from '../spool/deliverer.js'
import type { Written } from '../spool/log.js'
import type { Outage } from '../spool/outage.js'
import type { ServerPlace, SpooledRun } from '../spool/place.js'
import type { RoomMemory } from '../spool/room.js'
import type { KeptFile, KeptModel } from '../spool/steps.js'
import type { RemoteOptions } from './remote.js'

/** What a delivering thread is given when it starts. */
export interface WorkerStart {
  readonly place: ServerPlace
  readonly room: RoomMemory
  /** Which outage of the server it is that people were told of. */
  readonly outage: Outage['nth']
  /** The server's address as it was given. */
  readonly uri: string
  readonly http: HttpSettings
  readonly remote: Pick<RemoteOptions, 'headers' | 'timeoutMs'> & { readonly auth: unknown }
  readonly limits: BatchLimits | undefined
}

/** What the thread that logs tells the one that delivers. */
export type ToWorker =
  | {
      readonly deliver: number
      readonly dir: string
      readonly run: SpooledRun
      readonly elders: readonly string[]
      readonly generation: number
      /** The memory of its log. */
      readonly log: SharedArrayBuffer
      readonly shared: SharedArrayBuffer
    }
  /** The next key of a job's points. */
  | { readonly key: number; readonly name: string }
  /** There is something in a job's log, or in its memory. */
  | { readonly stir: number }
  | { readonly look: number }
  /** Somebody waits, or no longer; for so much to be done with, where that is said: `reached` tells of it. */
  | { readonly hurry: number; readonly on: boolean; readonly until?: Written | undefined }
  /** Asks for `told` when all that happened before is told. */
  | { readonly tell: number }
  | { readonly stop: number }
  | { readonly lookForLeft: boolean }
  /** Asks for `closed` when all is given up that processes which are gone have left. */
  | { readonly close: true }
  /** The settings as they are now, for a server that takes the old credentials no more. */
  | { readonly renew: HttpSettings }
  | { readonly uploaded: number; readonly error?: Told | undefined }

/** What the delivering thread tells. */
export type FromWorker =
  | { readonly event: 'retry'; readonly job: number; readonly error: Told; readonly ms: number }
  | { readonly event: 'refused'; readonly job: number; readonly error: Told; readonly count: number }
  | { readonly event: 'spooled'; readonly job: number; readonly error: Told }
  | { readonly event: 'recovered'; readonly job: number }
  | { readonly event: 'damaged'; readonly job: number; readonly stretches: number }
  | { readonly event: 'mapped'; readonly job: number; readonly runId: string }
  | { readonly event: 'finished'; readonly job: number; readonly complete: boolean }
  | { readonly event: 'told'; readonly job: number }
  /** As much is done with as somebody waits for. */
  | { readonly event: 'reached'; readonly job: number }
  | { readonly event: 'warn'; readonly message: string; readonly once?: true }
  | { readonly event: 'down'; readonly said: string }
  | { readonly event: 'up' }
  | { readonly event: 'unauthenticated' }
  | { readonly event: 'closed' }
  | {
      readonly event: 'upload'
      readonly upload: number
      readonly runId: string
      readonly artifact: KeptFile | KeptModel
    }
  /** An upload is waited for no longer. */
  | { readonly event: 'leave'; readonly upload: number }

/** An error as it goes between threads. */
export interface Told {
  readonly name: string
  readonly message: string
  readonly options: CairnErrorOptions
}

/** An error as plain data; its cause stays behind. */
export function told(error: CairnError): Told {
  const { name, message, code, retryable, status, requestId, url, retryAfterMs, notSent } = error
  const all = { code, retryable, status, requestId, url, retryAfterMs, notSent }
  const options = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return { name, message, options }
}

/** The error again. */
export function heard({ name, message, options }: Told): CairnError {
  const Kind = (errors as unknown as Record<string, new (text: string, of: CairnErrorOptions) => CairnError>)[name]
  return Kind === undefined ? new CairnError(message, options) : new Kind(message, options)
}

/** Numbers that both threads see, also while one of them is busy. */
export interface SharedNumbers {
  setProgress(progress: Progress, done: Written, away: boolean): void
  progress(): Omit<Progress, 'logged'>
  done(): Written
  /** Whether the server is known not to take anything. */
  away(): boolean
  /** Blocks this thread until there is progress, at most so long, in milliseconds. */
  waitForProgress(ms: number): void
}

const FIELDS = 9
const MOVED = 0
const AWAY = 1

/** Memory for the numbers of one job. */
export const newShared = (): SharedArrayBuffer => new SharedArrayBuffer(8 + FIELDS * 8)

/** The numbers in shared memory. */
export function sharedNumbers(memory: SharedArrayBuffer): SharedNumbers {
  const flags = new Int32Array(memory, 0, 2)
  const numbers = new Float64Array(memory, 8, FIELDS)
  const at = (index: number) => numbers[index] ?? 0
  return {
    setProgress(
      { inFlight, delivered, refused, refusedChores, deliveredChores, retried, lastDeliveredAt },
      done,
      away,
    ) {
      numbers[0] = done.points
      numbers[1] = done.steps
      numbers[2] = inFlight
      numbers[3] = delivered
      numbers[4] = refused
      numbers[5] = retried
      numbers[6] = lastDeliveredAt ?? 0
      numbers[7] = refusedChores
      numbers[8] = deliveredChores
      Atomics.store(flags, AWAY, away ? 1 : 0)
      Atomics.add(flags, MOVED, 1)
      Atomics.notify(flags, MOVED)
    },
    progress: () => ({
      inFlight: at(2),
      delivered: at(3),
      refused: at(4),
      refusedChores: at(7),
      deliveredChores: at(8),
      retried: at(5),
      lastDeliveredAt: at(6) === 0 ? undefined : at(6),
    }),
    done: () => ({ points: at(0), steps: at(1) }),
    away: () => Atomics.load(flags, AWAY) === 1,
    waitForProgress: (ms) => void Atomics.wait(flags, MOVED, Atomics.load(flags, MOVED), ms),
  }
}
