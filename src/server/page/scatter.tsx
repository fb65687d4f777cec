import { nameOf, type Run } from './api.js'
import { cellOf, dimensionsOf, Pick, telling, titleOf } from './dimensions.js'
import { numberText } from './format.js'
import { go } from './hooks.js'
import { Empty, Scrolled } from './parts.js'
import { hrefOf, type Place } from './route.js'
import { scaleOf } from './smooth.js'
import { runColour } from './theme.js'

interface ViewProps {
  readonly runs: readonly Run[]
  readonly place: Place
  readonly onChange: (query: Record<string, string | undefined>) => void
}

const WIDTH = 760
const HEIGHT = 380
const LEFT = 80
const BOTTOM = 44
const TICKS = [0, 0.25, 0.5, 0.75, 1]

/** Every run as a point over one parameter or metric and another. */
export function ScatterView({ runs, place, onChange }: ViewProps) {
  const ids = dimensionsOf(runs)
  const usual = telling(runs, 12)
  const pick = (given: string | undefined, or: string | undefined) =>
    given && ids.includes(given) ? given : (or ?? ids[0] ?? '')
  const spread = (id: string) => new Set(runs.map((run) => cellOf(run, id))).size
  const across = pick(place.query.sx, usual.find((id) => spread(id) > 2) ?? usual[0])
  const up = pick(
    place.query.sy,
    usual.findLast((id) => id !== across),
  )
  if (ids.length === 0) return <Empty>These runs have neither parameters nor metrics.</Empty>
  const xs = scaleOf(runs.map((run) => cellOf(run, across)))
  const ys = scaleOf(runs.map((run) => cellOf(run, up)))
  const x = (share: number) => LEFT + 14 + share * (WIDTH - LEFT - 40)
  const y = (share: number) => 16 + (1 - share) * (HEIGHT - BOTTOM - 32)
  return (
    <>
      <div class="controls">
        <Pick label="Across" ids={ids} value={across} onChange={(id) => onChange({ sx: id })} />
        <Pick label="Up" ids={ids} value={up} onChange={(id) => onChange({ sy: id })} />
      </div>
      <Scrolled label="Scatter" class="table-box plot">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          class="scatter"
          role="group"
          aria-label={`${titleOf(up)} over ${titleOf(across)}, a point for each run`}
        >
          {TICKS.map((share) => (
            <g key={share}>
              <line class="grid-line" x1={x(0)} x2={x(1)} y1={y(share)} y2={y(share)} />
              <line class="grid-line" x1={x(share)} x2={x(share)} y1={y(0)} y2={y(1)} />
              <text class="tick-y" x={LEFT} y={y(share) + 4}>
                {tick(ys, share)}
              </text>
              <text class="tick-x" x={x(share)} y={HEIGHT - BOTTOM + 4}>
                {tick(xs, share)}
              </text>
            </g>
          ))}
          <text class="axis-title" x={(x(0) + x(1)) / 2} y={HEIGHT - 8}>
            {titleOf(across)}
          </text>
          <text class="axis-title" transform={`translate(14 ${(y(0) + y(1)) / 2}) rotate(-90)`}>
            {titleOf(up)}
          </text>
          {runs.map((run, index) => {
            const [h, v] = [xs.at(cellOf(run, across)), ys.at(cellOf(run, up))]
            if (h === undefined || v === undefined) return null
            const { experiment_id, run_id } = run.info
            return (
              <a
                key={run_id}
                href={hrefOf(['experiments', experiment_id, 'runs', run_id])}
                aria-label={nameOf(run)}
                onClick={(event) => {
                  event.preventDefault()
                  go(hrefOf(['experiments', experiment_id, 'runs', run_id]))
                }}
              >
                <circle cx={x(h)} cy={y(v)} r={6} style={{ fill: runColour(index) }}>
                  <title>{`${nameOf(run)}: ${titleOf(across)} ${cellOf(run, across)}, ${titleOf(up)} ${cellOf(run, up)}`}</title>
                </circle>
              </a>
            )
          })}
        </svg>
      </Scrolled>
    </>
  )
}

function tick(scale: ReturnType<typeof scaleOf>, share: number): string {
  const { words } = scale
  if (words) {
    const index = share * (words.length - 1)
    return Number.isInteger(index) ? (words[index] ?? '').slice(0, 12) : ''
  }
  const [low, high] = [Number(scale.low), Number(scale.high)]
  if (low === high) return share === 0.5 ? numberText(low) : ''
  return numberText(Number((low + share * (high - low)).toPrecision(3)))
}
