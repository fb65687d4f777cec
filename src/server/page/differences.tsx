import { useState } from 'preact/hooks'
import { nameOf, type Run } from './api.js'
import { type Cells, cellsOf } from './columns.js'
import { durationText, numberText } from './format.js'
import { Empty, Scrolled } from './parts.js'
import { hrefOf } from './route.js'
import { runColour } from './theme.js'

interface Row {
  readonly key: string
  readonly cells: readonly (string | undefined)[]
  readonly differs: boolean
  /** The places of the lowest and the highest number, where they differ. */
  readonly low?: number
  readonly high?: number
}

function rowsOf(runs: readonly Run[], kind: keyof Cells): Row[] {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(cellsOf(run)[kind])))]
    .filter((key) => !key.startsWith('mlflow.'))
    .sort()
  return keys.map((key) => {
    const values = runs.map((run) => cellsOf(run)[kind][key])
    const differs = new Set(values).size > 1
    const cells = values.map((value) => (typeof value === 'number' ? numberText(value) : value))
    if (kind !== 'metrics' || !differs) return { key, cells, differs }
    const numbers = values.map((value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined))
    const given = numbers.filter((value) => value !== undefined)
    return { key, cells, differs, low: numbers.indexOf(Math.min(...given)), high: numbers.indexOf(Math.max(...given)) }
  })
}

const facts = (runs: readonly Run[]): Row[] => {
  const took = runs.map(({ info }) =>
    info.start_time && info.end_time ? durationText(info.end_time - info.start_time) : '',
  )
  const status = runs.map(({ info }) => info.status.toLowerCase())
  return [
    { key: 'Status', cells: status, differs: new Set(status).size > 1 },
    { key: 'Took', cells: took, differs: new Set(took).size > 1 },
  ]
}

/** Parameters, metrics and tags of runs side by side; what differs stands out. */
export function Differences({ runs }: { readonly runs: readonly Run[] }) {
  const [all, setAll] = useState(false)
  const groups: [string, Row[]][] = [
    ['Parameters', rowsOf(runs, 'params')],
    ['Metrics', rowsOf(runs, 'metrics')],
    ['Tags', rowsOf(runs, 'tags')],
  ]
  const shown = groups.map(
    ([title, rows]) => [title, all ? rows : rows.filter(({ differs }) => differs || runs.length === 1)] as const,
  )
  const same = groups.flatMap(([, rows]) => rows).filter(({ differs }) => !differs).length
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
        Also what is the same{runs.length > 1 && same > 0 ? ` (${same})` : ''}
      </label>
      <Scrolled label="Differences">
        <table class="differences">
          <thead>
            <tr>
              <td />
              {runs.map((run, index) => (
                <th key={run.info.run_id} scope="col">
                  <i style={{ background: runColour(index) }} aria-hidden="true" />
                  <a href={hrefOf(['experiments', run.info.experiment_id, 'runs', run.info.run_id])}>{nameOf(run)}</a>
                </th>
              ))}
            </tr>
          </thead>
          {[['Run', facts(runs)] as const, ...shown].map(([title, rows]) =>
            rows.length === 0 ? null : (
              <tbody key={title}>
                <tr class="group">
                  <th scope="rowgroup" colSpan={runs.length + 1}>
                    {title}
                  </th>
                </tr>
                {rows.map(({ key, cells, differs, low, high }) => (
                  <tr key={key} class={differs ? 'differs' : ''}>
                    <th scope="row">{key}</th>
                    {cells.map((cell, index) => (
                      <td
                        key={runs[index]?.info.run_id}
                        title={index === low ? 'lowest' : index === high ? 'highest' : undefined}
                      >
                        {cell ?? <span class="dim">–</span>}
                        {index === low && <small class="mark"> ▾</small>}
                        {index === high && <small class="mark"> ▴</small>}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            ),
          )}
        </table>
      </Scrolled>
      {shown.every(([, rows]) => rows.length === 0) && <Empty>Nothing differs.</Empty>}
    </>
  )
}
