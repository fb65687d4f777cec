import { valueIn } from '../core/pairs.js'
import { IS_GIVEN, IS_LEFT, TAKEN_UP, TAKEN_UP_AT } from '../spool/steps.js'
import type { CallOptions, Transport } from '../transport/transport.js'

/** The input of the call that takes up a run: what of the run changes by it, and how it is judged whose the run is. */
interface TakeUp {
  readonly [TAKEN_UP]: string
  readonly [TAKEN_UP_AT]?: number
  readonly [IS_LEFT]?: boolean
  readonly run_name?: string
}

/** The input of the end of a run that was taken up. */
interface TakenEnd {
  readonly [TAKEN_UP]: string
  readonly [IS_GIVEN]?: boolean
  readonly end_time: number
}

type StepInput = Readonly<Record<string, unknown>>

/** The tag with the mark of the process that took the run up last, by which an end is known as its own; it goes with that end. */
const TAKER = 'cairn.taken_up_by'

async function takerOf(transport: Transport, runId: string, options: CallOptions) {
  const { run } = await transport.call('getRun', { run_id: runId }, options)
  return { taker: valueIn(run.data.tags, TAKER), info: run.info }
}

/** A run that went on when it was taken up is another process's to end; one that had ended is ours from then on. */
export async function takeUp(
  transport: Transport,
  runId: string,
  input: StepInput,
  options: CallOptions,
): Promise<void> {
  const { [TAKEN_UP]: mark, [TAKEN_UP_AT]: at = Infinity, [IS_LEFT]: isLeft, ...changes } = input as unknown as TakeUp
  const { taker, info } = await takerOf(transport, runId, options)
  // A process that takes up what it has just ended may do so in the same millisecond: only a later end is another's.
  const wentOn = info.status === 'RUNNING' || (info.end_time ?? 0) > at
  const isAnothers = wentOn && taker !== mark && !isLeft
  if (!isAnothers) await transport.call('setTag', { run_id: runId, key: TAKER, value: mark }, options)
  const running = isAnothers ? {} : { status: 'RUNNING' as const }
  if (!isAnothers || changes.run_name !== undefined)
    await transport.call('updateRun', { run_id: runId, ...changes, ...running }, options)
}

/** Ends a run that is ours, or with a status that was given; of two ends the later one counts, as it does online. */
export async function endTaken(
  transport: Transport,
  runId: string,
  input: StepInput,
  options: CallOptions,
): Promise<void> {
  const { [TAKEN_UP]: mark, [IS_GIVEN]: isGiven, ...end } = input as unknown as TakenEnd
  const { taker, info } = await takerOf(transport, runId, options)
  const isOurs = taker === mark
  const endedLater = info.status !== 'RUNNING' && (info.end_time ?? 0) > end.end_time
  if ((isOurs || isGiven) && !endedLater) await transport.call('updateRun', { run_id: runId, ...end }, options)
  if (isOurs) await transport.call('deleteTag', { run_id: runId, key: TAKER }, options)
}
