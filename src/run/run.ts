import type { ArtifactStore } from '../artifacts/store.js'
import type { RunData, RunStatus, Step } from '../core/entities.js'
import { checkRunStatus } from '../core/names.js'
import { InvalidParameterError, ParamConflictError } from '../errors.js'
import type { LogModelOptions, ModelInfo } from '../models/log.js'
import { type BufferOptions, metricBuffer } from '../tracking/metric-buffer.js'
import {
  checkRecord,
  checkStep,
  type Point,
  type PointOptions,
  paramText,
  pointOf,
  present,
  refuseValue,
  type TextRules,
  tagText,
} from '../tracking/values.js'
import type { Transport } from '../transport/transport.js'
import { artifactVerbs } from './artifacts.js'
import { codeVerbs } from './code.js'
import { inputVerbs } from './inputs.js'
import type { Outlet } from './outlet.js'
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
   * Ends the run, `FINISHED` by default: delivers what waits and sets status and end time. Never throws because delivery
   * failed: one line on standard error says what is left, and `stats()` counts it. A run that another process made is left
   * running, unless a status is given.
   */
  end(status?: EndStatus): Promise<void>
}

/** What a run needs of the world. */
export interface RunDeps {
  readonly transport: Transport
  /** Where what is logged goes. */
  readonly outlet: Outlet
  readonly store: () => Promise<ArtifactStore>
  readonly rules: TextRules
  readonly buffer: BufferOptions
  /** One line on standard error. */
  readonly say: (line: string) => void
  /** What the line at the end says of where to look; nothing when it is silenced. */
  readonly whereToLook: string | undefined
  readonly url: string | undefined
  readonly logModel: (model: unknown, options: LogModelOptions) => Promise<ModelInfo>
  /** Whether this process made the run, or took it up again after its end: only then does it end it. */
  readonly owned: boolean
  /** Called once, when nothing is left to do. */
  readonly onEnded: () => void
}

const END_MS = 10_000
/** One whose server has been away for longer than that already waits no longer than this. */
const AWAY_MS = 1_000
const FLUSH_MS = 60_000
/** How long something waits in memory while the event loop turns, when the way to disk is open. */
const PROMPT_MS = 5
const RUN_NAME = 'mlflow.runName'

/** A run that can also be ended on the spot, when the process goes. */
export interface LiveRun extends Run {
  /** Whether it takes what is logged: until its end is asked for. */
  readonly isOpen: boolean
  /** Hands on what waits in memory, so that it goes before what follows. */
  handOver(): void
  /** Ends the run if this process made it; else only delivers what waits. */
  finish(status: EndStatus): Promise<void>
  /** Delivers and ends without waiting, as far as the backend can: for the exit of the process. */
  endNow(status: EndStatus): void
}

/** Makes the handle of a run that stands in the store. */
export function openRun(data: RunData, deps: RunDeps): LiveRun {
  const { transport, rules, say } = deps
  const { runId, experimentId } = data.info
  const knownParams = new Map(Object.entries(data.data.params))
  const knownTags = new Map(Object.entries(data.data.tags))
  let status: RunStatus = data.info.status
  let ending: Promise<void> | undefined
  let endStatus: EndStatus | undefined
  let isNoted = false
  let over = false
  const { outlet } = deps
  const buffer = metricBuffer(outlet.drain, {
    ...deps.buffer,
    ...(outlet.way ? { way: outlet.way, intervalMs: PROMPT_MS } : {}),
  })
  const stats = () => outlet.stats(buffer.stats())

  function checkOpen(): void {
    if (ending === undefined) return
    throw new InvalidParameterError(`The run ${runId} has ended; resume it with startRun({ runId: '${runId}' })`)
  }

  function put(key: string, point: Point): void {
    const extras = point.modelId === undefined && point.datasetName === undefined ? undefined : point
    buffer.metric(key, point.value, point.step, point.timestamp, extras, Date.now())
  }

  function param(key: string, value: unknown, more = false): void {
    checkOpen()
    const text = paramText(key, value, rules)
    const before = knownParams.get(key)
    if (before === text) return
    if (before !== undefined)
      throw new ParamConflictError(
        `The param ${JSON.stringify(key)} is ${JSON.stringify(before)} already and cannot become ${JSON.stringify(text)}; log it under another key, or in a run of its own`,
      )
    knownParams.set(key, text)
    buffer.param(key, text, more)
  }

  function tag(key: string, value: unknown, more = false): void {
    checkOpen()
    const text = tagText(key, value, rules)
    knownTags.set(key, text)
    buffer.tag(key, text, more)
  }

  async function flush(timeoutMs: number): Promise<void> {
    const begun = performance.now()
    await buffer.flush(timeoutMs)
    await outlet.flush(Math.max(0, timeoutMs - (performance.now() - begun)))
  }

  /** What is left is counted and said, not thrown: a training that has ended stays ended. */
  function sayWhatIsLeft(error?: unknown): void {
    const { queued, inFlight, spooled, refused } = stats()
    const open = queued + inFlight + spooled
    const left = [
      refused > 0 && `${refused} refused`,
      open > 0 && `${open} not delivered`,
      open === 0 && !outlet.isSettled && 'its status not delivered',
    ].filter((part) => part !== false)
    if (left.length === 0) return
    const isKept = (open > 0 || !outlet.isSettled) && spooled + inFlight >= open && outlet.remedy
    // A wait that was too short says less than what kept it waiting.
    const { message } = ((error as Error | undefined)?.cause ?? error ?? { message: '' }) as Error
    const parts = [left.join(', '), isKept, message].filter((part) => part)
    say(`cairn: run ${runId}: ${parts.join(': ')}`)
  }

  const leave = () => {
    if (over) return
    over = true
    if (deps.whereToLook) say(deps.whereToLook)
    deps.onEnded()
  }

  /** Waits for what was logged to arrive, and answers why it did not. */
  const flushed = (timeoutMs: number): Promise<unknown> =>
    outlet.flush(Math.max(0, timeoutMs)).then(
      () => undefined,
      (error: unknown) => error,
    )

  async function end(as: EndStatus | undefined): Promise<void> {
    endStatus = as
    if (as) status = as
    const begun = performance.now()
    const isLongAway = outlet.awayMs > END_MS
    let reason: unknown
    try {
      await buffer.flush(END_MS)
    } catch (error) {
      // Said below, with all else that is left.
      reason = error
    }
    if (as && !over) {
      isNoted = true
      await outlet.finish(as, Date.now()).catch((error: unknown) => {
        say(`cairn: run ${runId} could not be set to ${as}: ${(error as Error).message}`)
      })
    }
    reason = (await flushed((isLongAway ? AWAY_MS : END_MS) - (performance.now() - begun))) ?? reason
    if (isLongAway && outlet.awayMs === 0) reason = await flushed(END_MS - (performance.now() - begun))
    if (over) return
    await outlet.close()
    if (!over) sayWhatIsLeft(reason)
    leave()
  }

  const run: LiveRun = {
    runId,
    experimentId,
    artifactUri: data.info.artifactUri ?? '',
    url: deps.url,
    get runName() {
      return knownTags.get(RUN_NAME) ?? data.info.runName ?? ''
    },
    get status() {
      return status
    },
    logParam: (key, value) => param(key, value),
    logParams(params) {
      for (const [key, value] of present(params)) param(key, value, true)
      buffer.passOn()
    },
    logMetric(key, value, step) {
      if (ending !== undefined) checkOpen()
      if (typeof value !== 'number') refuseValue(key, value)
      if (typeof step === 'object' && step !== null) {
        put(key, pointOf(key, value, step))
        return
      }
      const now = Date.now()
      buffer.metric(key, value, step === undefined ? 0 : checkStep(key, step), now, undefined, now)
    },
    logMetrics(metrics, step) {
      checkOpen()
      checkRecord(metrics)
      const keys = Object.keys(metrics)
      const values: readonly unknown[] = Object.values(metrics)
      // Checked before the first is taken, so that a bad one leaves none of its record behind.
      let last = -1
      for (let index = 0; index < keys.length; index++) {
        const value = values[index]
        if (value === undefined || value === null) continue
        if (typeof value !== 'number') refuseValue(keys[index]!, value)
        buffer.checked(keys[index]!)
        last = index
      }
      if (last === -1) return
      const options: PointOptions =
        typeof step === 'object' && step !== null ? step : { step: step as Step | undefined }
      const point = pointOf(keys[last]!, 0, options)
      const extras = point.modelId === undefined && point.datasetName === undefined ? undefined : point
      for (let index = 0; index <= last; index++) {
        const value = values[index]
        if (typeof value !== 'number') continue
        buffer.metric(keys[index]!, value, point.step, point.timestamp, extras, index < last ? 0 : Date.now())
      }
    },
    setTag: (key, value) => tag(key, value),
    setTags(tags) {
      for (const [key, value] of present(tags)) tag(key, value, true)
      buffer.passOn()
    },
    deleteTag(key) {
      checkOpen()
      knownTags.delete(key)
      buffer.deleteTag(key)
    },
    ...artifactVerbs({
      store: deps.store,
      setTag: (key, value) => run.setTag(key, value),
      tagOf: (key) => knownTags.get(key),
    }),
    ...inputVerbs(runId, transport),
    ...codeVerbs({ store: deps.store, setTag: (key, value) => run.setTag(key, value) }),
    logModel: deps.logModel,
    async flush({ timeoutMs } = {}) {
      await flush(timeoutMs ?? FLUSH_MS)
    },
    stats,
    handOver: buffer.drainNow,
    get isOpen() {
      return ending === undefined
    },
    async end(as) {
      if (as !== undefined) checkRunStatus(as)
      ending ??= end(as ?? (deps.owned ? 'FINISHED' : undefined))
      return ending
    },
    finish(as) {
      ending ??= end(deps.owned ? as : undefined)
      return ending
    },
    endNow(as) {
      if (over) return
      // An end that was asked for and not waited for counts with its own status.
      const known = ending === undefined ? (deps.owned ? as : undefined) : endStatus
      ending ??= Promise.resolve()
      buffer.drainNow()
      if (known) status = known
      if (known && !isNoted) {
        isNoted = true
        outlet.finishNow(known, Date.now())
      }
      outlet.flushNow()
      outlet.closeNow()
      sayWhatIsLeft()
      leave()
    },
    [Symbol.asyncDispose]: () => run.end(),
  }
  return run
}
