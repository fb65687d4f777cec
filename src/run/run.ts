import type { ArtifactStore } from '../artifacts/store.js'
import type { RunData, RunStatus, Step } from '../core/entities.js'
import { checkEndStatus } from '../core/names.js'
import type { PointExtras } from '../core/ring.js'
import {
  IntegrityError,
  InvalidParameterError,
  ParamConflictError,
  PermissionDeniedError,
  TimeoutError,
} from '../errors.js'
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
import { flushMs } from './flush-options.js'
import type { EndStatus, LiveRun } from './handle.js'
import { inputVerbs } from './inputs.js'
import { whatIsLeft, whyLeft } from './left.js'
import type { Outlet } from './outlet.js'
import { underWay } from './under-way.js'

export type { EndStatus, LiveRun, Run } from './handle.js'

/** What a run needs of the world. */
export interface RunDeps {
  readonly transport: Transport
  /** Where what is logged goes. */
  readonly outlet: Outlet
  readonly store: () => Promise<ArtifactStore>
  readonly rules: TextRules
  /** The logged model of points that name none. */
  readonly activeModelId: string | undefined
  readonly buffer: BufferOptions
  /** How long its end waits for the server, in milliseconds. */
  readonly endTimeoutMs: number
  /** One line on standard error. */
  readonly say: (line: string) => void
  /** What the line at the end says of where to look; nothing when it is silenced. */
  readonly whereToLook: string | undefined
  readonly url: string | undefined
  readonly logModel: (model: unknown, options: LogModelOptions) => Promise<ModelInfo>
  /** Has what is on its way to the server kept on disk instead, where there is such a way. */
  readonly toDisk: (() => void) | undefined
  /** Whether this process made the run, or took it up again after its end: only then does it end it. */
  readonly owned: boolean
  /** Called once, when nothing is left to do. */
  readonly onEnded: () => void
}

/** How much of the time for the end is for the disk, at the most, where what the server is too slow for can go there. */
const TO_DISK_MS = 3_000
/** One whose server has been away for longer than all that time already waits no longer than this. */
const AWAY_MS = 1_000
/** How long something waits in memory while the event loop turns, when the way to disk is open. */
const PROMPT_MS = 5
const RUN_NAME = 'mlflow.runName'

/** Whether it is the run that may not be written to, and not just a file. */
const isApi = (url = ''): boolean => /\/api\/\d+\.\d+\/mlflow\//.test(url)

/** Whether a wait was over before anything had failed: nothing is tried after the end, whatever a flush says. */
const isBare = (error: unknown): boolean => error instanceof TimeoutError && error.cause === undefined

const optionsOf = (step: Step | PointOptions | undefined): PointOptions =>
  typeof step === 'object' && step !== null ? step : { step }

/** Makes the handle of a run that stands in the store. */
export function openRun(data: RunData, deps: RunDeps): LiveRun {
  const { transport, rules, activeModelId, say, endTimeoutMs } = deps
  const { runId, experimentId } = data.info
  const knownParams = new Map(Object.entries(data.data.params))
  const knownTags = new Map(Object.entries(data.data.tags))
  /** The logged models that went in or came out, as far as they are known, and those that are linked now. */
  const linked = new Set<string>()
  for (const { modelId } of [...(data.inputs?.modelInputs ?? []), ...(data.outputs?.modelOutputs ?? [])])
    linked.add(modelId)
  let status: RunStatus = data.info.status
  let ending: Promise<void> | undefined
  let endStatus: EndStatus | undefined
  /** The end that was written down last. */
  let noted: EndStatus | undefined
  let noting: Promise<void> = Promise.resolve()
  let over = false
  const { outlet } = deps
  const buffer = metricBuffer(outlet.drain, {
    ...deps.buffer,
    ...(outlet.way ? { way: outlet.way, intervalMs: PROMPT_MS } : {}),
  })
  const stats = () => outlet.stats(buffer.stats())
  const calls = underWay(() => {
    if (ending !== undefined) throw hasEnded()
  })
  /** From here on not even what was begun before the end is taken. */
  let isSealed = false
  /** The process goes, and the run has gone before it. */
  let isGone = false
  let isLateTold = false
  /** Why not all had arrived when the process was about to be killed. */
  let late: unknown

  const hasEnded = () =>
    new InvalidParameterError(`The run ${runId} has ended; resume it with startRun({ runId: '${runId}' })`)

  /** Whether to take what is logged; throws when the run has ended. A process that goes does not fail for what it still logs. */
  function isTaking(isBegun = false): boolean {
    if (ending === undefined || (isBegun && !isSealed)) return true
    if (!isGone) throw hasEnded()
    if (!isLateTold) say(`cairn: run ${runId}: what is logged in the last moment of the process is lost`)
    isLateTold = true
    return false
  }

  function put(key: string, point: Point): void {
    buffer.checked(key)
    buffer.metric(key, point.value, point.step, point.timestamp, extrasOf(point), Date.now())
  }

  /** What a point says beside its value; the model that it names, or that is active, becomes an input of the run. */
  function extrasOf(point: Point): PointExtras | undefined {
    const { modelId = activeModelId, datasetName, datasetDigest } = point
    if (modelId !== undefined && !linked.has(modelId)) {
      linked.add(modelId)
      buffer.linkModel(modelId)
    }
    return modelId === undefined && datasetName === undefined ? undefined : { modelId, datasetName, datasetDigest }
  }

  function param(key: string, value: unknown, more = false): void {
    if (!isTaking()) return
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
    if (isTaking()) setTag(key, value, more)
  }

  /** The tag of a call that was begun while the run was open. */
  function tagOfCall(key: string, value: string): void {
    if (isTaking(true)) setTag(key, value)
  }

  function setTag(key: string, value: unknown, more = false): void {
    const text = tagText(key, value, rules)
    knownTags.set(key, text)
    buffer.tag(key, text, more)
  }

  async function flush(timeoutMs: number): Promise<void> {
    const begun = performance.now()
    await buffer.flush(timeoutMs)
    await outlet.flush(Math.max(0, timeoutMs - (performance.now() - begun)), { untilDenied: true })
  }

  /** What neither the server nor a disk has is tried no more: else it would hold the process, and be lost all the same. */
  function giveUp(error?: unknown): number {
    return buffer.giveUp((count) => {
      const why = [`${count} entries had not arrived when the run ended, and are lost`, whyLeft({ outlet, error })]
      return new IntegrityError(why.filter((part) => part).join(': '))
    })
  }

  /** What is left is counted and said, not thrown: a training that has ended stays ended. */
  function sayWhatIsLeft(givenUp: number, error?: unknown): void {
    const left = whatIsLeft({ stats: stats(), givenUp, calls: calls.left, outlet, error })
    if (left !== undefined) say(`cairn: run ${runId}: ${left}`)
  }

  const leave = () => {
    if (over) return
    over = true
    if (deps.whereToLook) say(deps.whereToLook)
    deps.onEnded()
  }

  /** Waits for what was logged to arrive, and answers why it did not. */
  async function flushed(timeoutMs: number): Promise<unknown> {
    const by = performance.now() + timeoutMs
    const within = (untilDenied: boolean) =>
      outlet.flush(Math.max(0, by - performance.now()), { untilDenied }).then(
        () => undefined,
        (error: unknown) => error,
      )
    const error = await within(true)
    // Files may be denied alone: all else still goes.
    if (!(error instanceof PermissionDeniedError) || isApi(error.url)) return error
    return (await within(false)) ?? error
  }

  /** Notes the end, one after the other: of two that are on their way at once either might be the last. */
  function noteEnd(as: EndStatus, rest: () => number): Promise<void> {
    status = noted = as
    noting = noting.then(() =>
      outlet.finish(as, Date.now(), rest()).catch((error: unknown) => {
        say(`cairn: run ${runId} could not be set to ${as}: ${(error as Error).message}`)
      }),
    )
    return noting
  }

  /** Has what was begun come through, notes the end and waits for all to arrive; answers why it has not. */
  async function windUp(as: EndStatus | undefined, isEnd: boolean, begun = performance.now()): Promise<unknown> {
    const isLongAway = outlet.awayMs > endTimeoutMs
    /** Who was waited for long has something to tell its server yet, if only that it has ended. */
    const rest = () => Math.max(AWAY_MS, endTimeoutMs - (performance.now() - begun))
    const { toDisk } = deps
    const toDiskMs = toDisk ? Math.min(TO_DISK_MS, endTimeoutMs / 3) : 0
    await calls.through(Math.max(0, endTimeoutMs - toDiskMs - (performance.now() - begun)))
    if (calls.left && toDisk) {
      toDisk()
      await calls.through(toDiskMs)
    }
    if (isEnd) isSealed = true
    if (over) return undefined
    let reason: unknown
    const limitMs = rest()
    try {
      await buffer.flush(limitMs)
    } catch (error) {
      // Said below, with all else that is left.
      reason = isBare(error) ? new TimeoutError(`no answer after ${Math.round(limitMs)} ms`) : error
    }
    if (as && !over && as !== noted && (isEnd || ending === undefined)) await noteEnd(as, rest)
    reason = (await flushed(isLongAway ? AWAY_MS - (performance.now() - begun) : rest())) ?? reason
    if (isLongAway && outlet.awayMs === 0) reason = await flushed(rest())
    return reason
  }

  async function end(as: EndStatus | undefined): Promise<void> {
    endStatus = as
    if (as) status = as
    const reason = await windUp(as, true)
    if (over) return
    const givenUp = giveUp(reason)
    await outlet.close()
    if (!over) sayWhatIsLeft(givenUp, reason)
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
      if (ending !== undefined && !isTaking()) return
      if (typeof value !== 'number') refuseValue(key, value)
      if ((typeof step === 'object' && step !== null) || activeModelId !== undefined) {
        put(key, pointOf(key, value, optionsOf(step)))
        return
      }
      const now = Date.now()
      buffer.metric(key, value, step === undefined ? 0 : checkStep(key, step), now, undefined, now)
    },
    logMetrics(metrics, step) {
      if (!isTaking()) return
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
      const point = pointOf(keys[last]!, 0, optionsOf(step))
      const extras = extrasOf(point)
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
      if (!isTaking()) return
      knownTags.delete(key)
      buffer.deleteTag(key)
    },
    ...calls.each({
      ...artifactVerbs({ store: deps.store, setTag: tagOfCall, tagOf: (key) => knownTags.get(key) }),
      ...inputVerbs(runId, transport),
      ...codeVerbs({ store: deps.store, setTag: tagOfCall }),
      logModel: deps.logModel,
    }),
    async flush(options = {}) {
      await flush(flushMs(options))
    },
    stats,
    handOver: buffer.drainNow,
    get isOpen() {
      return ending === undefined || isGone
    },
    async end(as) {
      if (as !== undefined) checkEndStatus(as)
      ending ??= end(as ?? (deps.owned ? 'FINISHED' : undefined))
      return ending
    },
    finish(as) {
      ending ??= end(deps.owned ? as : undefined)
      return ending
    },
    async beforeEnd(as, since) {
      if (ending === undefined && late === undefined) late = await windUp(deps.owned ? as : undefined, false, since)
      await ending
    },
    endNow(as, since) {
      if (over) return () => {}
      const note = () => {
        // An end that was asked for and not waited for counts with its own status.
        const known = ending === undefined ? (deps.owned ? as : undefined) : endStatus
        buffer.drainNow()
        if (known === undefined || known === noted) return
        status = noted = known
        outlet.finishNow(known, Date.now())
      }
      note()
      return () => {
        // Again, for what was logged since, or an end that was asked for.
        note()
        isGone = true
        ending ??= Promise.resolve()
        outlet.flushNow(Math.max(0, since + endTimeoutMs - performance.now()))
        const givenUp = giveUp(late)
        outlet.closeNow()
        sayWhatIsLeft(givenUp, late)
        leave()
      }
    },
    [Symbol.asyncDispose]: () => run.end(),
  }
  return run
}
