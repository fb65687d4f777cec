import { useEffect, useRef, useState } from 'preact/hooks'
import { api, type Curve } from './api.js'
import { useRepeated } from './hooks.js'

/** A curve as it is known so far, thinned. */
export interface Known {
  readonly step: readonly number[]
  readonly time: readonly number[]
  readonly value: readonly (number | null)[]
  /** How many points it has in all, drawn or not. */
  readonly total: number
  readonly error?: string | undefined
}

export interface Wanted {
  readonly run_id: string
  readonly key: string
}

/** Points in which a curve is drawn. */
export const POINTS = 1_500
/** Curves asked for at a time. */
const BATCH = 60

export const curveName = ({ run_id, key }: Wanted): string => `${run_id}/${key}`

const toValue = (value: number | string): number | null => {
  const number = Number(value)
  // An infinity has no place on an axis: it is a gap, as a NaN is.
  return Number.isFinite(number) ? number : null
}

/** A curve as the server tells it, to be drawn. */
export const knownOf = ({ step, time, value, total, error }: Curve): Known => ({
  step,
  time,
  value: value.map(toValue),
  total,
  error,
})

function merged(before: Known | undefined, curve: Curve): Known {
  const fresh = knownOf(curve)
  if (!before || curve.from === 0 || curve.from !== before.total) return fresh
  return {
    step: [...before.step, ...fresh.step],
    time: [...before.time, ...fresh.time],
    value: [...before.value, ...fresh.value],
    total: curve.total,
  }
}

/** The curves of runs, asked for once and then only for what is new; while `live`, three times a second. */
export function useCurves(wanted: readonly Wanted[], live: boolean) {
  const [curves, setCurves] = useState<ReadonlyMap<string, Known>>(new Map())
  const [error, setError] = useState<Error>()
  const known = useRef(curves)

  const take = (fresh: readonly Curve[]) => {
    const changed = fresh.filter(
      (curve) => curve.value.length > 0 || known.current.get(curveName(curve))?.total !== curve.total,
    )
    if (changed.length === 0) return
    const next = new Map(known.current)
    for (const curve of changed) next.set(curveName(curve), merged(next.get(curveName(curve)), curve))
    known.current = next
    setCurves(next)
  }
  const ask = async (which: readonly Wanted[], signal: AbortSignal) => {
    for (let from = 0; from < which.length; from += BATCH) {
      const asked = which.slice(from, from + BATCH).map(({ run_id, key }) => {
        const before = known.current.get(curveName({ run_id, key }))
        // Grown far beyond what can be seen, a curve is thinned anew.
        return before && before.value.length < 3 * POINTS ? { run_id, key, since: before.total } : { run_id, key }
      })
      take((await api.curves(asked, POINTS, signal)).curves)
    }
  }
  const names = wanted.map(curveName).join('\n')
  // The names say all that is wanted.
  useEffect(() => {
    const controller = new AbortController()
    const missing = wanted.filter((one) => !known.current.has(curveName(one)))
    setError(undefined)
    if (missing.length > 0)
      ask(missing, controller.signal).catch((failure: Error) => controller.signal.aborted || setError(failure))
    return () => controller.abort()
  }, [names])
  useRepeated((signal) => ask(wanted, signal), 300, live && wanted.length > 0)

  // A run that has just ended may have said its last words since the last asking.
  const wasLive = useRef(live)
  // Only the end of being live counts.
  useEffect(() => {
    const ended = wasLive.current && !live
    wasLive.current = live
    if (!ended) return
    const controller = new AbortController()
    const timer = setTimeout(() => ask(wanted, controller.signal).catch(() => undefined), 600)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [live])
  return { curves, error }
}
