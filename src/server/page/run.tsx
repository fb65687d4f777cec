import { useEffect, useState } from 'preact/hooks'
import { TAG } from '../../core/tags.js'
import { api, nameOf, type Run, record } from './api.js'
import { Artifacts } from './artifacts.js'
import { ChartControls, drawingOf } from './chart-controls.js'
import { Charts } from './charts.js'
import { Details } from './details.js'
import { EditNote, noteOf } from './edit.js'
import { durationText, timeText } from './format.js'
import { go, useLoaded, useNow, useRepeated } from './hooks.js'
import { Copy, Empty, Failure, Status, Waiting } from './parts.js'
import { DeleteRuns, restoreRuns } from './remove.js'
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
  const [asking, setAsking] = useState<'note' | 'delete'>()
  const [refusal, setRefusal] = useState<Error>()
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
  const deleted = run.info.lifecycle_stage === 'deleted'
  const changed = () => {
    setAsking(undefined)
    setRefusal(undefined)
    loaded.reload()
  }
  const question = { run, onDone: changed, onClose: () => setAsking(undefined) }
  const tab = place.path[4] ?? ''
  const base = place.path.slice(0, 4)
  return (
    <section>
      <div class="head">
        <h1>{nameOf(run)}</h1>
        <Status status={run.info.status} />
        <span class="gap" />
        <button type="button" onClick={() => setAsking('note')}>
          {noteOf(run) ? 'Edit note' : 'Add a note'}
        </button>
        {deleted ? (
          <button type="button" onClick={() => restoreRuns([run]).then(changed, setRefusal)}>
            Restore
          </button>
        ) : (
          <button type="button" onClick={() => setAsking('delete')}>
            Delete …
          </button>
        )}
        <a class="button" href={hrefOf(['compare'], { runs: run.info.run_id })}>
          Compare
        </a>
      </div>
      <Failure error={refusal} />
      {deleted && (
        <p class="note" role="status">
          This run is deleted.
        </p>
      )}
      <Facts run={run} />
      <nav class="tabs" aria-label="Parts of the run">
        {TABS.map(([name, title]) => (
          <a key={name} href={hrefOf(name ? [...base, name] : base)} aria-current={tab === name ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {tab === '' && <MetricsTab run={run} place={place} />}
      {tab === 'details' && <Details run={run} onChange={changed} />}
      {tab === 'artifacts' && <Artifacts run={run} base={[...base, 'artifacts']} path={place.path.slice(5)} />}
      {asking === 'note' && <EditNote {...question} />}
      {asking === 'delete' && <DeleteRuns what={[run]} onDone={changed} onClose={question.onClose} />}
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
    ['User', info.user_id || tags[TAG.user]],
    ['Source', tags[TAG.sourceName]],
    ['Commit', tags[TAG.commit]?.slice(0, 10)],
    ['Run id', info.run_id],
  ]
  return (
    <>
      <dl class="facts">
        {facts.map(([key, value]) =>
          value ? (
            <div key={key}>
              <dt>{key}</dt>
              <dd>
                {value}
                {key === 'Run id' && <Copy text={value} label="run id" />}
              </dd>
            </div>
          ) : null,
        )}
      </dl>
      {noteOf(run) && <p class="note">{noteOf(run)}</p>}
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
