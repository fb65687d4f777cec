import { useState } from 'preact/hooks'
import { api, type Model, type StageEvent, type Version } from './api.js'
import { timeText } from './format.js'
import { useLoaded } from './hooks.js'
import { Move, type Moving, Rollback } from './move.js'
import { Ago, Empty, Failure, Scrolled, Stage, Waiting } from './parts.js'
import { hrefOf } from './route.js'

async function versionsOf(name: string, signal: AbortSignal): Promise<Version[]> {
  const found: Version[] = []
  let token: string | undefined
  do {
    const page = await api.versions(name, token, signal)
    found.push(...(page.model_versions ?? []))
    token = page.next_page_token
  } while (token)
  return found
}

async function load(name: string, signal: AbortSignal) {
  const [{ registered_model: model }, versions, { events }] = await Promise.all([
    api.model(name, signal),
    versionsOf(name, signal),
    api.history(name, signal),
  ])
  const own = versions.filter((version) => version.name === name).sort((a, b) => Number(b.version) - Number(a.version))
  return { model, versions: own, events }
}

/** One model: which version serves where, all versions, and who moved what when. */
export function ModelView({ name }: { readonly name: string }) {
  const { data, error, reload } = useLoaded((signal) => load(name, signal), [name])
  const [moving, setMoving] = useState<Moving>()
  const [back, setBack] = useState<string>()
  const [told, setTold] = useState('')
  if (error && !data) return <Failure error={error} />
  if (!data) return <Waiting />
  const { model, versions, events } = data
  const done = (what: string) => {
    setMoving(undefined)
    setBack(undefined)
    setTold(what)
    reload()
  }
  return (
    <section>
      <div class="head">
        <h1>{model.name}</h1>
        <span class="count">
          {versions.length} {versions.length === 1 ? 'version' : 'versions'}
        </span>
      </div>
      {model.description && <p class="note">{model.description}</p>}
      <p class="told" role="status">
        {told}
      </p>
      <div class="stages">
        {['Production', 'Staging'].map((stage) => (
          <Holder key={stage} stage={stage} versions={versions} events={events} onBack={() => setBack(stage)} />
        ))}
      </div>
      <Versions model={model} versions={versions} onMove={setMoving} />
      <h2>History</h2>
      <History events={events} />
      {moving && (
        <Move name={name} moving={moving} versions={versions} onDone={done} onClose={() => setMoving(undefined)} />
      )}
      {back && (
        <Rollback name={name} stage={back} versions={versions} onDone={done} onClose={() => setBack(undefined)} />
      )}
    </section>
  )
}

interface HolderProps {
  readonly stage: string
  readonly versions: readonly Version[]
  readonly events: readonly StageEvent[]
  readonly onBack: () => void
}

function Holder({ stage, versions, events, onBack }: HolderProps) {
  const holders = versions.filter((version) => version.current_stage === stage)
  const before = events.some((event) => event.to === stage && !holders.some(({ version }) => version === event.version))
  const [latest] = holders
  return (
    <article class="card stage-card">
      <header>
        <Stage stage={stage} />
        <span class="gap" />
        {before && (
          <button type="button" onClick={onBack}>
            Roll back
          </button>
        )}
      </header>
      {latest ? (
        <p>
          <strong>{holders.map(({ version }) => `Version ${version}`).join(', ')}</strong>
          <small class="dim">
            {' '}
            moved <Ago ms={latest.last_updated_timestamp} />
          </small>
        </p>
      ) : (
        <p class="dim">No version</p>
      )}
    </article>
  )
}

interface VersionsProps {
  readonly model: Model
  readonly versions: readonly Version[]
  readonly onMove: (moving: Moving) => void
}

function Versions({ model, versions, onMove }: VersionsProps) {
  if (versions.length === 0) return <Empty>No versions yet.</Empty>
  const aliasesOf = (version: string) => (model.aliases ?? []).filter((one) => one.version === version)
  return (
    <Scrolled label="Versions">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">Stage</th>
            <th scope="col">Aliases</th>
            <th scope="col">Made</th>
            <th scope="col">From</th>
            <th scope="col">Description</th>
            <th scope="col">
              <span class="hidden">Move</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {versions.map((version) => (
            <tr key={version.version}>
              <th scope="row">{version.version}</th>
              <td>
                {version.current_stage && version.current_stage !== 'None' ? (
                  <Stage stage={version.current_stage} />
                ) : (
                  <span class="dim">–</span>
                )}
              </td>
              <td>
                {aliasesOf(version.version).map(({ alias }) => (
                  <span class="chip" key={alias}>
                    @{alias}
                  </span>
                ))}
              </td>
              <td>
                <Ago ms={version.creation_timestamp} />
              </td>
              <td class="from">
                {version.run_id ? (
                  <a href={hrefOf(['runs', version.run_id])}>run {version.run_id.slice(0, 8)}</a>
                ) : (
                  <span title={version.source}>{version.source}</span>
                )}
              </td>
              <td>{version.description}</td>
              <td class="moves">
                <button
                  type="button"
                  onClick={() => onMove({ version: version.version, to: 'stage' })}
                  aria-label={`Move version ${version.version} to a stage`}
                >
                  Move …
                </button>
                <button
                  type="button"
                  onClick={() => onMove({ version: version.version, to: 'alias' })}
                  aria-label={`Give version ${version.version} an alias`}
                >
                  Alias …
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
  )
}

function History({ events }: { readonly events: readonly StageEvent[] }) {
  if (events.length === 0) return <p class="dim">Nothing has been moved yet.</p>
  return (
    <ol class="history">
      {[...events].reverse().map((event) => (
        <li key={`${event.timestamp}/${event.version}/${event.to}`}>
          <time>{timeText(event.timestamp)}</time>
          <span>
            {event.alias === undefined ? (
              <>
                Version {event.version}: {event.from ?? 'None'} → <Stage stage={event.to} />
              </>
            ) : (
              <>
                @{event.alias}: {event.from ? `version ${event.from} → ` : ''}version {event.to}
              </>
            )}
            {event.rollback && <em> rolled back</em>}
            {event.by && <span class="dim"> by {event.by}</span>}
            {event.comment && <q>{event.comment}</q>}
          </span>
        </li>
      ))}
    </ol>
  )
}
