import { useState } from 'preact/hooks'
import { nameOf, type Run } from './api.js'
import { readList, writeList } from './columns.js'
import { cellOf, dimensionsOf, telling, titleOf } from './dimensions.js'
import { numberText } from './format.js'
import { Empty, Scrolled } from './parts.js'
import type { Place } from './route.js'
import { scaleOf } from './smooth.js'
import { runColour } from './theme.js'

interface ViewProps {
  readonly runs: readonly Run[]
  readonly place: Place
  readonly onChange: (query: Record<string, string | undefined>) => void
}

const [NARROW, WIDE] = [120, 220]
const HEIGHT = 320
const TOP = 34
const SIDE = 70

/** Every run as a line through its parameters and metrics. */
export function ParallelView({ runs, place, onChange }: ViewProps) {
  const all = dimensionsOf(runs)
  const chosen = readList(place.query.axes).filter((id) => all.includes(id))
  const ids = chosen.length > 1 ? chosen : telling(runs, 7)
  const [at, setAt] = useState<string>()
  const toggle = (id: string) =>
    onChange({ axes: writeList(ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]) })
  const scales = ids.map((id) => scaleOf(runs.map((run) => cellOf(run, id))))
  const gaps = Math.max(1, ids.length - 1)
  const gap = Math.min(WIDE, Math.max(NARROW, (innerWidth - 100 - 2 * SIDE) / gaps))
  const width = 2 * SIDE + gap * gaps
  const x = (index: number) => SIDE + index * gap
  const y = (share: number) => TOP + (1 - share) * HEIGHT
  const pointed = runs.find(({ info }) => info.run_id === at)
  return (
    <>
      <details class="axes">
        <summary>Axes ({ids.length})</summary>
        <div class="checks">
          {all.map((id) => (
            <label key={id} class="check">
              <input type="checkbox" checked={ids.includes(id)} onChange={() => toggle(id)} />
              {titleOf(id)}
            </label>
          ))}
        </div>
      </details>
      {ids.length < 2 ? (
        <Empty>These runs differ in too little to be drawn so; choose two axes.</Empty>
      ) : (
        <Scrolled label="Parallel coordinates" class="table-box plot">
          <svg
            width={width}
            height={HEIGHT + TOP + 30}
            role="img"
            aria-label={`Parallel coordinates of ${runs.length} runs over ${ids.map(titleOf).join(', ')}`}
          >
            {ids.map((id, index) => {
              const scale = scales[index]
              return (
                <g key={id}>
                  <line class="axis" x1={x(index)} x2={x(index)} y1={TOP} y2={TOP + HEIGHT} />
                  <text class="axis-title" x={x(index)} y={14}>
                    {titleOf(id).slice(0, 20)}
                  </text>
                  <text x={x(index)} y={TOP - 6} class="axis-end">
                    {scale?.high.slice(0, 18)}
                  </text>
                  <text x={x(index)} y={TOP + HEIGHT + 16} class="axis-end">
                    {scale?.low.slice(0, 18)}
                  </text>
                </g>
              )
            })}
            {runs.map((run, place) => {
              const points = ids.flatMap((id, index) => {
                const share = scales[index]?.at(cellOf(run, id))
                return share === undefined ? [] : [`${x(index)},${y(share)}`]
              })
              const { run_id: id } = run.info
              return (
                // biome-ignore lint/a11y/noStaticElementInteractions: pointing only brings a line forward; all values stand under Differences
                <polyline
                  key={id}
                  points={points.join(' ')}
                  style={{ stroke: runColour(place) }}
                  class={at === undefined ? '' : at === id ? 'at' : 'off'}
                  onMouseEnter={() => setAt(id)}
                  onMouseLeave={() => setAt(undefined)}
                >
                  <title>{nameOf(run)}</title>
                </polyline>
              )
            })}
          </svg>
        </Scrolled>
      )}
      <p class="pointed" aria-hidden={pointed === undefined}>
        {pointed
          ? `${nameOf(pointed)}: ${ids.map((id) => `${titleOf(id)} ${said(cellOf(pointed, id))}`).join(', ')}`
          : '\u00a0'}
      </p>
    </>
  )
}

const said = (value: string | number | undefined): string =>
  typeof value === 'number' ? numberText(value) : (value ?? '–')
