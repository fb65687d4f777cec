import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { durationText, numberText, timeText } from './format.js'
import { joined } from './join.js'
import { colour, useTheme } from './theme.js'
import { type Zoom, zoomed } from './zoom.js'

/** What lies on the x axis: steps, the time of day, or the time since the run began. */
export type Axis = 'step' | 'time' | 'relative'

export interface Line {
  readonly label: string
  readonly colour: string
  /** A line in the background, which the tooltip leaves out. */
  readonly faint?: boolean
  /** In rising order. */
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
}

interface ChartProps {
  readonly title: string
  readonly lines: readonly Line[]
  readonly axis: Axis
  readonly log: boolean
  readonly height: number
  readonly onZoom?: (zoom: Zoom | undefined) => void
}

const TIPS = 12
/** Between the ticks of an axis of times since a start: seconds, minutes, hours and days as one counts them. */
const DURATIONS = [1, 2, 5, 10, 20, 50, 100, 200, 500]
  .concat(
    [1, 2, 5, 10, 15, 30].flatMap((count) => [count * 1e3, count * 60e3]),
    [1, 2, 3, 6, 12, 24, 48, 96, 240, 480, 960].map((hours) => hours * 3_600e3),
  )
  .sort((a, b) => a - b)

/** `2 min`, not `2 min 00 s`. */
const tickText = (ms: number): string => durationText(ms).replace(/ 00 (?:s|min)$/, '')

function xText(axis: Axis, x: number): string {
  if (axis === 'step') return `step ${numberText(x)}`
  if (axis === 'relative') return durationText(x)
  const date = new Date(x)
  return `${timeText(x)}:${String(date.getSeconds()).padStart(2, '0')}`
}

function dataOf(lines: readonly Line[], log: boolean): uPlot.AlignedData {
  const tables = lines.map(({ x, y }): [number[], (number | null)[]] => [
    [...x],
    log ? y.map((value) => (value !== null && value > 0 ? value : null)) : [...y],
  ])
  if (tables.length === 0) return [[]]
  // Lines of one run share their x: nothing has to be matched.
  const [first] = tables
  if (first && tables.every(([x]) => x.length === first[0].length && x.every((at, i) => at === first[0][i])))
    return [first[0], ...tables.map(([, y]) => y)]
  return joined(tables) as uPlot.AlignedData
}

function tip(plot: uPlot, box: HTMLElement, lines: readonly Line[], axis: Axis): void {
  const { idx, left = -1, top = -1 } = plot.cursor
  if (idx === null || idx === undefined || left < 0 || !plot.over.matches(':hover')) {
    box.hidden = true
    return
  }
  const rows: [string, string, number][] = []
  for (const [index, line] of lines.entries()) {
    if (line.faint) continue
    const near = nearest(plot.data[index + 1] ?? [], idx)
    if (near !== undefined) rows.push([line.label, line.colour, near])
  }
  rows.sort((a, b) => b[2] - a[2])
  const head = document.createElement('div')
  head.className = 'tip-head'
  head.textContent = xText(axis, plot.data[0][idx] ?? 0)
  const items = rows.slice(0, TIPS).map(([label, ink, value]) => {
    const row = document.createElement('div')
    const dot = document.createElement('i')
    dot.style.background = ink
    const name = document.createElement('span')
    name.textContent = label
    const number = document.createElement('b')
    number.textContent = numberText(value)
    row.append(dot, name, number)
    return row
  })
  if (rows.length > TIPS) {
    const more = document.createElement('div')
    more.textContent = `and ${rows.length - TIPS} more`
    items.push(more)
  }
  box.replaceChildren(head, ...items)
  box.hidden = false
  const right = left > plot.over.clientWidth / 2
  box.style.left = `${plot.over.offsetLeft + left + (right ? -12 : 12)}px`
  box.style.top = `${plot.over.offsetTop + Math.min(top, plot.over.clientHeight / 2)}px`
  box.style.transform = right ? 'translateX(-100%)' : ''
}

/** The value at a place, or the next one to either side when the place is another line's. */
function nearest(values: ArrayLike<number | null | undefined>, index: number): number | undefined {
  for (let away = 0; away < values.length; away++) {
    for (const at of [index - away, index + away]) {
      const value = values[at]
      if (value !== undefined && value !== null) return value
      if (value === null && away === 0) return undefined
    }
    if (away > 5000) return undefined
  }
  return undefined
}

function said(title: string, lines: readonly Line[]): string {
  const shown = lines.filter((line) => !line.faint)
  const [line] = shown
  if (!line) return `${title}: nothing yet`
  const numbers = line.y.filter((value): value is number => value !== null)
  if (shown.length > 1) return `${title}: curves of ${shown.map(({ label }) => label).join(', ')}`
  const [low, high] = [
    numbers.reduce((a, b) => Math.min(a, b), Infinity),
    numbers.reduce((a, b) => Math.max(a, b), -Infinity),
  ]
  return `${title}: ${numbers.length} points drawn, last ${numberText(numbers.at(-1))}, lowest ${numberText(low)}, highest ${numberText(high)}`
}

/** All of the x axis, and what is shown of it; undefined while there is no stretch to look at. */
function shownOf({ scales, data: [x] }: uPlot): { readonly whole: Zoom; readonly part: Zoom } | undefined {
  const { min, max } = scales.x ?? {}
  const [first, last] = [x[0], x.at(-1)]
  if (x.length < 2 || first === undefined || last === undefined || min == null || max == null) return undefined
  return { whole: { from: first, to: last }, part: { from: min, to: max } }
}

function zoomOf(plot: uPlot): Zoom | undefined {
  const { whole, part } = shownOf(plot) ?? {}
  return whole && part && (part.from > whole.from || part.to < whole.to) ? part : undefined
}

/** Curves over one axis: dragging or + zooms in, a double click or Esc back out; new points come in without a new drawing. */
export function Chart({ title, lines, axis, log, height, onZoom }: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const tipBox = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef({ lines, axis, onZoom })
  latest.current = { lines, axis, onZoom }
  const theme = useTheme()
  const shape = lines.map(({ label, colour: ink, faint }) => `${label}\n${ink}\n${faint}`).join('\n\n')

  // Points alone come in by setData below.
  useLayoutEffect(() => {
    const parent = box.current
    if (!parent) return
    const ink = colour('ink-2')
    const grid = { stroke: colour('line'), width: 1 }
    const common = { stroke: ink, grid, ticks: { ...grid, size: 4 }, font: '11px system-ui, sans-serif' }
    const values = (_: uPlot, splits: number[]) => splits.map((at) => numberText(at))
    const xValues =
      axis === 'relative'
        ? { values: (_: uPlot, at: number[]) => at.map(tickText), incrs: DURATIONS }
        : axis === 'step'
          ? { values }
          : {}
    const options: uPlot.Options = {
      width: parent.clientWidth || 300,
      height,
      ms: 1,
      legend: { show: false },
      padding: [8, 10, 0, 0],
      scales: { x: { time: axis === 'time' }, y: log ? { distr: 3 } : {} },
      axes: [
        { ...common, ...xValues, size: 28, space: 60 },
        {
          ...common,
          size: (_, labels) => 14 + 6.5 * Math.max(3, ...(labels ?? []).map((label) => String(label ?? '').length)),
          values: (_, splits) => splits.map((at) => (at === null || at === undefined ? '' : numberText(at))),
        },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.label,
          stroke: line.faint ? `${line.colour}44` : line.colour,
          width: line.faint ? 1 : 1.75,
          points: { show: line.y.length < 2, size: 6 },
        })),
      ],
      cursor: { sync: { key: `cairn-${axis}` }, drag: { x: true, y: false }, points: { size: 6 }, y: false },
      hooks: {
        setScale: [(made, scale) => scale === 'x' && latest.current.onZoom?.(zoomOf(made))],
        setCursor: [(made) => tipBox.current && tip(made, tipBox.current, latest.current.lines, latest.current.axis)],
      },
    }
    const made = new uPlot(options, dataOf(lines, log), parent)
    plot.current = made
    const sized = new ResizeObserver(() => made.setSize({ width: parent.clientWidth || 300, height }))
    sized.observe(parent)
    return () => {
      sized.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [shape, axis, log, height, theme])

  useEffect(() => {
    const made = plot.current
    if (!made) return
    const data = dataOf(lines, log)
    const zoomed = zoomOf(made) !== undefined
    made.setData(data, !zoomed)
    if (zoomed) made.redraw()
  }, [lines, log])

  const press = (event: KeyboardEvent) => {
    const shown = plot.current && shownOf(plot.current)
    // With one of these it is the browser's: Alt and an arrow go back in history.
    if (!shown || event.ctrlKey || event.metaKey || event.altKey) return
    const next = zoomed(shown.part, shown.whole, event.key)
    if (!next) return
    event.preventDefault()
    plot.current?.setScale('x', { min: next.from, max: next.to })
  }

  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be looked at closely has to be reached by keyboard
    <div class="chart" role="img" tabIndex={0} aria-label={said(title, lines)} onKeyDown={press}>
      <div ref={box} class="chart-box" />
      <div ref={tipBox} class="tip" hidden />
    </div>
  )
}
