import { useMemo, useState } from 'preact/hooks'
import { api, nameOf, type Run } from './api.js'
import { ChartControls, drawingOf } from './chart-controls.js'
import { Charts } from './charts.js'
import { cellsOf } from './columns.js'
import { Differences } from './differences.js'
import { go, useLoaded, useRepeated } from './hooks.js'
import { ParallelView } from './parallel.js'
import { Empty, Failure, Status, Waiting } from './parts.js'
import { hrefOf, type Place } from './route.js'
import { ScatterView } from './scatter.js'
import { runColour, useTheme } from './theme.js'

/** Runs that are compared at a time. */
const MOST = 100

const TABS = [
  ['', 'Curves'],
  ['differences', 'Differences'],
  ['parallel', 'Parallel coordinates'],
  ['scatter', 'Scatter'],
] as const

/** Runs beside and over each other. */
export function Compare({ place }: { readonly place: Place }) {
  const asked = (place.query.runs ?? '').split(',').filter(Boolean)
  const ids = asked.slice(0, MOST)
  const loaded = useLoaded((signal) => api.runs(ids, signal), [ids.join()])
  const [fresh, setFresh] = useState<readonly Run[]>([])
  const byId = new Map(fresh.map((run) => [run.info.run_id, run]))
  const runs = (loaded.data?.runs ?? []).map((run) => byId.get(run.info.run_id) ?? run)
  const running = runs.filter(({ info }) => info.status === 'RUNNING').map(({ info }) => info.run_id)
  useRepeated(async (signal) => setFresh((await api.runs(running, signal)).runs), 900, running.length > 0)
  useTheme()

  const set = (query: Record<string, string | undefined>) => go(hrefOf(['compare'], { ...place.query, ...query }), true)
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const toggle = (id: string) => {
    const next = new Set(hidden)
    if (!next.delete(id)) next.add(id)
    setHidden(next)
  }
  if (ids.length === 0) return <Empty>Tick runs in the table of an experiment and choose Compare.</Empty>
  if (loaded.error) return <Failure error={loaded.error} />
  if (!loaded.data) return <Waiting />
  if (runs.length === 0) return <Empty>None of these runs is here any more.</Empty>
  const tab = place.query.tab ?? ''
  return (
    <section>
      <div class="head">
        <h1>Compare {runs.length === 1 ? 'one run' : `${runs.length} runs`}</h1>
        <span class="gap" />
        <AddRun runs={runs} onAdd={(id) => set({ runs: [...ids, id].join(',') })} />
      </div>
      {asked.length > MOST && (
        <p class="note">
          The first {MOST} of {asked.length} runs are shown.
        </p>
      )}
      <ul class="legend" aria-label="Runs">
        {runs.map((run, index) => (
          <li key={run.info.run_id} class={hidden.has(run.info.run_id) ? 'off' : ''}>
            <button
              type="button"
              class="quiet swatch"
              aria-pressed={!hidden.has(run.info.run_id)}
              onClick={() => toggle(run.info.run_id)}
              aria-label={`Show ${nameOf(run)}`}
            >
              <i style={{ background: runColour(index) }} />
            </button>
            <a href={hrefOf(['experiments', run.info.experiment_id, 'runs', run.info.run_id])}>{nameOf(run)}</a>
            <Status status={run.info.status} short />
            <button
              type="button"
              class="quiet"
              aria-label={`Leave ${nameOf(run)} out`}
              onClick={() => set({ runs: ids.filter((id) => id !== run.info.run_id).join(',') })}
            >
              ✕
            </button>
          </li>
        ))}
      </ul>
      <nav class="tabs" aria-label="Ways to compare">
        {TABS.map(([name, title]) => (
          <a
            key={name}
            href={hrefOf(['compare'], { ...place.query, tab: name })}
            aria-current={tab === name ? 'page' : undefined}
          >
            {title}
          </a>
        ))}
      </nav>
      {tab === '' && <Curves runs={runs} hidden={hidden} place={place} onChange={set} />}
      {tab === 'differences' && <Differences runs={runs} />}
      {tab === 'parallel' && <ParallelView runs={runs} place={place} onChange={set} />}
      {tab === 'scatter' && <ScatterView runs={runs} place={place} onChange={set} />}
    </section>
  )
}

interface CurvesProps {
  readonly runs: readonly Run[]
  readonly hidden: ReadonlySet<string>
  readonly place: Place
  readonly onChange: (query: Record<string, string | undefined>) => void
}

function Curves({ runs, hidden, place, onChange }: CurvesProps) {
  const drawing = drawingOf(place.query)
  const keys = useMemo(() => {
    const all = [...new Set(runs.flatMap((run) => Object.keys(cellsOf(run).metrics)))].sort()
    return [...all.filter((key) => !key.startsWith('system/')), ...all.filter((key) => key.startsWith('system/'))]
  }, [runs])
  // Places are kept, so that every run keeps its colour.
  const shown = runs.map((run) => (hidden.has(run.info.run_id) ? { ...run, data: { ...run.data, metrics: [] } } : run))
  if (keys.length === 0) return <Empty>None of these runs logged a metric.</Empty>
  return (
    <>
      <ChartControls drawing={drawing} onChange={onChange} />
      <Charts runs={shown} keys={keys} drawing={drawing} />
    </>
  )
}

/** Another run of the same experiment, by name. */
function AddRun({ runs, onAdd }: { readonly runs: readonly Run[]; readonly onAdd: (id: string) => void }) {
  const experiment = runs[0]?.info.experiment_id ?? ''
  const { data } = useLoaded(
    (signal) => api.searchRuns({ experiment_ids: [experiment], max_results: 100 }, signal),
    [experiment],
  )
  const have = new Set(runs.map(({ info }) => info.run_id))
  const others = (data?.runs ?? []).filter(({ info }) => !have.has(info.run_id))
  if (others.length === 0) return null
  return (
    <select
      aria-label="Add a run"
      value=""
      onChange={(event) => {
        const { value } = event.currentTarget
        if (value) onAdd(value)
      }}
    >
      <option value="">Add a run …</option>
      {others.map((run) => (
        <option key={run.info.run_id} value={run.info.run_id}>
          {nameOf(run)}
        </option>
      ))}
    </select>
  )
}
