import type { Axis } from './chart.js'

/** How curves are drawn; it stands in the address. */
export interface Drawing {
  readonly axis: Axis
  readonly smooth: number
  readonly log: boolean
}

export function drawingOf(query: Readonly<Record<string, string>>): Drawing {
  const { x, smooth, log } = query
  const weight = Number(smooth)
  return {
    axis: x === 'time' || x === 'relative' ? x : 'step',
    smooth: weight > 0 && weight < 1 ? weight : 0,
    log: log === '1',
  }
}

interface ControlsProps {
  readonly drawing: Drawing
  readonly onChange: (query: Record<string, string | undefined>) => void
}

const AXES = [
  ['step', 'Step'],
  ['time', 'Time'],
  ['relative', 'Since start'],
] as const

export function ChartControls({ drawing, onChange }: ControlsProps) {
  return (
    <div class="controls" role="group" aria-label="How curves are drawn">
      <div class="segments" role="radiogroup" aria-label="X axis">
        {AXES.map(([axis, title]) => (
          <label key={axis} class={drawing.axis === axis ? 'on' : ''}>
            <input
              type="radio"
              name="axis"
              class="hidden"
              checked={drawing.axis === axis}
              onChange={() => onChange({ x: axis === 'step' ? undefined : axis })}
            />
            {title}
          </label>
        ))}
      </div>
      <label class="slider">
        Smoothing
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={drawing.smooth}
          onInput={(event) =>
            onChange({ smooth: Number(event.currentTarget.value) > 0 ? event.currentTarget.value : undefined })
          }
        />
        <output>{drawing.smooth.toFixed(2)}</output>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={drawing.log}
          onChange={(event) => onChange({ log: event.currentTarget.checked ? '1' : undefined })}
        />
        Log scale
      </label>
      <span class="hint">
        Drag over a curve to look closely, double click for all of it; or <kbd>+</kbd> <kbd>-</kbd> <kbd>←</kbd>{' '}
        <kbd>→</kbd> <kbd>Esc</kbd>
      </span>
    </div>
  )
}
