import { useEffect, useState } from 'preact/hooks'
import { api, type Stretch } from './api.js'
import { curveName, type Known, knownOf, POINTS, type Wanted } from './curves.js'

/** A thinned curve of which one stretch is looked at closely. */
export interface Close extends Wanted {
  readonly within: Stretch
}

const NONE: ReadonlyMap<string, Known> = new Map()

/** The points of a stretch of curves, as fine as can be seen; asked for when the stretch changes, none without one. */
export function useDetail(wanted: readonly Close[]): ReadonlyMap<string, Known> {
  const [details, setDetails] = useState(NONE)
  // What is wanted is said by its text.
  useEffect(() => {
    if (wanted.length === 0) {
      setDetails(NONE)
      return
    }
    const controller = new AbortController()
    api.curves(wanted, POINTS, controller.signal).then(
      ({ curves }) =>
        setDetails(new Map(curves.filter(({ error }) => !error).map((one) => [curveName(one), knownOf(one)]))),
      // The curve stays as coarse as it is.
      () => undefined,
    )
    return () => controller.abort()
  }, [JSON.stringify(wanted)])
  return details
}

/** A curve with finer points where there are some; around them, and behind what was there when they came, its own. */
export function spliced(curve: Known, detail: Known | undefined, by: 'step' | 'time'): Known {
  if (!detail || detail[by].length === 0) return curve
  const low = detail[by].reduce((a, b) => Math.min(a, b))
  const high = detail[by].reduce((a, b) => Math.max(a, b))
  const pick = <T>(of: (curve: Known) => readonly T[]): T[] => {
    const own = of(curve)
    return [
      ...own.filter((_, index) => (curve[by][index] ?? 0) < low),
      ...of(detail),
      ...own.filter((_, index) => (curve[by][index] ?? 0) > high),
    ]
  }
  return { ...curve, step: pick((of) => of.step), time: pick((of) => of.time), value: pick((of) => of.value) }
}
