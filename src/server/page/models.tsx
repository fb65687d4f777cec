import { useState } from 'preact/hooks'
import { api, type Model } from './api.js'
import { usePages } from './hooks.js'
import { Ago, Empty, Failure, Scrolled, Stage, Waiting } from './parts.js'
import { hrefOf } from './route.js'

const filterOf = (text: string): string | undefined =>
  text === '' ? undefined : `name ILIKE '%${text.replaceAll("'", '_').replaceAll('\\', '_')}%'`

/** All registered models, and which of their versions is where. */
export function Models() {
  const [search, setSearch] = useState('')
  const { data, error, loading, more } = usePages(async (token, signal) => {
    const { registered_models: items = [], next_page_token } = await api.models(filterOf(search), token, signal)
    return { items, token: next_page_token || undefined }
  }, search)
  const models = data?.items ?? []
  return (
    <section>
      <div class="head">
        <h1>Models</h1>
        <span class="count">{data ? `${models.length}${data.token ? '+' : ''}` : ''}</span>
        <span class="gap" />
        <input
          type="search"
          aria-label="Search models"
          placeholder="Search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </div>
      <Failure error={error} />
      {!data && loading ? (
        <Waiting />
      ) : models.length === 0 && !error ? (
        <Empty>
          {search
            ? 'No model of that name.'
            : 'No models are registered yet: logModel with registeredModelName makes one.'}
        </Empty>
      ) : (
        <Scrolled label="Models">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">In production</th>
                <th scope="col">In staging</th>
                <th scope="col">Aliases</th>
                <th scope="col">Changed</th>
              </tr>
            </thead>
            <tbody>
              {models.map((model) => (
                <tr key={model.name}>
                  <th scope="row">
                    <a href={hrefOf(['models', model.name])}>{model.name}</a>
                  </th>
                  <td>{inStage(model, 'Production')}</td>
                  <td>{inStage(model, 'Staging')}</td>
                  <td>
                    {(model.aliases ?? []).map(({ alias, version }) => (
                      <span class="chip" key={alias}>
                        @{alias} → {version}
                      </span>
                    ))}
                  </td>
                  <td>
                    <Ago ms={model.last_updated_timestamp} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
      {data?.token && (
        <button type="button" class="more" disabled={loading} onClick={more}>
          More models
        </button>
      )}
    </section>
  )
}

function inStage({ latest_versions = [] }: Model, stage: string) {
  const found = latest_versions.filter((version) => version.current_stage === stage)
  if (found.length === 0) return <span class="dim">–</span>
  return (
    <>
      {found.map(({ version }) => (
        <span key={version}>
          version {version} <Stage stage={stage} />
        </span>
      ))}
    </>
  )
}
