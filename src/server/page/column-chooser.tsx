import { useMemo, useState } from 'preact/hooks'
import type { Run } from './api.js'
import { allColumns, columnOf } from './columns.js'
import { Dialog } from './parts.js'

interface ChooserProps {
  readonly runs: readonly Run[]
  readonly chosen: readonly string[]
  readonly onChange: (ids: readonly string[]) => void
  readonly onClose: () => void
}

const GROUPS = [
  ['attributes', 'About the run'],
  ['metrics', 'Metrics'],
  ['params', 'Parameters'],
  ['tags', 'Tags'],
] as const

/** Which columns the table shows. */
export function ColumnChooser({ runs, chosen, onChange, onClose }: ChooserProps) {
  const [search, setSearch] = useState('')
  const all = useMemo(() => [...new Set([...allColumns(runs), ...chosen])], [runs, chosen])
  const shown = new Set(chosen)
  const toggle = (id: string) => onChange(shown.has(id) ? chosen.filter((one) => one !== id) : [...chosen, id])
  const fits = (id: string) => id.toLowerCase().includes(search.toLowerCase())
  return (
    <Dialog title="Columns" onClose={onClose}>
      <input
        type="search"
        aria-label="Search columns"
        placeholder="Search"
        value={search}
        onInput={(event) => setSearch(event.currentTarget.value)}
      />
      <div class="chooser">
        {GROUPS.map(([kind, title]) => {
          const ids = all.filter((id) => id.startsWith(`${kind}.`) && fits(id))
          return ids.length === 0 ? null : (
            <fieldset key={kind}>
              <legend>{title}</legend>
              {ids.map((id) => (
                <label key={id}>
                  <input type="checkbox" checked={shown.has(id)} onChange={() => toggle(id)} />
                  <span>{columnOf(id)?.title}</span>
                </label>
              ))}
            </fieldset>
          )
        })}
      </div>
      <footer>
        <button type="button" onClick={() => onChange([])}>
          As usual
        </button>
      </footer>
    </Dialog>
  )
}
