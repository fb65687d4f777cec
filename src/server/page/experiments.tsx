import { useState } from 'preact/hooks'
import { api, type Experiment } from './api.js'
import { go, useLoaded } from './hooks.js'
import { Ago, Empty, Failure, Scrolled, Waiting } from './parts.js'
import { DeleteExperiment } from './remove.js'
import { hrefOf, type Place } from './route.js'

/** All experiments, those that changed last first, or those that were deleted. */
export function Experiments({ place }: { readonly place: Place }) {
  const deleted = place.query.view === 'deleted'
  const { data, error, reload } = useLoaded(
    (signal) => api.experiments(deleted ? 'DELETED_ONLY' : 'ACTIVE_ONLY', signal),
    [deleted],
  )
  const [search, setSearch] = useState('')
  const [leaving, setLeaving] = useState<Experiment>()
  const [refusal, setRefusal] = useState<Error>()
  const all = data?.experiments ?? []
  const found = all.filter(({ name }) => name.toLowerCase().includes(search.toLowerCase()))
  const restore = ({ experiment_id }: Experiment) => {
    setRefusal(undefined)
    api.restoreExperiment({ experiment_id }).then(reload, setRefusal)
  }
  return (
    <section>
      <div class="head">
        <h1>Experiments</h1>
        <span class="count" role="status">
          {data ? `${all.length}${deleted ? ' deleted' : ''}` : ''}
        </span>
        <span class="gap" />
        <button
          type="button"
          aria-pressed={deleted}
          onClick={() => go(hrefOf(['experiments'], { view: deleted ? undefined : 'deleted' }))}
        >
          Deleted
        </button>
        <input
          type="search"
          aria-label="Search experiments"
          placeholder="Search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </div>
      <Failure error={error ?? refusal} />
      {!data ? (
        !error && <Waiting />
      ) : found.length === 0 ? (
        <Empty>{search === '' && deleted ? 'No experiment has been deleted.' : 'No experiment of that name.'}</Empty>
      ) : (
        <Scrolled label="Experiments">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" class="wide">
                  Id
                </th>
                <th scope="col" class="wide">
                  Made
                </th>
                <th scope="col">Changed</th>
                <th scope="col">
                  <span class="hidden">{deleted ? 'Restore' : 'Delete'}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((experiment) => (
                <tr key={experiment.experiment_id}>
                  <th scope="row">
                    <a href={hrefOf(['experiments', experiment.experiment_id])}>{experiment.name}</a>
                  </th>
                  <td class="dim mono wide">{experiment.experiment_id}</td>
                  <td class="wide">
                    <Ago ms={experiment.creation_time} />
                  </td>
                  <td>
                    <Ago ms={experiment.last_update_time} />
                  </td>
                  <td class="moves">
                    {deleted ? (
                      <button
                        type="button"
                        aria-label={`Restore ${experiment.name}`}
                        onClick={() => restore(experiment)}
                      >
                        Restore
                      </button>
                    ) : experiment.experiment_id === '0' ? null : (
                      // The default one has to be there, for whoever names none.
                      <button
                        type="button"
                        class="quiet"
                        aria-label={`Delete ${experiment.name}`}
                        onClick={() => setLeaving(experiment)}
                      >
                        Delete …
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
      {leaving && (
        <DeleteExperiment
          what={leaving}
          onDone={() => {
            setLeaving(undefined)
            reload()
          }}
          onClose={() => setLeaving(undefined)}
        />
      )}
    </section>
  )
}
