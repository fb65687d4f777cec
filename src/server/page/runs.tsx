import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ApiError, api, type Run, type RunsPage } from './api.js'
import { ColumnChooser } from './column-chooser.js'
import { columnOf, orderKey, readList, usualColumns, writeList } from './columns.js'
import { FilterBar } from './filter-bar.js'
import { go, useKeys, useLoaded, useRepeated } from './hooks.js'
import { Empty, Failure, Waiting } from './parts.js'
import { hrefOf, type Place } from './route.js'
import { RunsTable } from './runs-table.js'

const PAGE = 100
/** Runs that are watched at a time: those at the top of what is loaded. */
const WATCHED = 60

/** The runs of an experiment, page by page as one scrolls, live while something trains. */
export function Runs({ experimentId, place }: { readonly experimentId: string; readonly place: Place }) {
  const { filter = '', order = '', cols = '', view = '' } = place.query
  const path = ['experiments', experimentId]
  const set = (query: Record<string, string | undefined>, replace = false) =>
    go(hrefOf(path, { ...place.query, ...query }), replace)

  const { data: about } = useLoaded((signal) => api.experiment(experimentId, signal), [experimentId])
  const list = useRuns(experimentId, { filter, order, deleted: view === 'deleted' })
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
            : `${runs.length}${more ? '+' : ''} ${view === 'deleted' ? 'deleted ' : ''}${runs.length === 1 ? 'run' : 'runs'}`}
        </span>
        <span class="gap" />
        <button
          type="button"
          onClick={() => set({ view: view === 'deleted' ? undefined : 'deleted' })}
          aria-pressed={view === 'deleted'}
        >
          Deleted
        </button>
        <button type="button" onClick={() => setChoosing(true)}>
          Columns
        </button>
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
            : view === 'deleted'
              ? 'No run has been deleted.'
              : 'No runs yet. They appear here as soon as one starts.'}
        </Empty>
      )}
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

interface RunsQuery {
  readonly filter: string
  readonly order: string
  readonly deleted: boolean
}

function useRuns(experimentId: string, { filter, order, deleted }: RunsQuery) {
  const name = JSON.stringify([experimentId, filter, order, deleted])
  const [state, setState] = useState<{ name: string; runs: readonly Run[]; token?: string | undefined; error?: Error }>(
    {
      name: '',
      runs: [],
    },
  )
  const [loading, setLoading] = useState(true)
  const busy = useRef(false)
  const ask = (page_token: string | undefined, signal?: AbortSignal): Promise<RunsPage> =>
    api.searchRuns(
      {
        experiment_ids: [experimentId],
        max_results: PAGE,
        ...(filter ? { filter } : {}),
        ...(order ? { order_by: [order] } : {}),
        ...(deleted ? { run_view_type: 'DELETED_ONLY' } : {}),
        page_token,
      },
      signal,
    )
  // The name says all that is asked.
  useEffect(() => {
    const controller = new AbortController()
    setLoading(true)
    ask(undefined, controller.signal)
      .then(
        (page) => setState({ name, runs: page.runs ?? [], token: page.next_page_token }),
        (error: Error) => controller.signal.aborted || setState((before) => ({ ...before, error })),
      )
      .finally(() => controller.signal.aborted || setLoading(false))
    return () => controller.abort()
  }, [name])

  const loadMore = () => {
    if (busy.current || state.token === undefined || state.name !== name) return
    busy.current = true
    ask(state.token)
      .then((page) =>
        setState((before) => {
          if (before.name !== name) return before
          const have = new Set(before.runs.map(({ info }) => info.run_id))
          const fresh = (page.runs ?? []).filter(({ info }) => !have.has(info.run_id))
          return { ...before, runs: [...before.runs, ...fresh], token: page.next_page_token }
        }),
      )
      .catch(() => undefined)
      .finally(() => {
        busy.current = false
      })
  }

  const replace = (fresh: readonly Run[]) => {
    const byId = new Map(fresh.map((run) => [run.info.run_id, run]))
    setState((before) =>
      before.name === name ? { ...before, runs: before.runs.map((run) => byId.get(run.info.run_id) ?? run) } : before,
    )
  }
  const running = state.runs.filter(({ info }) => info.status === 'RUNNING').slice(0, WATCHED)
  // What trains is asked for by itself, so that nothing else has to be read again.
  useRepeated(
    async (signal) => {
      const found = await api.runs(
        running.map(({ info }) => info.run_id),
        signal,
      )
      replace(found.runs)
    },
    700,
    running.length > 0,
  )
  // Runs that are new come with the first page.
  useRepeated(
    async (signal) => {
      const page = await ask(undefined, signal)
      setState((before) => {
        if (before.name !== name || before.error) return before
        const top = page.runs ?? []
        const ids = new Set(top.map(({ info }) => info.run_id))
        const rest = before.runs.slice(PAGE).filter(({ info }) => !ids.has(info.run_id))
        const short = before.runs.length <= PAGE
        return { ...before, runs: [...top, ...rest], token: short ? page.next_page_token : before.token }
      })
    },
    4_000,
    !loading && !state.error,
  )
  return { runs: state.runs, error: state.error, loading, more: state.token !== undefined, loadMore }
}
