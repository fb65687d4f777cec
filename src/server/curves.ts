import { HISTORY_PAGE, tokenOf } from '../core/page.js'
import type { WireMetric } from '../transport/protocol.js'
import type { Transport } from '../transport/transport.js'
import { type Columns, type Stretch, thinned, within } from './thin.js'

/** A curve that is asked for: all of it, what has come since `since` points were seen, or a stretch of it. */
export interface CurveAsked {
  readonly run_id: string
  readonly key: string
  readonly since?: number | undefined
  /** From one step or time to another: the points between them, and the ones that lead there. */
  readonly within?: Stretch | undefined
}

/** The points of a curve to draw. */
export interface CurveAnswer {
  readonly run_id: string
  readonly key: string
  /** How many points there are in all; what to say as `since` the next time. */
  readonly total: number
  /** How many points come before the first of these; 0 when the curve is told anew. */
  readonly from: number
  readonly step: readonly number[]
  readonly time: readonly number[]
  readonly value: readonly number[]
}

interface Known {
  columns: Columns
  count: number
  readAt: number
  /** What the last reading took, in milliseconds. */
  cost: number
  reading: Promise<void> | undefined
}

export interface CurvesOptions {
  readonly transport: Transport
  /** Whether the order of a history only ever grows at its end, as a file does. */
  readonly growing: boolean
  readonly now?: (() => number) | undefined
}

/** How old a curve may be when it is given out. Many readers at once share one reading. */
const FRESH_MS = 200
/** Points that are kept for the next asking: 36 MB. */
const MOST_POINTS = 1_500_000

/** Histories for drawing: read once for all who look, told as what is new, and thinned. */
export function curves({ transport, growing, now = Date.now }: CurvesOptions) {
  const known = new Map<string, Known>()

  async function read(asked: CurveAsked, curve: Known): Promise<void> {
    const started = now()
    const { run_id, key: metric_key } = asked
    if (growing) {
      // From the last known point on: it says whether what is known is still what is there.
      const offset = Math.max(0, curve.count - 1)
      const token = offset > 0 ? { page_token: tokenOf(offset) } : {}
      const input = { run_id, metric_key, max_results: Number.MAX_SAFE_INTEGER }
      const { metrics } = await transport.call('getMetricHistory', { ...input, ...token })
      const fits = offset > 0 && isPoint(curve, offset, metrics[0])
      if (fits) append(curve, metrics, 1)
      else {
        curve.count = 0
        append(curve, offset > 0 ? (await transport.call('getMetricHistory', input)).metrics : metrics)
      }
    } else {
      const fresh: Known = { ...curve, count: 0 }
      let page_token: string | undefined
      do {
        const input = { run_id, metric_key, max_results: HISTORY_PAGE, ...(page_token ? { page_token } : {}) }
        const page = await transport.call('getMetricHistory', input)
        append(fresh, page.metrics)
        page_token = page.next_page_token === page_token ? undefined : page.next_page_token
      } while (page_token)
      curve.columns = fresh.columns
      curve.count = fresh.count
    }
    curve.readAt = now()
    curve.cost = curve.readAt - started
  }

  async function curveOf(asked: CurveAsked): Promise<Known> {
    const name = `${asked.run_id}/${asked.key}`
    const curve = known.get(name) ?? { columns: columnsOf(64), count: 0, readAt: 0, cost: 0, reading: undefined }
    known.delete(name)
    known.set(name, curve)
    // What is slow to read is read less often.
    if (now() - curve.readAt > Math.max(FRESH_MS, 4 * curve.cost))
      curve.reading ??= read(asked, curve).finally(() => {
        curve.reading = undefined
      })
    await curve.reading?.catch((error: unknown) => {
      known.delete(name)
      throw error
    })
    forget()
    return curve
  }

  function forget(): void {
    let points = 0
    for (const { columns } of known.values()) points += columns.value.length
    for (const [name, curve] of known) {
      if (points <= MOST_POINTS || known.size === 1) return
      points -= curve.columns.value.length
      known.delete(name)
    }
  }

  return async (asked: CurveAsked, most: number): Promise<CurveAnswer> => {
    const { columns, count } = await curveOf(asked)
    const { run_id, key, since = 0 } = asked
    const from = since <= count && !asked.within ? since : 0
    const kept = asked.within ? within(columns, count, asked.within, most) : thinned(columns.value, from, count, most)
    const pick = (column: Float64Array) => kept.map((index) => column[index] ?? 0)
    return {
      run_id,
      key,
      total: count,
      from,
      step: pick(columns.step),
      time: pick(columns.time),
      value: pick(columns.value),
    }
  }
}

const columnsOf = (size: number): Columns => ({
  step: new Float64Array(size),
  time: new Float64Array(size),
  value: new Float64Array(size),
})

const numberOf = (value: number | bigint | string | undefined): number => Number(value ?? 0)

function isPoint({ columns, count }: Known, index: number, point: WireMetric | undefined): boolean {
  if (!point || index >= count) return false
  const same = Object.is(columns.value[index], numberOf(point.value))
  return same && columns.step[index] === numberOf(point.step) && columns.time[index] === numberOf(point.timestamp)
}

function append(curve: Known, metrics: readonly WireMetric[], from = 0): void {
  const needed = curve.count + metrics.length - from
  if (needed > curve.columns.value.length) {
    const larger = columnsOf(Math.max(needed, 2 * curve.columns.value.length))
    for (const name of ['step', 'time', 'value'] as const)
      larger[name].set(curve.columns[name].subarray(0, curve.count))
    curve.columns = larger
  }
  for (let i = from; i < metrics.length; i++) {
    const point = metrics[i]
    const at = curve.count++
    curve.columns.step[at] = numberOf(point?.step)
    curve.columns.time[at] = numberOf(point?.timestamp)
    curve.columns.value[at] = numberOf(point?.value)
  }
}
