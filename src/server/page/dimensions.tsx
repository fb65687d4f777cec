import type { Run } from './api.js'
import { cellsOf } from './columns.js'

/** A parameter or metric as an axis: `params.lr`, `metrics.loss`. */
export const dimensionsOf = (runs: readonly Run[]): string[] => {
  const ids = new Set<string>()
  for (const run of runs) for (const key of Object.keys(cellsOf(run).params)) ids.add(`params.${key}`)
  for (const run of runs)
    for (const key of Object.keys(cellsOf(run).metrics)) if (!key.startsWith('system/')) ids.add(`metrics.${key}`)
  return [...ids]
}

export function cellOf(run: Run, id: string): string | number | undefined {
  const cells = cellsOf(run)
  return id.startsWith('params.') ? cells.params[id.slice(7)] : cells.metrics[id.slice(8)]
}

export const titleOf = (id: string): string => id.replace(/^(?:params|metrics)\./, '')

/** Those that tell runs apart: parameters that vary, then metrics. */
export function telling(runs: readonly Run[], most: number): string[] {
  const varied = dimensionsOf(runs).filter((id) => new Set(runs.map((run) => cellOf(run, id))).size > 1)
  const params = varied.filter((id) => id.startsWith('params.')).slice(0, most - 2)
  return [...params, ...varied.filter((id) => id.startsWith('metrics.'))].slice(0, most)
}

interface PickProps {
  readonly label: string
  readonly ids: readonly string[]
  readonly value: string
  readonly onChange: (id: string) => void
}

export const Pick = ({ label, ids, value, onChange }: PickProps) => (
  <label class="pick">
    {label}
    <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {['params', 'metrics'].map((kind) => (
        <optgroup key={kind} label={kind === 'params' ? 'Parameters' : 'Metrics'}>
          {ids
            .filter((id) => id.startsWith(`${kind}.`))
            .map((id) => (
              <option key={id} value={id}>
                {titleOf(id)}
              </option>
            ))}
        </optgroup>
      ))}
    </select>
  </label>
)
