import { useMemo, useState } from 'preact/hooks'
import { nameOf, type Run, type Stretch } from './api.js'
import { Chart, type Line } from './chart.js'
import type { Drawing } from './chart-controls.js'
import { cellsOf } from './columns.js'
import { curveName, type Known, useCurves } from './curves.js'
import { spliced, useDetail } from './detail.js'
import { numberText } from './format.js'
import { ordered } from './join.js'
import { Failure, Waiting } from './parts.js'
import { smoothed } from './smooth.js'
import { runColour, useTheme } from './theme.js'
import type { Zoom } from './zoom.js'

interface ChartsProps {
  readonly runs: readonly Run[]
  readonly keys: readonly string[]
  readonly drawing: Drawing
}

const MORE = 24

/** One chart for each metric, with a curve for each run that has it. */
export function Charts({ runs, keys, drawing }: ChartsProps) {
  const [most, setMost] = useState(MORE)
  const [large, setLarge] = useState<string>()
  const shown = keys.slice(0, most)
  const having = (run: Run, key: string) => run.data.metrics?.some((metric) => metric.key === key) === true
  const wanted = shown.flatMap((key) =>
    runs.filter((run) => having(run, key)).map(({ info }) => ({ run_id: info.run_id, key })),
  )
  const live = runs.some(({ info }) => info.status === 'RUNNING')
  const { curves, error } = useCurves(wanted, live)
  return (
    <>
      <Failure error={error} />
      <div class="charts">
        {shown.map((key) => (
          <Card
            key={key}
            name={key}
            runs={runs}
            curves={curves}
            drawing={drawing}
            large={large === key}
            onLarge={() => setLarge(large === key ? undefined : key)}
          />
        ))}
      </div>
      {keys.length > most && (
        <button type="button" class="more" onClick={() => setMost(most + MORE)}>
          {keys.length - most} more metrics
        </button>
      )}
    </>
  )
}

interface CardProps {
  readonly name: string
  readonly runs: readonly Run[]
  readonly curves: ReadonlyMap<string, Known>
  readonly drawing: Drawing
  readonly large: boolean
  readonly onLarge: () => void
}

type At = Drawing['axis']
const startOf = (run: Run, curve: Known): number => run.info.start_time ?? curve.time[0] ?? 0

function xOf(curve: Known, run: Run, axis: At): readonly number[] {
  if (axis === 'step') return curve.step
  if (axis === 'time') return curve.time
  const start = startOf(run, curve)
  return curve.time.map((at) => at - start)
}

function stretchOf(curve: Known, run: Run, axis: At, { from, to }: Zoom): Stretch {
  if (axis !== 'relative') return { by: axis, from, to }
  const start = startOf(run, curve)
  return { by: 'time', from: from + start, to: to + start }
}

function Card({ name, runs, curves, drawing, large, onLarge }: CardProps) {
  const theme = useTheme()
  const { axis, smooth, log } = drawing
  const found = runs.map((run) => curves.get(curveName({ run_id: run.info.run_id, key: name })))
  const [zoom, setZoom] = useState<Zoom>()
  // Made anew, a chart shows all.
  const [turn, setTurn] = useState(0)
  const details = useDetail(
    runs.flatMap((run, index) => {
      const curve = found[index]
      if (!zoom || !curve || curve.value.length >= curve.total) return []
      return [{ run_id: run.info.run_id, key: name, within: stretchOf(curve, run, axis, zoom) }]
    }),
  )
  // Colours follow the theme, curves are compared one by one.
  const lines = useMemo(
    () =>
      runs.flatMap((run, index): Line[] => {
        const coarse = found[index]
        if (!coarse) return []
        const detail = details.get(curveName({ run_id: run.info.run_id, key: name }))
        const curve = spliced(coarse, detail, axis === 'step' ? 'step' : 'time')
        const [x, y] = ordered(xOf(curve, run, axis), curve.value)
        const line = { label: nameOf(run), colour: runColour(index), x }
        if (smooth === 0) return [{ ...line, y }]
        return [
          { ...line, y, faint: true },
          { ...line, y: smoothed(y, smooth) },
        ]
      }),
    [axis, smooth, theme, name, details, ...found],
  )
  const failure = found.find((curve) => curve?.error !== undefined)?.error
  const only = runs.length === 1 ? runs[0] : undefined
  const total = found.reduce((sum, curve) => sum + (curve?.total ?? 0), 0)
  return (
    <figure class={large ? 'card large' : 'card'}>
      <figcaption>
        <h3 title={name}>{name}</h3>
        {only && <b>{numberText(cellsOf(only).metrics[name])}</b>}
        <small title="Points logged">{total > 1 ? `${total.toLocaleString('en')} points` : ''}</small>
        {zoom && (
          <button type="button" class="quiet" onClick={() => setTurn(turn + 1)} title="Or double click">
            Show all
          </button>
        )}
        <button
          type="button"
          class="quiet"
          onClick={onLarge}
          aria-label={large ? `Make ${name} small` : `Make ${name} large`}
          title={large ? 'Small' : 'Large'}
        >
          {large ? '▾' : '▴'}
        </button>
      </figcaption>
      {failure !== undefined ? (
        <Failure error={new Error(failure)} />
      ) : lines.length > 0 ? (
        <Chart
          key={turn}
          title={name}
          lines={lines}
          axis={axis}
          log={log}
          height={large ? 420 : 190}
          onZoom={setZoom}
        />
      ) : (
        <div class="chart-none">
          <Waiting />
        </div>
      )}
    </figure>
  )
}
