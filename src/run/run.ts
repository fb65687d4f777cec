import type { ArtifactStore } from '../artifacts/store.js'
import type { RunData, Step, Timestamp } from '../core/entities.js'
import { checkKey } from '../core/names.js'
import type { PointExtras } from '../core/ring.js'
import { TAG } from '../core/tags.js'
import type { LogModelOptions, ModelInfo } from '../models/log.js'
import { type BufferOptions, metricBuffer } from '../tracking/metric-buffer.js'
import {
  checkPointOptions,
  checkRecord,
  checkSameParam,
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
import { type EndingDeps, endingOf } from './ending.js'
import { flushMs } from './flush-options.js'
import { gateOf } from './gate.js'
import type { LiveRun } from './handle.js'
import { inputVerbs } from './inputs.js'
import { modelTimes } from './model-times.js'
import { underWay } from './under-way.js'
import { checkedVerbs } from './verb-options.js'

/** What a run needs of the world. */
export interface RunDeps extends EndingDeps {
  readonly transport: Transport
  readonly store: () => Promise<ArtifactStore>
  readonly rules: TextRules
  /** The params that any handle of the run has logged. */
  readonly known: Map<string, string>
  /** The logged model of points that name none. */
  readonly activeModelId: string | undefined
  readonly buffer: BufferOptions
  readonly url: string | undefined
  readonly logModel: (model: unknown, options: LogModelOptions) => Promise<ModelInfo>
}

/** How long something waits in memory while the event loop turns, when the way to disk is open. */
const PROMPT_MS = 5

const optionsOf = (step: Step | PointOptions | undefined): PointOptions =>
  typeof step === 'object' && step !== null ? checkPointOptions(step) : { step }

/** Makes the handle of a run that stands in the store. */
export function openRun(data: RunData, deps: RunDeps): LiveRun {
  const { transport, rules, known, activeModelId } = deps
  const { runId, experimentId } = data.info
  const knownParams = new Map(Object.entries(data.data.params))
  const knownTags = new Map(Object.entries(data.data.tags))
  /** The logged models that went in or came out, as far as they are known, and those that are linked now. */
  const linked = new Set<string>()
  for (const { modelId } of [...(data.inputs?.modelInputs ?? []), ...(data.outputs?.modelOutputs ?? [])])
    linked.add(modelId)
  const { outlet } = deps
  const buffer = metricBuffer(outlet.drain, {
    ...deps.buffer,
    ...(outlet.way ? { way: outlet.way, intervalMs: PROMPT_MS } : {}),
  })
  const gate = gateOf(runId, deps.say)
  const { isTaking } = gate
  const calls = underWay(gate.checkOpen, () => outlet.noted)
  const ending = endingOf(data.info, { buffer, gate, calls }, deps)
  const times = modelTimes()

  function put(key: string, value: number, options: PointOptions): void {
    const point = pointOf(key, value, options)
    buffer.checked(key)
    const extras = extrasOf(point)
    buffer.metric(key, value, point.step, timeOf([key], point, extras, options), extras, Date.now())
  }

  function timeOf(
    keys: readonly string[],
    { step, timestamp }: Point,
    extras: PointExtras | undefined,
    options: PointOptions,
  ): Timestamp {
    if (options.timestamp !== undefined || typeof timestamp === 'bigint') return timestamp
    return times.timeOf({ keys, step, timestamp, ofModel: extras?.modelId !== undefined })
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

  /** A param as it is kept. */
  function checkedParam(key: string, value: unknown): string {
    const text = paramText(key, value, rules)
    checkSameParam(key, text, knownParams.get(key) ?? known.get(key))
    return text
  }

  function keepParam(key: string, text: string, more = false): void {
    if (knownParams.get(key) === text) return
    knownParams.set(key, text)
    known.set(key, text)
    buffer.param(key, text, more)
  }

  /** The tag of a call that was begun while the run was open. */
  function tagOfCall(key: string, value: string): void {
    if (isTaking(true)) keepTag(key, tagText(key, value, rules))
  }

  function keepTag(key: string, text: string, more = false): void {
    knownTags.set(key, text)
    buffer.tag(key, text, more)
  }

  /** Keeps a record of texts; each is checked before the first is taken, so that a bad one leaves none of its record behind. */
  function keepAll(
    record: Readonly<Record<string, unknown>>,
    textOf: (key: string, value: unknown) => string,
    keep: (key: string, text: string, more: boolean) => void,
  ): void {
    if (!isTaking()) return
    const texts = present(record).map(([key, value]) => [key, textOf(key, value)] as const)
    for (const [key, text] of texts) keep(key, text, true)
    buffer.passOn()
  }

  async function flush(timeoutMs: number): Promise<void> {
    const begun = performance.now()
    await buffer.flush(timeoutMs)
    await outlet.flush(Math.max(0, timeoutMs - (performance.now() - begun)), { untilDenied: true })
  }

  const run: LiveRun = {
    runId,
    experimentId,
    artifactUri: data.info.artifactUri ?? '',
    url: deps.url,
    get runName() {
      return knownTags.get(TAG.runName) ?? data.info.runName ?? ''
    },
    get status() {
      return ending.status
    },
    logParam(key, value) {
      if (isTaking()) keepParam(key, checkedParam(key, value))
    },
    logParams: (params) => keepAll(params, checkedParam, keepParam),
    logMetric(key, value, step) {
      if (gate.isAsked && !isTaking()) return
      if (typeof value !== 'number') refuseValue(key, value)
      const now = Date.now()
      if ((typeof step === 'object' && step !== null) || activeModelId !== undefined || now <= times.latest) {
        put(key, value, optionsOf(step))
        return
      }
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
      const options = optionsOf(step)
      const point = pointOf(keys[last]!, 0, options)
      const extras = extrasOf(point)
      const timestamp = timeOf(keys, point, extras, options)
      for (let index = 0; index <= last; index++) {
        const value = values[index]
        if (typeof value !== 'number') continue
        buffer.metric(keys[index]!, value, point.step, timestamp, extras, index < last ? 0 : Date.now())
      }
    },
    setTag(key, value) {
      if (isTaking()) keepTag(key, tagText(key, value, rules))
    },
    setTags: (tags) => keepAll(tags, (key, value) => tagText(key, value, rules), keepTag),
    deleteTag(key) {
      if (!isTaking()) return
      checkKey('tag', key)
      knownTags.delete(key)
      buffer.deleteTag(key)
    },
    ...calls.each(
      checkedVerbs({
        ...artifactVerbs({ store: deps.store, setTag: tagOfCall, tagOf: (key) => knownTags.get(key) }),
        ...inputVerbs(runId, transport),
        ...codeVerbs({ store: deps.store, setTag: tagOfCall }),
        logModel: deps.logModel,
      }),
    ),
    async flush(options = {}) {
      await flush(flushMs(options))
    },
    stats: ending.stats,
    handOver: buffer.drainNow,
    get isOpen() {
      return gate.isOpen
    },
    end: ending.end,
    finish: ending.finish,
    beforeEnd: ending.beforeEnd,
    beforeExit: ending.beforeExit,
    endNow: ending.endNow,
    [Symbol.asyncDispose]: () => run.end(),
  }
  return run
}
