import type { BatchEntry } from '../core/batch.js'
import type { Sum } from '../disk/sums.js'

/** What is done in its turn, one after the other: everything but points. */
export type Step =
  | { readonly param: BatchEntry }
  | { readonly tag: BatchEntry }
  /** An operation of the protocol that needs nothing but the run's id added. */
  | { readonly call: string; readonly input: Readonly<Record<string, unknown>> }
  /** Makes the run, which has only an id of ours so far. */
  | { readonly create: NewRun }
  | { readonly artifact: KeptFile }
  | { readonly model: KeptModel }

/** The call that takes up a run again by its id, if it has ended meanwhile. */
export const TAKE_UP = 'takeUpRun'
/** In the input of that call, and of a run's end: the mark of the process that took the run up. */
export const TAKEN_UP = 'taken_up_as'
/** In the input of that call: when it was taken up, in epoch milliseconds; steps of older versions lack it. */
export const TAKEN_UP_AT = 'taken_up_at'
/** In the input of that call: the run was made on this disk and no process has it any more, so that only the one that takes it up ends it. */
export const IS_LEFT = 'is_left'

/** In the input of a run's end: somebody gave the status, so that it counts for a run of another process, too. */
export const IS_GIVEN = 'is_given'

/** Whether nobody logged it: it makes or takes up the run, links it to a model, or ends it. */
export const isChore = (step: Step): boolean =>
  'create' in step || ('call' in step && [TAKE_UP, LINK_MODEL, 'updateRun'].includes(step.call))

/** Calls that go straight to the server where that is there: one that waits on disk was perhaps made already. */
export const KEPT_CALLS: ReadonlySet<string> = new Set(['logInputs', 'logOutputs'])

/** The call that links a logged model to the run. */
export const LINK_MODEL = 'linkModel'

/** A file for the run's artifacts that was kept beside the log, or where it lies. */
export interface KeptFile {
  /** Below the run's artifacts. */
  readonly path: string
  readonly file: string
  /** The type of its content; empty when it has none. */
  readonly type: string
  /** It has rows for the table at the path, which could not be read when they were logged. */
  readonly isRows?: boolean | undefined
  /** Of what was written; steps of older versions lack it, as does what is not kept. */
  readonly sum?: Sum | undefined
}

/** A model that was packaged in a folder beside the log, or where it lies. */
export interface KeptModel {
  readonly folder: string
  readonly request: ModelRequest
  /** Its MLmodel as it was packaged; the file says by and by where it goes. Steps of older versions lack both. */
  readonly mlModel?: string | undefined
  /** All other files, by their path in the folder. */
  readonly sums?: Readonly<Record<string, Sum>> | undefined
}

/** What a model is logged with; plain data, so that it can wait on disk. */
export interface ModelRequest {
  /** Its name in its run. */
  readonly name: string
  /** The flavor, which servers call the type. */
  readonly type: string
  /** Over those of the run. */
  readonly params: readonly BatchEntry[]
  readonly tags: readonly BatchEntry[]
  readonly step: number
  /** By this it is found again when it was perhaps made; undefined where that is not looked for. */
  readonly operationId?: string | undefined
  /** The version it is to have. */
  readonly version?:
    | {
        readonly name: string
        readonly stage?: string | undefined
        readonly alias?: string | undefined
        /** The registry's address, without credentials, when it is not the server of the runs. */
        readonly registry?: string | undefined
      }
    | undefined
}

/** A run to be made when its server can be reached. */
export interface NewRun {
  /** The id of ours under which an earlier process has begun the run: it is not made again, but waited for. */
  readonly begunAs?: string | undefined
  /** Whether its server was surely never asked to make it: then it need not be looked for there. */
  readonly neverAsked?: boolean | undefined
  readonly experimentId?: string | undefined
  /** Made when it is absent. */
  readonly experimentName?: string | undefined
  /** Epoch milliseconds. */
  readonly startTime: number
  readonly runName?: string | undefined
  readonly userId?: string | undefined
  readonly tags: readonly BatchEntry[]
}
