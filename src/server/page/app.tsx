import { useEffect, useState } from 'preact/hooks'
import { api, reach } from './api.js'
import { Compare } from './compare.js'
import { Experiments } from './experiments.js'
import { go, useKeys, useLoaded, usePlace, useRepeated } from './hooks.js'
import { ModelView } from './model.js'
import { Models } from './models.js'
import { Dialog, Empty, Failure, Waiting } from './parts.js'
import { hrefOf, type Place } from './route.js'
import { RunView } from './run.js'
import { Runs } from './runs.js'
import { toggleTheme, useTheme } from './theme.js'

const KEYS = [
  ['g', 'Experiments'],
  ['m', 'Models'],
  ['/', 'To the filter'],
  ['↓ ↑ or j k', 'Walk through the runs'],
  ['space or x', 'Tick the run'],
  ['enter', 'Open the run'],
  ['c', 'Compare what is ticked'],
  ['+ - ← → esc', 'On a curve: closer, away, to the sides, all of it'],
  ['t', 'Light or dark'],
  ['?', 'These keys'],
] as const

/** The page: what is at the top of every view, and the view that the address asks for. */
export function App() {
  const place = usePlace()
  const theme = useTheme()
  const [help, setHelp] = useState(false)
  const about = useLoaded(() => api.about(), ['about'])
  const [first] = place.path
  const lost = useLost()
  useKeys({
    g: () => go(hrefOf(['experiments'])),
    m: () => go(hrefOf(['models'])),
    t: toggleTheme,
    '?': () => setHelp(true),
  })
  useEffect(() => {
    document.title = [...place.path].reverse().slice(0, 1).concat('Cairn').join(' · ')
  }, [place.path.join('/')])
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById('content')?.focus()
        }}
      >
        To the content
      </a>
      <header class="top">
        <a class="brand" href={hrefOf(['experiments'])}>
          <img src="/page.svg" alt="" width={22} height={22} />
          Cairn
        </a>
        <nav aria-label="Main">
          <a
            href={hrefOf(['experiments'])}
            aria-current={first === undefined || first === 'experiments' || first === 'runs' ? 'page' : undefined}
          >
            Experiments
          </a>
          <a href={hrefOf(['models'])} aria-current={first === 'models' ? 'page' : undefined}>
            Models
          </a>
        </nav>
        <span class="gap" />
        {lost && (
          <span class="lost" role="status">
            The server does not answer
          </span>
        )}
        <span class="store" title={about.data?.title}>
          {about.data?.title}
        </span>
        <button
          type="button"
          class="quiet"
          onClick={toggleTheme}
          aria-label={theme === 'dark' ? 'Light colours' : 'Dark colours'}
          title="Light or dark (t)"
        >
          {theme === 'dark' ? '☀' : '☾'}
        </button>
        <button type="button" class="quiet" onClick={() => setHelp(true)} aria-label="Keys" title="Keys (?)">
          ?
        </button>
      </header>
      <main id="content" tabIndex={-1}>
        <Crumbs place={place} />
        <View place={place} />
      </main>
      {help && (
        <Dialog title="Keys" onClose={() => setHelp(false)}>
          <dl class="keys">
            {KEYS.map(([key, what]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </>
  )
}

/** Whether the server has stopped answering; while it has, it is asked now and then. */
function useLost(): boolean {
  const [lost, setLost] = useState(false)
  useEffect(() => {
    const [gone, back] = [() => setLost(true), () => setLost(false)]
    reach.addEventListener('lost', gone)
    reach.addEventListener('found', back)
    return () => {
      reach.removeEventListener('lost', gone)
      reach.removeEventListener('found', back)
    }
  }, [])
  useRepeated(async () => void (await api.about()), lost ? 2_000 : 10_000, true)
  return lost
}

function View({ place }: { readonly place: Place }) {
  const [room, id, inner, runId] = place.path
  if (room === undefined || (room === 'experiments' && id === undefined)) return <Experiments place={place} />
  if (room === 'experiments' && id !== undefined)
    return inner === 'runs' && runId ? (
      <RunView key={runId} runId={runId} place={place} />
    ) : (
      <Runs key={id} experimentId={id} place={place} />
    )
  if (room === 'runs' && id) return <ToRun runId={id} />
  if (room === 'compare') return <Compare place={place} />
  if (room === 'models') return id ? <ModelView key={id} name={id} /> : <Models />
  return <Empty>There is nothing here.</Empty>
}

/** A run by its id alone, as models know it. */
function ToRun({ runId }: { readonly runId: string }) {
  const { data, error } = useLoaded((signal) => api.runs([runId], signal), [runId])
  const experiment = data?.runs[0]?.info.experiment_id
  useEffect(() => {
    if (experiment) go(hrefOf(['experiments', experiment, 'runs', runId]), true)
  }, [experiment, runId])
  if (error) return <Failure error={error} />
  return data && !experiment ? <Empty>There is no run {runId}.</Empty> : <Waiting />
}

function Crumbs({ place }: { readonly place: Place }) {
  const [room, id, inner] = place.path
  const inExperiment = room === 'experiments' && id !== undefined
  const { data } = useLoaded(
    async (signal) => (inExperiment ? api.experiment(id, signal) : undefined),
    [inExperiment ? id : ''],
  )
  if (room === 'models' && id) return <Trail steps={[[hrefOf(['models']), 'Models']]} />
  if (!inExperiment) return null
  const steps: [string, string][] = [[hrefOf(['experiments']), 'Experiments']]
  if (inner === 'runs') steps.push([hrefOf(['experiments', id]), data?.experiment.name ?? id])
  return <Trail steps={steps} />
}

const Trail = ({ steps }: { readonly steps: readonly (readonly [string, string])[] }) => (
  <nav class="crumbs" aria-label="Where you are">
    {steps.map(([href, title]) => (
      <a key={href} href={href}>
        {title}
      </a>
    ))}
  </nav>
)
