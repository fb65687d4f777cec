import { useMemo, useRef, useState } from 'preact/hooks'
import { ApiError, api } from './api.js'
import { ColumnChooser } from './column-chooser.js'
import { columnOf, orderKey, readList, usualColumns, writeList } from './columns.js'
import { FilterBar } from './filter-bar.js'
import { go, useKeys, useLoaded } from './hooks.js'
import { Empty, Failure, Waiting } from './parts.js'
import { DeleteRuns, restoreRuns } from './remove.js'
import { hrefOf, type Place } from './route.js'
import { RunsTable } from './runs-table.js'
import { PAGE, useRuns } from './use-runs.js'

/** The runs of an experiment, page by page as one scrolls, live while something trains. */
export function Runs({ experimentId, place }: { readonly experimentId: string; readonly place: Place }) {
  const { filter = '', order = '', cols = '', view = '' } = place.query
  const path = ['experiments', experimentId]
  const set = (query: Record<string, string | undefined>, replace = false) =>
    go(hrefOf(path, { ...place.query, ...query }), replace)

  const { data: about } = useLoaded((signal) => api.experiment(experimentId, signal), [experimentId])
  const deleted = view === 'deleted'
  const list = useRuns(experimentId, { filter, order, deleted })
  const { runs, error, loading, more } = list
  const remembered = `cairn.cols.${experimentId}`
  const chosen = readList(cols || localStorage.getItem(remembered) || '')
  const shape = runs
    .slice(0, PAGE)
    .map(({ info }) => info.run_id)
    .join()
  // New points of the same runs change no columns.
  const usual = useMemo(() => usualColumns(runs.slice(0, PAGE)), [shape])
  const columns = (chosen.length > 0 ? chosen : usual).flatMap((id) => columnOf(id) ?? [])

  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [choosing, setChoosing] = useState(false)
  const [deleting, setDeleting] = useState(false)
  const [refusal, setRefusal] = useState<Error>()
  const ticked = runs.filter(({ info }) => selected.has(info.run_id))
  const moved = () => {
    setDeleting(false)
    setRefusal(undefined)
    setSelected(new Set())
    list.reload()
  }
  const filterBox = useRef<HTMLInputElement>(null)
  const compare = () => selected.size > 0 && go(hrefOf(['compare'], { runs: [...selected].join(',') }))
  useKeys({ '/': () => filterBox.current?.focus(), c: compare })

  const setColumns = (ids: readonly string[]) => {
    localStorage.setItem(remembered, writeList(ids))
    set({ cols: ids.length > 0 ? writeList(ids) : undefined }, true)
  }
  const sortBy = (id: string) => {
    const column = columnOf(id)
    const key = column && orderKey(column)
    if (key === undefined) return
    // Metrics are mostly looked at from their best; a third click goes back to the newest first.
    const next = order === `${key} ASC` ? `${key} DESC` : order === `${key} DESC` ? undefined : `${key} ASC`
    set({ order: next })
  }
  const name = about?.experiment.name ?? experimentId
  return (
    <section class="fill">
      <div class="head">
        <h1>{name}</h1>
        <span class="count" role="status">
          {loading && runs.length === 0
            ? ''
            : `${runs.length}${more ? '+' : ''} ${deleted ? 'deleted ' : ''}${runs.length === 1 ? 'run' : 'runs'}`}
        </span>
        <span class="gap" />
        <button type="button" onClick={() => set({ view: deleted ? undefined : 'deleted' })} aria-pressed={deleted}>
          Deleted
        </button>
        <button type="button" onClick={() => setChoosing(true)}>
          Columns
        </button>
        {deleted && (
          <button
            type="button"
            disabled={ticked.length === 0}
            onClick={() => restoreRuns(ticked).then(moved, setRefusal)}
          >
            Restore{ticked.length > 0 ? ` ${ticked.length}` : ''}
          </button>
        )}
        {!deleted && ticked.length > 0 && (
          <button type="button" onClick={() => setDeleting(true)}>
            Delete {ticked.length} …
          </button>
        )}
        <button
          type="button"
          class="primary"
          disabled={selected.size === 0}
          onClick={compare}
          title="Compare what is ticked (c)"
        >
          Compare{selected.size > 0 ? ` ${selected.size}` : ''}
        </button>
      </div>
      <FilterBar
        input={filterBox}
        value={filter}
        error={error instanceof ApiError && error.status === 400 ? error : undefined}
        onApply={(text) => set({ filter: text || undefined })}
      />
      {error && !(error instanceof ApiError && error.status === 400) && <Failure error={error} />}
      <Failure error={refusal} />
      {runs.length > 0 ? (
        <RunsTable
          runs={runs}
          columns={columns}
          order={order}
          onSort={sortBy}
          selected={selected}
          onSelect={setSelected}
          onEnd={list.loadMore}
          busy={loading}
        />
      ) : loading ? (
        <Waiting />
      ) : error ? null : (
        <Empty>
          {filter
            ? 'No run fits the filter.'
            : deleted
              ? 'No run has been deleted.'
              : 'No runs yet. They appear here as soon as one starts.'}
        </Empty>
      )}
      {deleting && <DeleteRuns what={ticked} onDone={moved} onClose={() => setDeleting(false)} />}
      {choosing && (
        <ColumnChooser
          runs={runs}
          chosen={columns.map(({ id }) => id)}
          onChange={setColumns}
          onClose={() => setChoosing(false)}
        />
      )}
    </section>
  )
}
