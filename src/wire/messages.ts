import type { BatchLimits } from '../core/batch.js'
import type { HttpSettings } from '../settings.js'
import type { Written } from '../spool/log.js'
import type { Outage } from '../spool/outage.js'
import type { ServerPlace, SpooledRun } from '../spool/place.js'
import type { RoomMemory } from '../spool/room.js'
import type { KeptFile, KeptModel } from '../spool/steps.js'
import type { RemoteOptions } from './remote.js'
import type { Told } from './told-error.js'

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
      readonly word: 'deliver'
      readonly job: number
      readonly dir: string
      readonly run: SpooledRun
      readonly elders: readonly string[]
      readonly generation: number
      /** The memory of its log. */
      readonly log: SharedArrayBuffer
      readonly shared: SharedArrayBuffer
    }
  /** The next key of a job's points. */
  | { readonly word: 'key'; readonly job: number; readonly name: string }
  /** There is something in a job's log, or in its memory. */
  | { readonly word: 'stir'; readonly job: number }
  | { readonly word: 'look'; readonly job: number }
  /** Somebody waits, until `until` is done with where that is said: `reached` tells of it. */
  | { readonly word: 'hurry'; readonly job: number; readonly until?: Written | undefined }
  /** Somebody waits no longer. */
  | { readonly word: 'calm'; readonly job: number; readonly until?: Written | undefined }
  /** Asks for `told` when all that happened before is told. */
  | { readonly word: 'tell'; readonly job: number }
  | { readonly word: 'stop'; readonly job: number }
  | { readonly word: 'lookForLeft'; readonly again: boolean }
  /** Asks for `closed` when all is given up that processes which are gone have left. */
  | { readonly word: 'close' }
  /** The settings as they are now, for a server that takes the old credentials no more. */
  | { readonly word: 'renew'; readonly http: HttpSettings }
  | { readonly word: 'uploaded'; readonly upload: number; readonly error?: Told | undefined }

/** What the delivering thread tells of one job. */
export type JobNews =
  | { readonly word: 'retry'; readonly job: number; readonly error: Told; readonly ms: number }
  | { readonly word: 'refused'; readonly job: number; readonly error: Told; readonly count: number }
  | { readonly word: 'spooled'; readonly job: number; readonly error: Told }
  | { readonly word: 'recovered'; readonly job: number }
  | { readonly word: 'damaged'; readonly job: number; readonly stretches: number }
  | { readonly word: 'mapped'; readonly job: number; readonly runId: string }
  | { readonly word: 'finished'; readonly job: number; readonly complete: boolean }
  | { readonly word: 'told'; readonly job: number }
  /** As much is done with as somebody waits for. */
  | { readonly word: 'reached'; readonly job: number }

/** What it tells of the server, and asks for. */
export type ServerNews =
  | { readonly word: 'warn'; readonly message: string; readonly once?: true }
  | { readonly word: 'down'; readonly said: string }
  | { readonly word: 'up' }
  | { readonly word: 'unauthenticated' }
  | { readonly word: 'closed' }
  | {
      readonly word: 'upload'
      readonly upload: number
      readonly runId: string
      readonly artifact: KeptFile | KeptModel
    }
  /** An upload is waited for no longer. */
  | { readonly word: 'leave'; readonly upload: number }

export type FromWorker = JobNews | ServerNews

interface Message {
  readonly word: string
}

/** The message of a word. */
export type Of<M extends Message, Word extends M['word']> = Extract<M, { readonly word: Word }>

/** Hears messages, each word by a handler of its own. */
export const hearing =
  <M extends Message>(handlers: { readonly [Word in M['word']]: (message: Of<M, Word>) => void }) =>
  (message: M): void => {
    const handle = handlers[message.word as M['word']] as (message: M) => void
    handle(message)
  }
