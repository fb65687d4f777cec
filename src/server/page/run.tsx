import { useEffect, useState } from 'preact/hooks'
import { api, nameOf, type Run, record } from './api.js'
import { Artifacts } from './artifacts.js'
import { ChartControls, drawingOf } from './chart-controls.js'
import { Charts } from './charts.js'
import { durationText, numberText, timeText } from './format.js'
import { go, useLoaded, useNow, useRepeated } from './hooks.js'
import { Copy, Empty, Failure, Pairs, Status, Waiting } from './parts.js'
import { hrefOf, type Place } from './route.js'

const TABS = [
  ['', 'Metrics'],
  ['details', 'Parameters and tags'],
  ['artifacts', 'Artifacts'],
] as const

/** One run: what it was given, how it went, what it left. */
export function RunView({ runId, place }: { readonly runId: string; readonly place: Place }) {
  const loaded = useLoaded((signal) => api.runs([runId], signal), [runId])
  const [fresh, setFresh] = useState<Run>()
  const run = fresh?.info.run_id === runId ? fresh : loaded.data?.runs[0]
  useEffect(() => setFresh(undefined), [loaded.data])
  useRepeated(
    async (signal) => setFresh((await api.runs([runId], signal)).runs[0]),
    600,
    run?.info.status === 'RUNNING',
  )
  if (!run)
    return loaded.error ? (
      <Failure error={loaded.error} />
    ) : loaded.loading ? (
      <Waiting />
    ) : (
      <Empty>There is no run {runId}.</Empty>
    )
  const tab = place.path[4] ?? ''
  const base = place.path.slice(0, 4)
  return (
    <section>
      <div class="head">
        <h1>{nameOf(run)}</h1>
        <Status status={run.info.status} />
        <span class="gap" />
        <Copy text={run.info.run_id} label="run id" />
        <a class="button" href={hrefOf(['compare'], { runs: run.info.run_id })}>
          Compare
        </a>
      </div>
      <Facts run={run} />
      <nav class="tabs" aria-label="Parts of the run">
        {TABS.map(([name, title]) => (
          <a key={name} href={hrefOf(name ? [...base, name] : base)} aria-current={tab === name ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {tab === '' && <MetricsTab run={run} place={place} />}
      {tab === 'details' && <Details run={run} />}
      {tab === 'artifacts' && <Artifacts run={run} base={[...base, 'artifacts']} path={place.path.slice(5)} />}
    </section>
  )
}

function Facts({ run }: { readonly run: Run }) {
  const now = useNow(1000)
  const { info, data } = run
  const tags = record(data.tags)
  const end = info.end_time || (info.status === 'RUNNING' ? now : undefined)
  const facts: [string, string | undefined][] = [
    ['Started', timeText(info.start_time)],
    ['Took', info.start_time !== undefined && end !== undefined ? durationText(end - info.start_time) : undefined],
    ['User', info.user_id || tags['mlflow.user']],
    ['Source', tags['mlflow.source.name']],
    ['Commit', tags['mlflow.source.git.commit']?.slice(0, 10)],
    ['Run id', info.run_id],
  ]
  return (
    <>
      <dl class="facts">
        {facts.map(([key, value]) =>
          value ? (
            <div key={key}>
              <dt>{key}</dt>
              <dd>{value}</dd>
            </div>
          ) : null,
        )}
      </dl>
      {tags['mlflow.note.content'] && <p class="note">{tags['mlflow.note.content']}</p>}
    </>
  )
}

function MetricsTab({ run, place }: { readonly run: Run; readonly place: Place }) {
  const drawing = drawingOf(place.query)
  const all = (run.data.metrics ?? []).map(({ key }) => key).sort()
  const own = all.filter((key) => !key.startsWith('system/'))
  const system = all.filter((key) => key.startsWith('system/'))
  const [open, setOpen] = useState(false)
  if (all.length === 0)
    return (
      <Empty>
        {run.info.status === 'RUNNING'
          ? 'No metrics yet; they appear as they are logged.'
          : 'The run logged no metrics.'}
      </Empty>
    )
  return (
    <>
      <ChartControls
        drawing={drawing}
        onChange={(query) => go(hrefOf(place.path, { ...place.query, ...query }), true)}
      />
      <Charts runs={[run]} keys={own} drawing={drawing} />
      {system.length > 0 && (
        <details class="system" onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>System metrics ({system.length})</summary>
          {open && <Charts runs={[run]} keys={system} drawing={drawing} />}
        </details>
      )}
    </>
  )
}

const byKey = (a: { key: string }, b: { key: string }): number => a.key.localeCompare(b.key)

function Details({ run }: { readonly run: Run }) {
  const { params = [], tags = [], metrics = [] } = run.data
  const datasets = run.inputs?.dataset_inputs ?? []
  const own = tags.filter(({ key }) => !key.startsWith('mlflow.'))
  const system = tags.filter(({ key }) => key.startsWith('mlflow.') && key !== 'mlflow.note.content')
  return (
    <div class="details">
      <div>
        <h2>Parameters</h2>
        {params.length > 0 ? (
          <Pairs label="Parameters" pairs={[...params].sort(byKey).map(({ key, value }) => [key, value] as const)} />
        ) : (
          <p class="none">None</p>
        )}
        <h2>Latest metrics</h2>
        {metrics.length > 0 ? (
          <Pairs
            label="Latest metrics"
            pairs={[...metrics]
              .sort(byKey)
              .map(
                ({ key, value, step }) => [key, <MetricValue key={key} value={Number(value)} step={step} />] as const,
              )}
          />
        ) : (
          <p class="none">None</p>
        )}
      </div>
      <div>
        <h2>Tags</h2>
        {own.length > 0 ? (
          <Pairs label="Tags" pairs={[...own].sort(byKey).map(({ key, value }) => [key, value] as const)} />
        ) : (
          <p class="none">None</p>
        )}
        <h2>Datasets</h2>
        {datasets.length > 0 ? (
          datasets.map(({ dataset, tags: given }) => (
            <Pairs
              key={`${dataset.name}/${dataset.digest}`}
              label={`Dataset ${dataset.name}`}
              pairs={(
                [
                  ['Name', dataset.name],
                  ['Digest', dataset.digest],
                  ['Used for', record(given)['mlflow.data.context'] ?? ''],
                  ['Source', dataset.source ?? ''],
                  ['Schema', dataset.schema ?? ''],
                  ['Profile', dataset.profile ?? ''],
                ] as const
              ).filter(([, value]) => value !== '')}
            />
          ))
        ) : (
          <p class="none">None</p>
        )}
        {system.length > 0 && (
          <details>
            <summary>MLflow's own tags ({system.length})</summary>
            <Pairs
              label="MLflow's own tags"
              pairs={[...system].sort(byKey).map(({ key, value }) => [key, value] as const)}
            />
          </details>
        )}
      </div>
    </div>
  )
}

const MetricValue = ({ value, step }: { readonly value: number; readonly step: number | undefined }) => (
  <>
    <span title={String(value)}>{numberText(value)}</span>
    {step ? <small class="dim"> at step {numberText(step)}</small> : null}
  </>
)
